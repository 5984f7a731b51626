"""Where a request goes that no model answered: to the queue of people, if its task ends with one."""

import asyncio
from dataclasses import dataclass

from localfleet.core.reason import Reason
from localfleet.errors import EngineFailed, FleetError, NoDoor, WaitsForPerson
from localfleet.people.tickets import Ticket, Tickets
from localfleet.visit import Visit
from localfleet.wire.read import Letter

__all__ = ["LastDoor"]

NOT_FOR_PEOPLE = frozenset({Reason.PROVIDER_REFUSED, Reason.NOT_PERMITTED, Reason.UPSTREAM_REJECTED})
"""A refusal is not routed around, and what the caller may not or must mend no person answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDoor:
    """`tasks` are those whose requests wait for a person where no door answers."""

    tickets: Tickets
    tasks: frozenset[str]

    async def instead(self, letter: Letter, visit: Visit, error: FleetError) -> FleetError:
        """The error that says who has the request now; the one that there was, where nobody takes it."""
        ask = letter.ask
        failed = isinstance(error, EngineFailed | NoDoor) and error.reason not in NOT_FOR_PEOPLE
        if not failed or ask.task is None or ask.task not in self.tasks:
            return error
        ticket = Ticket(
            id=ask.request_id,
            at=self.tickets.now(),
            key_id=ask.caller.key_id,
            task=ask.task,
            label=visit.judged.label.word,
            api=ask.api,
            body=dict(letter.body),
        )
        try:
            added = await asyncio.to_thread(self.tickets.add, ticket)
        except OSError:
            return error
        return WaitsForPerson() if added else error
