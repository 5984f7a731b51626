"""
Runs a pipeline: stage by stage through the gateway, each with a label of its own; the last one streams.

The label of a stage's question is at least that of all it reads, and the policy decides anew for each. A stage in the
middle is read whole before the next begins, so the client sees one model's words only (law 5).
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from localfleet.actions.action import Action
from localfleet.actions.bench import Bench
from localfleet.core.ask import WORDLESS
from localfleet.core.conversation import prints_of
from localfleet.core.judges.spoken import Judgement
from localfleet.core.label import Label, Verdict, highest
from localfleet.core.pipeline import Held, Pipeline, Stage, closed, distinct, items_of, rendered, schema_of
from localfleet.core.reason import Reason
from localfleet.core.redaction.draft import floor_of
from localfleet.errors import BadAsk, EngineFailed, FleetError, NoDoor
from localfleet.gateway import Answer, Gateway
from localfleet.judging import judge, past_of
from localfleet.visit import Visit
from localfleet.wire.read import Letter
from localfleet.wire.search import documents_in
from localfleet.wire.spoken import read_spoken
from localfleet.wire.staged import documents_of, input_of, last_letter, stage_letter

__all__ = ["PREFIX", "Pipelines"]

PREFIX = "pipeline/"
AT_ONCE = 4
"""Items of a list that are asked about at the same time."""
UNREAD = frozenset({"detector_failed", "detector_timed_out", "session"})
"""Sources of a label that tell nothing of the text: nothing of it is released."""
NOTHING = Decimal(0)
TOO_PRIVATE = (
    "What this pipeline would search for is too private for its search endpoint. Ask `auto` or `local` instead."
)


@dataclass(slots=True, kw_only=True)
class Run:
    """One request on its way through the stages; `said` is the label that somebody gave it, whatever its text holds."""

    action: Action
    letter: Letter
    known: dict[str, Held]
    said: Label

    @property
    def label(self) -> Label:
        """Of the whole request."""
        return self.action.visit.judged.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipelines:
    """The pipelines of one file, by name. `fields` are names that operator rules look at."""

    gateway: Gateway
    bench: Bench
    by_name: Mapping[str, Pipeline]
    fields: frozenset[str] = frozenset()

    async def answer(self, letter: Letter, visit: Visit, pipeline: Pipeline) -> Answer:
        """Answer a request for `pipeline/<name>`; as the gateway, never raises `FleetError`."""
        action = Action(gateway=self.gateway, visit=visit)
        try:
            if letter.ask.api in WORDLESS:
                raise BadAsk(
                    "A pipeline answers in words. Ask for a model of vectors or ranks by its name.", param="model"
                )
            run = await self._begun(action, letter)
            return await self._run(run, pipeline)
        except FleetError as exc:
            return action.refused(exc)
        finally:
            action.end()

    async def _begun(self, action: Action, letter: Letter) -> Run:
        visit = action.visit
        said = await self._said(letter)  # first: judging remembers a restricted conversation
        visit.verdict = verdict = await judge(self.gateway, letter, visit)
        visit.redaction = None  # a stage reads parts of a request: what is restricted in the whole stays in each
        if not UNREAD.isdisjoint(verdict.because):
            said = verdict.label
        known = {
            "input": Held(items=(input_of(letter),), label=verdict.label),
            "documents": Held(items=documents_of(letter), label=verdict.label),
        }
        return Run(action=action, letter=letter, known=known, said=said)

    async def _said(self, letter: Letter) -> Label:
        """What key, header, task, conversation and rules say, and what cannot be read; restricted where that fails."""
        gateway, ask = self.gateway, letter.ask
        rules = gateway.rules if gateway.reading is None else gateway.reading.rules(ask)

        async def floor() -> Verdict:
            remembered, _ = await past_of(gateway, ask, prints_of(ask, gateway.print_key))
            return await asyncio.to_thread(floor_of, ask, rules, remembered)

        work = asyncio.ensure_future(floor())
        await asyncio.wait({work})
        return Label.RESTRICTED if work.exception() is not None else work.result().label

    async def _run(self, run: Run, pipeline: Pipeline) -> Answer:
        *middle, last = pipeline.stages
        for stage in middle:
            answer = await self._middle(run, stage)
            if answer is not None:
                return answer
        return await self._last(run, last)

    async def _middle(self, run: Run, stage: Stage) -> Answer | None:
        """One stage before the last; its answer where it is good enough to be the pipeline's."""
        if stage.enough is not None:
            return await self._draft(run, stage)
        if stage.each is None:
            texts, label = await self._asked(run, stage, (None,))
        else:
            items = items_of(run.known[stage.each], stage.most_items)
            texts, label = await self._asked(run, stage, items)
        if stage.search:
            found = [document for text in texts for document in documents_in(text)]
            texts = distinct(found) if stage.distinct else tuple(found)
        elif stage.distinct:
            texts = distinct([item for text in texts for item in items_of(Held(items=(text,), label=label), 1000)])
        if stage.fields:
            texts = tuple(closed(text, stage.fields) for text in texts)
        # What a closed structure holds is read anew by the stage that gets it.
        run.known[stage.name] = Held(items=texts, label=run.said if stage.release else label, whole=stage.search)
        return None

    async def _asked(self, run: Run, stage: Stage, items: tuple[str | None, ...]) -> tuple[tuple[str, ...], Label]:
        """What was answered about each item, a few at a time, and how sensitive all of it is."""
        label, texts = run.said, list[str]()
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            answers = await asyncio.gather(*(self._one(run, stage, item) for item in some))
            for text, read in answers:
                if isinstance(text, FleetError):
                    raise text
                texts.append(text)
                label = highest(label, read)
        return tuple(texts), label

    async def _one(self, run: Run, stage: Stage, item: str | None) -> tuple[str | FleetError, Label]:
        """Its text, or the error of its door: one that fails must not cut off the others without their receipts."""
        question, label = rendered(stage, run.known, run.said, item)
        schema = schema_of(stage.fields) if stage.fields else None
        letter = stage_letter(
            run.letter, question, model=stage.model, system=stage.system, max_tokens=stage.max_tokens,
            schema=schema, label=label, fields=self.fields,
        )  # fmt: skip
        letter = _within(run.action, letter)
        part = run.action.part(f"stage:{stage.name}", ask=letter.ask)
        answer = await self.gateway.answer(letter, part)
        run.action.tried(part)
        if answer.whole is None:
            return _unanswered(stage, answer), label
        return read_spoken(letter, answer.whole).text, highest(label, part.judged.label)

    async def _draft(self, run: Run, stage: Stage) -> Answer | None:
        """A stage whose answer may be the last word: held back, judged, and sent out where it passes."""
        letter, part, answer = await self._final(run, stage)
        if answer.error is not None:
            run.action.tried(part)
            raise answer.error
        chunks = [answer.whole] if answer.whole is not None else [c async for c in answer.stream or _nothing()]
        assert stage.enough is not None, "the caller looked"
        spoken = read_spoken(letter, b"".join(chunks))
        said = await self.bench.judge(run.action, letter, stage.enough, spoken, part.decided)
        if part.outcome not in {Reason.ANSWERED, Reason.PROVIDER_REFUSED}:
            said = Judgement(word="died", reason=Reason.DIED_MIDSTREAM)
        run.action.tried(part, said)
        if not said.passed:
            label = highest(letter.ask.declared, part.judged.label)
            run.known[stage.name] = Held(items=(spoken.text,), label=label)
            return None
        self._is_last(run, part)
        if answer.whole is not None:
            return run.action.answered(part, answer)
        return await run.action.streamed(part, replace(answer, stream=_nothing()), chunks)

    async def _last(self, run: Run, stage: Stage) -> Answer:
        _, part, answer = await self._final(run, stage)
        run.action.tried(part)
        self._is_last(run, part)
        if answer.error is not None:
            raise answer.error
        return run.action.answered(part, answer) if answer.stream is None else await run.action.streamed(part, answer)

    async def _final(self, run: Run, stage: Stage) -> tuple[Letter, Visit, Answer]:
        """Ask a stage whose answer may go out: in the caller's API, as a stream where that was asked for."""
        question, label = rendered(stage, run.known, run.said)
        letter = last_letter(
            run.letter, question, model=stage.model, system=stage.system, max_tokens=stage.max_tokens, label=label,
            lowered=label < run.label, fields=self.fields,
        )  # fmt: skip
        letter = _within(run.action, letter)
        part = run.action.part(f"stage:{stage.name}", ask=letter.ask)
        return letter, part, await self.gateway.answer(letter, part)

    def _is_last(self, run: Run, part: Visit) -> None:
        """The action's doors are those of the stage that answered it."""
        run.action.visit.decision = part.decision


def _unanswered(stage: Stage, answer: Answer) -> FleetError:
    """The error of a stage; the caller asked for no search by name, so it is told what could not be sent."""
    if answer.error is None:
        return EngineFailed("A stage gave no answer.", reason=Reason.UPSTREAM_GARBLED)
    if stage.search and answer.error.reason is Reason.PRIVACY_FORBIDS:
        return NoDoor(TOO_PRIVATE, status=answer.error.status, reason=Reason.PRIVACY_FORBIDS)
    return answer.error


async def _nothing() -> AsyncGenerator[bytes]:
    """Nothing more comes."""
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


def _within(action: Action, letter: Letter) -> Letter:
    """What is left of the most the whole may cost is the most that this stage may."""
    most, spent = letter.ask.max_cost_usd, action.spent_usd
    if most is None:
        return letter
    left = NOTHING if spent is None else max(most - spent, NOTHING)
    return replace(letter, ask=replace(letter.ask, max_cost_usd=left))
