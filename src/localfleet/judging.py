"""
The first half of the story: how sensitive a request is, and what of it may leave in another form.

Whatever fails here makes the request restricted (law 2). It is the one place where everything may be caught.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Protocol

from localfleet.core.ask import Ask, Span
from localfleet.core.classify import Rules, classify, named, names_to_read, unclassified
from localfleet.core.conversation import answer_print, prints_of
from localfleet.core.label import Label, Verdict
from localfleet.core.reading import Reading
from localfleet.ports import Ledger, Names
from localfleet.redacting import Redactor, redact_aside
from localfleet.visit import Visit
from localfleet.wire.read import Letter

__all__ = ["Bench", "judge", "judge_beside", "restrict"]

LONG_TEXT = 20_000
"""Characters beyond which a text is read off the event loop, so that one long prompt blocks nobody."""


class Bench(Protocol):
    """What a judgement needs; the gateway is one."""

    @property
    def rules(self) -> Rules:
        """What reads every request, unless `reading` says otherwise."""
        ...

    @property
    def reading(self) -> Reading | None:
        """Which layers read whose requests."""
        ...

    @property
    def names(self) -> Names | None:
        """The model of names."""
        ...

    @property
    def redactor(self) -> Redactor | None:
        """Replaces private values on the way out."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Remembers restricted conversations."""
        ...

    @property
    def print_key(self) -> bytes:
        """Keys the conversation fingerprints."""
        ...

    @property
    def detector_budget_s(self) -> float:
        """How long reading a long text may take."""
        ...


async def judge(bench: Bench, letter: Letter, visit: Visit) -> Verdict:
    """Classify, remembering restricted conversations; whatever goes wrong on the way is restricted (law 2)."""
    prints = prints_of(letter.ask, bench.print_key)
    verdict = await _or_restricted(_judged(bench, letter, visit, prints))
    if verdict.label is Label.RESTRICTED and visit.redaction is None:
        restrict(bench, letter.ask, prints)
    return verdict


async def judge_beside(bench: Bench, visit: Visit, words: Sequence[str]) -> Verdict:
    """The verdict on a request with an operator's words beside it; of a redacted one nobody reads them: restricted."""
    if visit.judged.label is Label.RESTRICTED:
        return unclassified("redacted")
    spans = (*(Span(where="form", text=text) for text in words), *visit.ask.spans)
    ask = replace(visit.ask, spans=spans)
    return await _or_restricted(_classified(bench, _rules(bench, ask), ask, visit.judged.label))


async def _or_restricted(reading: Awaitable[Verdict]) -> Verdict:
    try:
        return await reading
    except TimeoutError:
        return unclassified("detector_timed_out")
    except Exception:  # noqa: BLE001  # law 2: a detector that fails in any way makes the request restricted
        return unclassified("detector_failed")


async def _judged(bench: Bench, letter: Letter, visit: Visit, prints: Sequence[bytes]) -> Verdict:
    ask = letter.ask
    rules, remembered = _rules(bench, ask), bench.ledger.remembered(prints)
    verdict = await _classified(bench, rules, ask, remembered)
    if bench.redactor is not None:
        if verdict.label is not Label.RESTRICTED and bench.redactor.speaks_of(ask):
            verdict = unclassified("session")
        if verdict.label is Label.RESTRICTED:
            steps = bench.redactor.steps(letter, verdict, rules, prints=prints, remembered=remembered)
            visit.redaction = await redact_aside(steps, bench.names, bench.detector_budget_s, whose=ask.caller.key_id)
    return verdict


def _rules(bench: Bench, ask: Ask) -> Rules:
    return bench.rules if bench.reading is None else bench.reading.rules(ask)


def restrict(bench: Bench, ask: Ask, prints: Sequence[bytes]) -> None:
    """Remember that this conversation is restricted from here on."""
    if ask.caller.default_label is Label.RESTRICTED:
        return  # all that this key sends stays anyway
    # The longest prefix, and every name; shorter prefixes belong to conversations that were not restricted.
    whole = prints[max(len(ask.turns) - 1, 0) :]
    answer = answer_print(f"resp_{ask.request_id}", key=bench.print_key, caller=ask.caller.key_id)
    bench.ledger.remember([*whole, answer], Label.RESTRICTED)


async def _classified(bench: Bench, rules: Rules, ask: Ask, remembered: Label | None) -> Verdict:
    """The cheap layers first; the model of names only where they leave the answer open."""
    if sum(len(span.text) for span in ask.spans) <= LONG_TEXT:
        verdict, pieces = _cheaply(bench, rules, ask, remembered)
    else:
        reading = asyncio.to_thread(_cheaply, bench, rules, ask, remembered)
        verdict, pieces = await asyncio.wait_for(reading, bench.detector_budget_s)
    if bench.names is None or not pieces:
        return verdict
    async with asyncio.timeout(bench.detector_budget_s):
        for piece in pieces:
            entities = await bench.names.read(piece, bench.detector_budget_s, whose=ask.caller.key_id)
            verdict = named(verdict, rules, piece, entities)
            if verdict.label is Label.RESTRICTED:
                break
    return verdict


def _cheaply(bench: Bench, rules: Rules, ask: Ask, remembered: Label | None) -> tuple[Verdict, tuple[str, ...]]:
    verdict = classify(ask, rules, remembered)
    return verdict, names_to_read(ask, verdict, rules) if bench.names is not None else ()
