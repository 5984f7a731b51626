"""
The queue of requests that wait for a person: list, take, answer.

A ticket holds the words of a request, whatever its label, so it is never on disk in clear: it is sealed with the key
from the environment, or, without one, kept in memory alone and gone with the router. May not: log anything, or show
words to anybody but who takes the ticket and who asked.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import orjson

from localfleet.batches.sealed import SealedFolder
from localfleet.errors import BadAsk, NotFound

__all__ = ["Ticket", "Tickets"]

State = Literal["waiting", "taken", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One request; `at` is Unix time, `body` the caller's own, `answer` a person's words."""

    id: str
    at: float
    key_id: str
    task: str
    label: str
    api: str
    body: dict[str, Any] = field(repr=False)
    state: State = "waiting"
    taken_by: str | None = None
    answer: str | None = field(default=None, repr=False)

    def shown(self) -> dict[str, Any]:
        """All but the words."""
        return {key: getattr(self, key) for key in ("id", "at", "task", "label", "api", "state", "taken_by")}


@dataclass(slots=True, kw_only=True)
class Tickets:
    """Blocks where it is durable: call it off the event loop."""

    folder: SealedFolder | None
    now: Callable[[], float]
    keep_s: float
    most: int
    _known: dict[str, Ticket] = field(default_factory=dict)

    @property
    def durable(self) -> bool:
        """Whether tickets outlive this router."""
        return self.folder is not None

    def load(self) -> None:
        """Read what an earlier router left; raises `FleetError` where another key sealed it."""
        for name in self.folder.names() if self.folder is not None else ():
            assert self.folder is not None
            ticket = Ticket(**orjson.loads(self.folder.get(name)))
            self._known[ticket.id] = ticket
        self._forget()

    def add(self, ticket: Ticket) -> bool:
        """Take a request in; false where the queue is full."""
        self._forget()
        if sum(one.state != "answered" for one in self._known.values()) >= self.most:
            return False
        self._keep(ticket)
        return True

    def all(self) -> list[dict[str, Any]]:
        """Every ticket without its words, the oldest first."""
        self._forget()
        return [ticket.shown() for ticket in sorted(self._known.values(), key=lambda one: one.at)]

    def take(self, ticket_id: str, who: str) -> Ticket:
        """Give a waiting ticket to somebody, with its words."""
        ticket = self.find(ticket_id)
        if ticket.state != "waiting" and ticket.taken_by != who:
            raise BadAsk("Somebody else has this ticket, or it was answered.", param="id")
        taken = ticket if ticket.state == "answered" else replace(ticket, state="taken", taken_by=who)
        self._keep(taken)
        return taken

    def answer(self, ticket_id: str, text: str) -> Ticket:
        """The person's answer, once."""
        ticket = self.find(ticket_id)
        if ticket.state == "answered":
            raise BadAsk("This ticket was answered already.", param="id")
        answered = replace(ticket, state="answered", answer=text)
        self._keep(answered)
        return answered

    def find(self, ticket_id: str) -> Ticket:
        """A ticket; raises `NotFound`."""
        self._forget()
        ticket = self._known.get(ticket_id)
        if ticket is None:
            raise NotFound("No ticket of that id waits here, or it was kept for its time. GET /api/tickets lists them.")
        return ticket

    def _keep(self, ticket: Ticket) -> None:
        if self.folder is not None:
            self.folder.put(_name(ticket), orjson.dumps(asdict(ticket)))
        self._known[ticket.id] = ticket

    def _forget(self) -> None:
        for ticket in [one for one in self._known.values() if self.now() - one.at > self.keep_s]:
            del self._known[ticket.id]
            if self.folder is not None:
                self.folder.delete(_name(ticket))


def _name(ticket: Ticket) -> str:
    return f"ticket-{ticket.id}"
