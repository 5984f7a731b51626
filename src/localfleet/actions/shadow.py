"""
Shadows on their way: after the caller has its answer the same request goes to another model, is judged, and dropped.

A shadow never stands in the way of anybody. It begins when the caller's answer is complete, takes a local engine that
has room and nobody waiting, and leaves it in the middle of a word when somebody comes. It is tried once. The law that
decides it is the gateway's own, asked as if the caller had named the model; the money is that of the experiment.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from localfleet.actions.action import Action
from localfleet.actions.aside import PATIENCE_S, give_way
from localfleet.actions.bench import Bench
from localfleet.core.ask import Ask
from localfleet.core.judges.spoken import Judgement, Spoken
from localfleet.core.policy import LOCAL
from localfleet.core.reason import Reason
from localfleet.core.receipt import Part
from localfleet.core.refusal import refusal
from localfleet.core.route import Decision, HostedRoute, LocalRoute
from localfleet.core.shadow import ROLE, Hours, Shadow, as_if_asked, drawn, once, payer, purse, quality_of
from localfleet.core.split import TRIAL
from localfleet.errors import EngineFailed, FleetError, NoDoor
from localfleet.gateway import Answer, Gateway
from localfleet.judging import judge
from localfleet.visit import Visit
from localfleet.wire.acting import acts_elsewhere
from localfleet.wire.read import Letter
from localfleet.wire.spoken import read_spoken

__all__ = ["Shadows"]

AT_ONCE = 4
"""Each holds a request and its answers in memory."""
MOST_BYTES = 256 * 1024
"""Of an answer that is kept for a judge; the request of a longer one has no shadow."""
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Shadows:
    """The shadows of one file, by task; a request has one, the first that is drawn. `hours` outlives the file."""

    gateway: Gateway
    bench: Bench
    by_task: Mapping[str, tuple[Shadow, ...]]
    hours: Hours
    patience_s: float = PATIENCE_S
    """How long one waits for a local engine with room."""
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def after(self, letter: Letter, visit: Visit, answer: Answer) -> Answer:
        """The caller's answer as it is; where the request is drawn, its shadow begins when that is complete."""
        key, every = self.gateway.print_key, self.by_task.get(letter.ask.task or "", ())
        shadows = [shadow for shadow in every if drawn(shadow, letter.ask, key=key)]
        if not shadows or answer.error is not None or acts_elsewhere(letter.body):
            return answer  # what a tool does twice is seen by others
        if answer.stream is not None:
            stream = self._watched(letter, visit, shadows, answer.stream)
            await anext(stream)  # begun: closing it closes the caller's stream, even if nobody asks for a byte
            return replace(answer, stream=stream)
        self._begin(letter, visit, shadows, answer.whole or b"")
        return answer

    async def stop(self) -> None:
        """End those under way; each gets its receipt."""
        for task in self.running:
            task.cancel()
        await self.rest()

    async def rest(self) -> None:
        """Until none is under way."""
        await asyncio.gather(*self.running, return_exceptions=True)

    async def _watched(
        self, letter: Letter, visit: Visit, shadows: Sequence[Shadow], stream: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        kept, size = list[bytes](), 0
        async with aclosing(stream):
            yield b""
            async for chunk in stream:
                size += len(chunk)
                if size <= MOST_BYTES:
                    kept.append(chunk)
                yield chunk
        if size <= MOST_BYTES:
            self._begin(letter, visit, shadows, b"".join(kept))

    def _begin(self, letter: Letter, visit: Visit, shadows: Sequence[Shadow], answer: bytes) -> None:
        by = _answered_by(visit)
        shadow = next((one for one in shadows if one.model != by), None)
        if shadow is None or by is None or visit.outcome is not Reason.ANSWERED or len(answer) > MOST_BYTES:
            return
        now = self.gateway.clock.now()
        if len(self.running) < AT_ONCE and self.hours.take(shadow.name, shadow.requests_per_hour, now):
            task = asyncio.create_task(self._mirror(letter, visit, shadow, answer))
            self.running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """What a fault of ours raised may hold words, so nobody looks at it: the receipt says that there was one."""
        self.running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _mirror(self, letter: Letter, visit: Visit, shadow: Shadow, answer: bytes) -> None:
        """Decide by the law, ask, judge, record."""
        # Read again from the start; where a proof said what may leave, a fresh one has to.
        found = visit.judged.label if visit.redaction is None else visit.redaction.proof.label
        sent = _whole(letter, as_if_asked(letter.ask, shadow.model, found))
        paid = replace(sent.ask, caller=payer(sent.ask.caller, shadow.name))
        root = Visit(
            ask=paid, arrived=self.gateway.clock.monotonic(), wanted=shadow.model, task=visit.task,
            timeouts=visit.timeouts, suffix=f"-{ROLE}", role=ROLE, arm=f"{shadow.name}:{TRIAL}",
        )  # fmt: skip
        # Its door is fixed below, by a gateway with all caps; who walks it takes no share and no retry of a caller's.
        lane = replace(self.gateway, caps=None, steering=None)
        action = Action(gateway=lane, visit=root)
        try:
            root.verdict = await judge(self.gateway, sent, root)
            law = replace(self.gateway, policy=once(self.gateway.policy))
            root.decision = law.decision(sent.ask, root.verdict, root.redaction)
            await self._asked(
                action, replace(sent, ask=paid), shadow, _Control(letter=letter, visit=visit, answer=answer)
            )
        except FleetError as exc:
            action.refused(exc)
        finally:
            action.end()

    async def _asked(self, action: Action, sent: Letter, shadow: Shadow, control: "_Control") -> None:
        root = action.visit
        local = _may(root.decided)
        sent = replace(sent, ask=replace(sent.ask, request_id=root.id))  # its parts are parts of the shadow
        part = action.part(ROLE, ask=sent.ask, decision=root.decided)
        part.purses = purse(shadow)
        answer = await self._aside(local, action.gateway.answer(sent, part))
        action.tried(part)
        if answer.whole is None:
            raise answer.error or EngineFailed("The shadow got no answer.", reason=Reason.UPSTREAM_GARBLED)
        mine = await self._judged(action, sent, shadow, read_spoken(sent, answer.whole), root.decided)
        action.said[part.suffix] = mine
        heard = read_spoken(control.letter, control.answer)
        root.parts.append(control.part(await self._judged(action, sent, shadow, heard, control.visit.decided)))
        action.answered(part, answer)

    async def _judged(
        self, action: Action, letter: Letter, shadow: Shadow, spoken: Spoken, door: Decision
    ) -> Judgement:
        """What the judges of this box say, with the quality from 0 to 1 that it stands for."""
        grader = shadow.cascade.grader
        engines = () if grader is None else tuple(self._meant(grader.model))
        said = await self._aside(engines, self.bench.judge(action, letter, shadow.cascade, spoken, door))
        aspect = said.aspect if grader is None else grader.aspect  # what came before the judge counts for it too
        return replace(said, score=quality_of(said), aspect=aspect)

    def _meant(self, wanted: str) -> Iterator[str]:
        """The local models that a judge's name means."""
        for model in self.gateway.models.values():
            if model.local and (model.name == wanted or (wanted == LOCAL and not model.specialised)):
                yield model.name

    async def _aside(self, names: tuple[str, ...], work: Coroutine[Any, Any, T]) -> T:
        return await give_way([self.gateway.engines[name] for name in names], work, patience_s=self.patience_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Control:
    """What the caller asked and got."""

    letter: Letter
    visit: Visit
    answer: bytes

    def part(self, said: Judgement) -> Part:
        """The caller's own request beside its shadow: what it cost, and what the same judges said of it."""
        visit = self.visit
        return Part(
            request_id=visit.id, role="control", model=_answered_by(visit), tier=visit.attempts[-1].tier,
            label=visit.judged.label, reason=visit.reason, outcome=Reason.ANSWERED, cost_usd=visit.total_usd,
            verdict=said.word, score=said.score, aspect=said.aspect,
        )  # fmt: skip


def _may(decision: Decision) -> tuple[str, ...]:
    """The local model that it leads to; raises where no door is open, or nobody knows what it costs at most."""
    if not decision.routes:
        no = refusal(decision)
        raise NoDoor(no.message, status=no.status, reason=no.reason)
    route = decision.routes[0]
    if isinstance(route, HostedRoute) and route.worst_usd is None:
        raise EngineFailed("The price of the shadow's model is unknown.", reason=Reason.PRICE_UNKNOWN)
    return (route.model,) if isinstance(route, LocalRoute) else ()


def _answered_by(visit: Visit) -> str | None:
    if visit.answered_by is not None:
        return visit.answered_by.name
    return visit.attempts[-1].model if visit.attempts else None


def _whole(letter: Letter, ask: Ask) -> Letter:
    """The letter with these facts, its answer asked for in one piece."""
    body = {key: value for key, value in letter.body.items() if key not in {"stream", "stream_options"}}
    return replace(letter, ask=ask, body=body, wants_usage=False)
