"""
One action: a request of a caller that takes several calls, its parts.

Each part has a receipt of its own, with its model, its label and its money. The action's receipt lists them, says what
went out, and holds no money: the sum of the parts is the cost of the completed action (S62).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal

from localfleet.core.ask import Ask
from localfleet.core.judges.spoken import Judgement
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt
from localfleet.core.route import Decision
from localfleet.errors import FleetError
from localfleet.gateway import Answer, Gateway
from localfleet.visit import Visit

__all__ = ["Action"]


@dataclass(slots=True, kw_only=True)
class Action:
    """Opens parts, notes how they went, and ends with one receipt whatever happens."""

    gateway: Gateway
    visit: Visit
    opened: list[Visit] = field(default_factory=list)
    said: dict[str, Judgement] = field(default_factory=dict)
    """What judges said, by the suffix of the part."""
    handed_on: bool = False
    """A stream is under way that will conclude by itself, or the gateway has the whole request."""

    @property
    def spent_usd(self) -> Decimal | None:
        """The money of all parts that are over; `None` where one is unknown."""
        costs = [part.cost_usd for part in self.opened if part.recorded]
        known = [usd for usd in costs if usd is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    def part(self, role: str, *, ask: Ask | None = None, decision: Decision | None = None) -> Visit:
        """One more call. With a part of the action's decision it goes that way; without, it gets its own."""
        whole = self.visit
        part = Visit(
            ask=ask or whole.ask,
            arrived=whole.arrived,
            wanted=whole.wanted if ask is None else ask.model,
            task=whole.task,
            session=whole.session,
            caller_action=whole.caller_action,
            timeouts=whole.timeouts,
            verdict=None if decision is None else whole.verdict,
            decision=decision,
            redaction=None if decision is None else whole.redaction,
            suffix=f".{len(self.opened) + 1}",
            role=role,
            arm=whole.arm,
        )
        self.opened.append(part)
        return part

    def tried(self, part: Visit, said: Judgement | None = None) -> None:
        """A try at the answer itself is known to be one: what doors it took, and what was said of what came."""
        if said is not None:
            self.said[part.suffix] = said
        self.visit.queued_s += part.queued_s
        self.visit.attempts += _judged(part.attempts, said)

    def answered(self, part: Visit, answer: Answer) -> Answer:
        """The answer of a part goes out whole: it is the action's."""
        self._begin(part, answer)
        self._conclude(part.outcome or Reason.INTERNAL_ERROR)
        return replace(answer, visit=self.visit)

    async def streamed(self, part: Visit, answer: Answer, held: Sequence[bytes] = ()) -> Answer:
        """
        The answer of a part goes out as it comes, after what was held back of it.

        The action's receipt is written when the stream ends, as any stream's.
        """
        assert answer.stream is not None, "a stream was asked for"
        self._begin(part, answer)
        stream = self._relay(part, answer.stream, held)
        self.handed_on = True
        await anext(stream)  # begun: closing it writes the receipt, even if nobody ever asks for a byte
        return Answer(visit=self.visit, status=answer.status, media_type=answer.media_type, stream=stream)

    def refused(self, error: FleetError) -> Answer:
        """No part gave an answer."""
        self._gather()
        self.gateway.refuse(self.visit, error)
        return Answer(visit=self.visit, status=error.status, error=error)

    def end(self) -> None:
        """Cancelled, or a fault of our own: the receipt is written all the same."""
        if not self.handed_on and not self.visit.recorded:
            task = asyncio.current_task()
            left = task is not None and task.cancelling() > 0
            self._conclude(Reason.CLIENT_LEFT if left else Reason.INTERNAL_ERROR)

    def _begin(self, part: Visit, answer: Answer) -> None:
        whole = self.visit
        whole.status = answer.status
        whole.first_byte_at = self.gateway.clock.monotonic()
        whole.answered_by = self.gateway.models[part.attempts[-1].model]

    async def _relay(self, part: Visit, stream: AsyncGenerator[bytes], held: Sequence[bytes]) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(stream):
                yield b""
                for chunk in held:
                    yield chunk
                async for chunk in stream:
                    yield chunk
        finally:
            self._conclude(part.outcome or Reason.CLIENT_LEFT)

    def _conclude(self, outcome: Reason) -> None:
        self._gather()
        self.gateway.conclude(self.visit, outcome)

    def _gather(self) -> None:
        """List every part that was recorded."""
        for part in self.opened:
            if part.recorded:
                said = self.said.get(part.suffix)
                self.visit.parts.append(
                    part.part() if said is None else part.part(verdict=said.word, score=said.score, aspect=said.aspect)
                )


def _judged(attempts: list[Attempt], said: Judgement | None) -> list[Attempt]:
    """The tries of a part; the last of an answer that was not good enough ends with the judge's reason."""
    if said is None or said.reason is None or not attempts:
        return attempts
    return [*attempts[:-1], replace(attempts[-1], reason=said.reason)]
