"""
The bench: all judges of one answer, one after the other, the cheap ones first.

A judge that asks a model asks through the gateway: what it sends is at least as sensitive as the request (law 1), so
the law shuts the same doors to it. A judge that fails is unsure, and unsure routes up; it never lets an answer pass.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localfleet.actions.action import Action
from localfleet.core.cascade import Cascade, checked
from localfleet.core.judges.consistency import Consistency
from localfleet.core.judges.grade import Grader, question
from localfleet.core.judges.spoken import PASSED, Judgement, Spoken
from localfleet.core.judges.verdict_of_call import Judged, read_score
from localfleet.core.reason import Reason
from localfleet.core.route import Decision
from localfleet.gateway import Gateway
from localfleet.wire.derived import chat_body, derived
from localfleet.wire.read import Letter
from localfleet.wire.spoken import question_of, read_spoken

__all__ = ["Bench", "Callables"]

Callables = Mapping[str, Callable[[Judged], Any]]
CALL_S = 5.0
"""A judge of the operator's that takes longer has failed."""
GRADE_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Judges answers; `callables` are the operator's functions by the name that the file gives them."""

    gateway: Gateway
    callables: Callables = field(default_factory=dict)

    async def judge(
        self, action: Action, letter: Letter, cascade: Cascade, spoken: Spoken, door: Decision
    ) -> Judgement:
        """What all judges say of the answer that came by `door`: the first that is not content, else the last."""
        said = checked(cascade, spoken)
        if said.passed and spoken.whole and cascade.consistency is not None:
            said = await self._consistent(action, letter, cascade.consistency, spoken, door)
        if said.passed and spoken.whole and cascade.grader is not None:
            said = await self._graded(action, letter, cascade.grader, spoken)
        if said.passed and spoken.whole and cascade.call is not None:
            said = await self._called(action, letter, cascade, spoken, door)
        return said

    async def _consistent(
        self, action: Action, letter: Letter, wanted: Consistency, spoken: Spoken, door: Decision
    ) -> Judgement:
        """Ask the same door the same question again, a little warmer."""
        body = _whole_and_warm(letter.body, wanted)
        again = replace(letter, body=body, ask=replace(letter.ask, stream=False))
        others: list[str] = []
        for _ in range(wanted.samples):
            part = action.part("sample", ask=again.ask, decision=door)
            if part.redaction is not None:
                part.redaction = replace(part.redaction, body=_whole_and_warm(part.redaction.body, wanted))
            answer = await self.gateway.answer(again, part)
            if answer.whole is not None:
                others.append(read_spoken(again, answer.whole).text)
        return wanted.judge(spoken.text, others)

    async def _graded(self, action: Action, letter: Letter, grader: Grader, spoken: Spoken) -> Judgement:
        said = await grade(action, letter, grader, spoken)
        return grader.judge(said)

    async def _called(
        self, action: Action, letter: Letter, cascade: Cascade, spoken: Spoken, door: Decision
    ) -> Judgement:
        """The operator's own function, in a thread; what it raises may hold words, so nobody looks at it."""
        function = self.callables[cascade.call or ""]
        judged = Judged(
            answer=spoken.text,
            request=question_of(letter),
            task=action.visit.task,
            model=door.routes[0].model,
            label=action.visit.judged.label.word,
            calls=spoken.calls,
        )
        work = asyncio.ensure_future(asyncio.to_thread(function, judged))
        work.add_done_callback(_look_away)
        done, _ = await asyncio.wait({work}, timeout=CALL_S)
        score = read_score(work.result()) if done and not work.cancelled() and work.exception() is None else None
        if score is None:
            return Judgement(word="judge_failed", reason=Reason.ANSWER_UNSURE)
        if score >= cascade.least_score:
            return Judgement(word=PASSED.word, score=score)
        return Judgement(word="low_score", reason=Reason.ANSWER_POOR, score=score)


def _whole_and_warm(body: Mapping[str, Any], wanted: Consistency) -> Mapping[str, Any]:
    kept = {key: value for key, value in body.items() if key != "stream_options"}
    return {**kept, "stream": False, "temperature": wanted.temperature}


async def grade(action: Action, letter: Letter, grader: Grader, spoken: Spoken) -> str | None:
    """Ask the judge; its text, or `None` where no door was open to it or none answered."""
    asked = question(question_of(letter), spoken.text)
    body = chat_body(grader.model, asked, system=grader.instruction, max_tokens=GRADE_TOKENS)
    body["temperature"] = 0
    sent = derived(letter, body, label=action.visit.judged.label)
    part = action.part("judge", ask=sent.ask)
    answer = await action.gateway.answer(sent, part)
    return None if answer.whole is None else read_spoken(sent, answer.whole).text


def _look_away(work: "asyncio.Future[Any]") -> None:
    """An exception that nobody asks for would be printed when it is forgotten."""
    if not work.cancelled():
        work.exception()
