"""
At the door of one local engine: so many requests inside at a time, so many in the line, and a fair order among them.

`core/fairness.py` says who is next; here is what waits, on the event loop. While there is room nothing waits: no task,
no timer, no future. A place is given back exactly once, however the request ends. `docs/concepts/admission.md` tells it
to people.
"""

import asyncio
import time
from collections.abc import Callable
from math import ceil, inf

from localfleet.core.fairness import BATCH_TURN_S, Line, Ticket, work_of
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.errors import EngineFailed
from localfleet.ports import Call

__all__ = ["Admission", "Pass"]

LEARN = 0.2
"""Weight of the newest answer in what is learned of time and length."""
FIRST_GUESS_TOKENS = 256
"""Length of an answer before one was seen; the caller's own limit counts where it is lower."""
LONGEST_RETRY_AFTER_S = 3600
NOT_COMING = "The local model is not running. /readyz says why; try again soon."


class Pass:
    """One place inside. Give it back with `Admission.leave`; a second time does nothing."""

    __slots__ = ("call", "charged", "entered_s", "left", "queued_s")

    def __init__(self, call: Call, *, charged: float, entered_s: float, queued_s: float) -> None:
        """`charged` is in weighted tokens over the key's weight, `queued_s` the time in the line."""
        self.call = call
        self.charged = charged
        self.entered_s = entered_s
        self.queued_s = queued_s
        self.left = False


class Admission:
    """
    The door of one model. Used by one event loop; `clock` gives seconds that only go forward.

    `limit` bounds the requests inside and in the line together, `slots` those inside, `tokens` the prompt tokens in the
    line (the first in the line may be as long as it likes). An engine that is not ready is `shut`: nobody enters, and
    those in the line stay there, and `on_line` is told of each that joins, so that somebody brings the engine.
    """

    def __init__(
        self,
        *,
        limit: int,
        slots: int,
        tokens: int | None = None,
        batch_turn_s: float = BATCH_TURN_S,
        shut: bool = False,
        on_line: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody is inside."""
        self._limit = limit
        self._slots = slots
        self._tokens = tokens
        self._clock = clock
        self._line = Line(batch_turn_s=batch_turn_s)
        self._turns: dict[Ticket, asyncio.Future[EngineFailed | None]] = {}
        self._shut = shut
        self._refusal: str | None = None
        self._on_line = on_line
        self._service_s = 0.0
        self._answer_tokens = float(FIRST_GUESS_TOKENS)
        self._inside = 0

    @property
    def inside(self) -> int:
        """Requests that the engine works on."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Requests in the line."""
        return self._line.waiting

    @property
    def has_room(self) -> bool:
        """Whether one more could be inside."""
        return self._inside < self._slots

    @property
    def waiting_tokens(self) -> int:
        """Prompt tokens in the line."""
        return self._line.input_tokens

    @property
    def oldest_wait_s(self) -> float:
        """How long the first in the line has waited; 0 where nobody waits."""
        return self._line.oldest_wait_s(self._clock()) if self._line.waiting else 0.0

    @property
    def wait_s(self) -> float:
        """How long somebody who comes now would wait, as learned; 0 while there is room, or nothing was learned yet."""
        if self.has_room and not self._line.waiting:
            return 0.0
        return self._service_s * (self._line.waiting + 1) / max(self._slots, 1)

    @property
    def retry_after_s(self) -> int:
        """When to come back: the learned wait in whole seconds, from 1 to an hour."""
        return min(max(ceil(self.wait_s), 1), LONGEST_RETRY_AFTER_S)

    async def enter(self, call: Call) -> Pass:
        """
        Wait for a turn, at most `min(call.timeout_s, call.patience_s)`.

        Raises `EngineFailed` with `QUEUE_FULL` at once, `QUEUE_TOO_LONG` when the time is over, `ENGINE_DOWN` where the
        engine will not come (`dismiss`). Whoever is cancelled leaves the line without a trace.
        """
        return self.enter_now(call) or await self._wait(call)

    def enter_now(self, call: Call) -> Pass | None:
        """A place if there is one and nobody waits for it; `None` otherwise. On the hot path."""
        if self._shut or self._inside >= self._slots or self._line.waiting:
            return None
        charged = self._estimate(call)
        self._line.begin(call.key_id, charged)
        self._inside += 1
        return Pass(call, charged=charged, entered_s=self._clock(), queued_s=0.0)

    def leave(self, pass_: Pass, usage: Usage | None) -> None:
        """
        Give the place back, and let the next one in.

        `usage` is what the answer used, measured or estimated; `None` where there was no answer: then the prompt stays
        charged, because the engine has read it or was about to, and nothing is learned.
        """
        if pass_.left:
            return
        pass_.left = True
        call, cost = pass_.call, work_of(pass_.call.input_tokens, 0)
        if usage is not None:
            cost = work_of(usage.input_tokens, usage.output_tokens)
            self._learn(self._clock() - pass_.entered_s, usage.output_tokens)
        self._line.end(call.key_id, charged=pass_.charged, cost=cost / call.weight)
        self._inside -= 1
        if self._line.waiting:
            self._admit()

    def open(self, slots: int | None = None) -> None:
        """The engine takes work, `slots` requests at a time if given; the line moves."""
        self._shut, self._refusal = False, None
        self._slots = self._slots if slots is None else slots
        self._admit()

    def shut(self) -> None:
        """The engine is not ready but will be: nobody enters, the line waits."""
        self._shut, self._refusal = True, None

    def dismiss(self, message: str = NOT_COMING) -> None:
        """The engine will not come by itself: whoever waits, or comes before `open` or `shut`, is turned away."""
        self._shut, self._refusal = True, message
        for ticket in list(self._turns):
            self._turn_away(ticket, _down(message))

    def adjust(self, *, limit: int, slots: int, tokens: int | None, batch_turn_s: float) -> None:
        """Take other bounds while people stand here: nobody in the line is turned away, nobody inside is put out."""
        self._limit, self._slots, self._tokens = limit, slots, tokens
        self._line.batch_turn_s = batch_turn_s
        self._admit()

    def _estimate(self, call: Call) -> float:
        return work_of(call.input_tokens, int(min(call.output_tokens, self._answer_tokens))) / call.weight

    def _learn(self, service_s: float, output_tokens: int) -> None:
        self._service_s += (service_s - self._service_s) * (LEARN if self._service_s else 1)
        self._answer_tokens += (output_tokens - self._answer_tokens) * LEARN

    async def _wait(self, call: Call) -> Pass:
        self._refuse(call)
        began = self._clock()
        ticket = self._line.join(
            call.key_id, cost=self._estimate(call), input_tokens=call.input_tokens, priority=call.priority, now=began
        )
        loop = asyncio.get_running_loop()
        turn = self._turns[ticket] = loop.create_future()
        bound_s = min(call.timeout_s, call.patience_s)
        timer = None if bound_s == inf else loop.call_later(bound_s, self._expire, ticket)
        if self._shut and self._on_line is not None:
            self._on_line()
        try:
            failure = await turn
        except asyncio.CancelledError:
            self._abandon(ticket, turn)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            call.waited(self._clock() - began)
        if failure is not None:
            raise failure
        now = self._clock()
        return Pass(call, charged=ticket.cost, entered_s=now, queued_s=now - began)

    def _refuse(self, call: Call) -> None:
        """Raise where not even the line is open."""
        if self._refusal is not None:
            raise _down(self._refusal)
        too_long = (
            self._tokens is not None
            and self._line.waiting
            and self._line.input_tokens + call.input_tokens > self._tokens
        )
        if self._inside + self._line.waiting >= self._limit or too_long:
            raise EngineFailed(
                "The line for this model is full. Try again after the time that `retry-after` names.",
                reason=Reason.QUEUE_FULL,
                retry_after_s=self.retry_after_s,
            )

    def _admit(self) -> None:
        """Give every free place to whoever is next."""
        while not self._shut and self._inside < self._slots:
            ticket = self._line.take(self._clock())
            if ticket is None:
                return
            self._inside += 1
            turn = self._turns.pop(ticket)
            if turn.done():  # cancelled a moment ago, and not awake yet
                self._undo(ticket)
            else:
                turn.set_result(None)

    def _undo(self, ticket: Ticket) -> None:
        """A turn that nobody used costs nothing."""
        self._line.end(ticket.key, charged=ticket.cost, cost=0.0)
        self._inside -= 1

    def _expire(self, ticket: Ticket) -> None:
        sentence = "The turn of this request at the local model did not come in time. Try again later."
        failure = EngineFailed(sentence, reason=Reason.QUEUE_TOO_LONG, retry_after_s=self.retry_after_s)
        self._turn_away(ticket, failure)

    def _turn_away(self, ticket: Ticket, failure: EngineFailed) -> None:
        """Out of the line with one; where its turn came in the same moment, or it was cancelled, that counts."""
        turn = self._turns.get(ticket)
        if turn is not None and not turn.done():
            del self._turns[ticket]
            self._line.drop(ticket)
            turn.set_result(failure)

    def _abandon(self, ticket: Ticket, turn: "asyncio.Future[EngineFailed | None]") -> None:
        """Cancelled in the line, or between the turn and the moment that would have noticed it."""
        if self._turns.pop(ticket, None) is not None:
            self._line.drop(ticket)
        elif not turn.cancelled() and turn.result() is None:
            self._undo(ticket)
            self._admit()


def _down(message: str) -> EngineFailed:
    return EngineFailed(message, reason=Reason.ENGINE_DOWN, retry_after_s=5)
