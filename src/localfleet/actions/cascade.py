"""
Walks a cascade: cheapest door first, judged, then on along the list that was fixed before (laws 4 and 5).

An answer that is held back has not been seen by the client, so another door may follow it. What has begun to go out is
never followed by another. Where no later door does better, the last answer that came goes out: a cascade refuses
nothing that a plain request would have got.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localfleet.actions.action import Action
from localfleet.actions.bench import Bench
from localfleet.core.ask import WORDLESS, Api, Need
from localfleet.core.cascade import Cascade, steps
from localfleet.core.judges.spoken import Judgement, Spoken
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt
from localfleet.core.route import Decision, HostedRoute
from localfleet.errors import EngineFailed, FleetError
from localfleet.gateway import LINES, Answer, Gateway
from localfleet.visit import Visit
from localfleet.wire.read import Letter
from localfleet.wire.spoken import read_spoken, without_logprobs

__all__ = ["Cascades"]

BYTES_PER_TOKEN = 4
WHOLE = frozenset({Reason.ANSWERED, Reason.PROVIDER_REFUSED})
TOP = 5
"""Likeliest tokens to be told at each place: what llama.cpp, vLLM and OpenAI all give."""
TELLS_LOGPROBS = frozenset({Api.CHAT, Api.COMPLETION})


@dataclass(slots=True, kw_only=True)
class Held:
    """An answer of which the client has seen nothing yet; `rest` is what still comes of a stream."""

    part: Visit
    answer: Answer
    chunks: list[bytes] = field(default_factory=list)
    rest: AsyncGenerator[bytes] | None = None

    @property
    def data(self) -> bytes:
        """What came so far."""
        return self.answer.whole if self.answer.whole is not None else b"".join(self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascades:
    """The cascades of one file, by task."""

    gateway: Gateway
    bench: Bench
    by_task: Mapping[str, Cascade]

    async def answer(self, letter: Letter, visit: Visit, cascade: Cascade) -> Answer:
        """Answer a request of a task with a cascade; as the gateway, never raises `FleetError`."""
        action = Action(gateway=self.gateway, visit=visit)
        try:
            if visit.decision is None:
                await self.gateway.decide(letter, visit)
            doors = list(steps(visit.decided))
            unjudged = letter.ask.api in WORDLESS or (letter.ask.stream and cascade.buffer == "none")
            if len(doors) < 2 or unjudged:
                action.handed_on = True
                return await self.gateway.answer(letter, visit)
            return await self._walk(action, letter, cascade, doors)
        except FleetError as exc:
            return action.refused(exc)
        finally:
            action.end()

    async def _walk(self, action: Action, letter: Letter, cascade: Cascade, doors: list[Decision]) -> Answer:
        kept: Held | None = None
        failed: FleetError | None = None
        lines_are_full = False
        for n, door in enumerate(doors):
            if _too_dear(action, door):
                action.visit.attempts.append(self._not_tried(door))
                continue
            if lines_are_full and not door.overflows and isinstance(door.routes[0], HostedRoute):
                continue
            if n == len(doors) - 1:
                held = await self._last(action, letter, door)
                if isinstance(held, Answer):
                    return held
            else:
                held = await self._first(action, letter, cascade, door)
            if held.answer.error is not None:
                failed = held.answer.error
                if isinstance(failed, EngineFailed) and failed.ends_the_walk:
                    break
                lines_are_full = lines_are_full or failed.reason in LINES
                continue
            said = await self._said(action, letter, cascade, held, door)
            if said.passed:
                return await self._out(action, letter, held)
            kept = held
        if kept is not None:
            return await self._out_after_all(action, letter, kept)
        raise failed or EngineFailed("No door was tried.", reason=Reason.NO_LEGAL_DOOR)

    async def _last(self, action: Action, letter: Letter, door: Decision) -> "Answer | Held":
        """The last door answers the client itself: nothing could follow a judgement."""
        part = action.part("draft", decision=door)
        answer = await self.gateway.answer(letter, part)
        action.tried(part)
        if answer.error is not None:
            return Held(part=part, answer=answer)
        return action.answered(part, answer) if answer.stream is None else await action.streamed(part, answer)

    async def _first(self, action: Action, letter: Letter, cascade: Cascade, door: Decision) -> Held:
        """Ask a door that another one may follow, and hold back as much as the task wants."""
        part = action.part("draft", decision=door)
        told = self._with_logprobs(letter, cascade, door)
        answer = await self.gateway.answer(told, part)
        held = Held(part=part, answer=answer)
        if answer.error is not None:
            action.tried(part)
        elif answer.stream is not None:
            await self._hold(held, answer.stream, cascade, letter)
        return held

    async def _hold(self, held: Held, stream: AsyncGenerator[bytes], cascade: Cascade, letter: Letter) -> None:
        most = None if cascade.buffer == "whole" else int(cascade.buffer) * BYTES_PER_TOKEN
        async for chunk in stream:
            held.chunks.append(chunk)
            if most is not None and len(read_spoken(letter, held.data, whole=False).text.encode()) >= most:
                held.rest = stream
                return

    async def _said(self, action: Action, letter: Letter, cascade: Cascade, held: Held, door: Decision) -> Judgement:
        """Judge what is held; an answer that died on the way is not good enough."""
        dead = held.rest is None and held.part.outcome not in WHOLE
        spoken: Spoken = read_spoken(letter, held.data, whole=held.rest is None)
        if dead:
            said = Judgement(word="died", reason=Reason.DIED_MIDSTREAM)
        elif spoken.refused and not self.gateway.policy.refusals_go_on:
            said = Judgement(word="provider_refused")  # told, and not routed around
        else:
            said = await self.bench.judge(action, letter, cascade, spoken, door)
        if not said.passed and held.rest is not None:
            held.part.cut_short = said.reason or Reason.ANSWER_POOR
            await held.rest.aclose()
        action.tried(held.part, said)
        return said

    async def _out(self, action: Action, letter: Letter, held: Held) -> Answer:
        """What was held goes out, as its client asked for it."""
        answer, bare = held.answer, not _asked_logprobs(letter)
        if answer.whole is not None:
            if bare and b'"logprobs"' in answer.whole:
                answer = replace(answer, whole=without_logprobs(answer.whole, stream=False))
            return action.answered(held.part, answer)
        chunks = [without_logprobs(chunk, stream=True) for chunk in held.chunks] if bare else held.chunks
        rest = held.rest if held.rest is not None else nothing()
        if bare and held.rest is not None:
            rest = _stripped(held.rest)
        return await action.streamed(held.part, replace(answer, stream=rest), chunks)

    async def _out_after_all(self, action: Action, letter: Letter, kept: Held) -> Answer:
        """No later door answered: the answer that was not good enough is better than none."""
        model = self.gateway.models[kept.part.attempts[-1].model]
        action.visit.attempted(model, Reason.ANSWERED, kept.answer.status, 0)
        kept.rest = None
        return await self._out(action, letter, kept)

    def _with_logprobs(self, letter: Letter, cascade: Cascade, door: Decision) -> Letter:
        """Ask for log probabilities where a judge reads them and the engine can tell them."""
        can = Need.LOGPROBS in self.gateway.models[door.routes[0].model].can
        if not cascade.logprobs or not can or _asked_logprobs(letter) or letter.ask.api not in TELLS_LOGPROBS:
            return letter
        more: dict[str, Any] = {"logprobs": True, "top_logprobs": TOP}
        if letter.ask.api is Api.COMPLETION:
            more = {"logprobs": TOP}
        return replace(letter, body={**letter.body, **more})

    def _not_tried(self, door: Decision) -> Attempt:
        model = self.gateway.models[door.routes[0].model]
        return Attempt(model=model.name, tier=model.tier, reason=Reason.OVER_MAX_COST, status=None, duration_ms=0)


def _asked_logprobs(letter: Letter) -> bool:
    return bool(letter.body.get("logprobs"))


def _too_dear(action: Action, door: Decision) -> bool:
    """Whether this door, at its worst, would take the action over the most it may cost."""
    route, most = door.routes[0], action.visit.ask.max_cost_usd
    if most is None or not isinstance(route, HostedRoute):
        return False
    spent = action.spent_usd
    return spent is None or route.worst_usd is None or spent + route.worst_usd > most


async def nothing() -> AsyncGenerator[bytes]:
    """Nothing more comes."""
    none: tuple[bytes, ...] = ()
    for chunk in none:
        yield chunk


async def _stripped(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The rest of a stream without log probabilities; each chunk holds whole events."""
    try:
        async for chunk in stream:
            yield without_logprobs(chunk, stream=True)
    finally:
        await stream.aclose()
