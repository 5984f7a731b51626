"""
The first half of the story: how sensitive a request is, and what of it may leave in another form.

Whatever fails here makes the request restricted (law 2). It is the one place where everything may be caught.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from localfleet.core.ask import Ask, Span
from localfleet.core.classify import Rules, classify, named, names_to_read, unclassified
from localfleet.core.conversation import answer_print, prints_of
from localfleet.core.label import RESTRICTED, Label, Verdict
from localfleet.core.pieces import MOST_SENTENCES, any_piece, as_found, known_pieces, piece_prints
from localfleet.core.reading import Reading
from localfleet.ports import Ledger, Names
from localfleet.redacting import Redactor, redact_aside
from localfleet.visit import Visit
from localfleet.wire.pieces import brought_in
from localfleet.wire.read import Letter

__all__ = ["Bench", "Past", "judge", "judge_answer", "judge_beside", "past_of", "restrict"]

LONG_TEXT = 20_000
"""Characters beyond which a text is read off the event loop, so that one long prompt blocks nobody."""
BUDGET_CHARS = 200_000
"""Characters that the budget is for; a longer text has so many times as long."""
T = TypeVar("T")
Past = tuple[Label | None, str]
"""What is remembered of a request, and what of it was known: its `conversation`, or a `known_chunk` in it."""


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
        """How long reading a long text may take, for each `BUDGET_CHARS` of it."""
        ...


async def judge(bench: Bench, letter: Letter, visit: Visit) -> Verdict:
    """Classify, remembering restricted conversations; whatever goes wrong on the way is restricted (law 2)."""
    prints = prints_of(letter.ask, bench.print_key)
    verdict = await _or_restricted(_judged(bench, letter, visit, prints))
    if verdict.label is RESTRICTED and visit.redaction is None:
        restrict(bench, letter.ask, prints)
    return verdict


async def judge_beside(bench: Bench, visit: Visit, words: Sequence[str]) -> Verdict:
    """The verdict on a request with an operator's words beside it; of a redacted one nobody reads them: restricted."""
    if visit.judged.label is RESTRICTED:
        return unclassified("redacted")
    spans = (*(Span(where="form", text=text) for text in words), *visit.ask.spans)
    ask = replace(visit.ask, spans=spans)
    return await _or_restricted(_classified(bench, _rules(bench, ask), ask, (visit.judged.label, "conversation")))


async def judge_answer(bench: Bench, rules: Rules, answer: Ask) -> Verdict:
    """The verdict on an answer, read as if it were asked."""
    return await _or_restricted(_classified(bench, rules, answer, (None, "conversation")))


async def _or_restricted(reading: Awaitable[Verdict]) -> Verdict:
    try:
        return await reading
    except TimeoutError:
        return unclassified("detector_timed_out")
    except Exception:  # noqa: BLE001  # law 2: a detector that fails in any way makes the request restricted
        return unclassified("detector_failed")


async def _judged(bench: Bench, letter: Letter, visit: Visit, prints: Sequence[bytes]) -> Verdict:
    ask = letter.ask
    rules, past = _rules(bench, ask), await past_of(bench, ask, prints)
    verdict = await _classified(bench, rules, ask, past)
    if bench.redactor is not None:
        if verdict.label is not RESTRICTED and bench.redactor.speaks_of(ask):
            verdict = unclassified("session")
        if verdict.label is RESTRICTED:
            steps = bench.redactor.steps(letter, verdict, rules, prints=prints, remembered=past[0])
            visit.redaction = await redact_aside(steps, bench.names, _budget_s(bench, ask), whose=ask.caller.key_id)
    if verdict.label is RESTRICTED and visit.redaction is None:
        await _keep_pieces(bench, letter)
    return verdict


async def past_of(bench: Bench, ask: Ask, prints: Sequence[bytes]) -> Past:
    """What is remembered of this conversation, or of a piece in it; `TimeoutError` where that takes too long."""
    label = bench.ledger.remembered(prints)
    if (
        label is RESTRICTED
        or ask.declared is RESTRICTED
        or ask.caller.default_label is RESTRICTED
        or not _has_pieces(bench, ask)
    ):
        return label, "conversation"
    known = await _beside(bench, ask, lambda: known_pieces(_prints(bench, ask, ask.texts), bench.ledger.remembered))
    return (label, "conversation") if known is None else (known, "known_chunk")


def _has_pieces(bench: Bench, ask: Ask) -> bool:
    """Whether any piece of this caller's is remembered: else nothing need be hashed, which is most of the cost."""
    return bench.ledger.remembered((_any_piece(bench, ask),)) is not None


def _any_piece(bench: Bench, ask: Ask) -> bytes:
    return any_piece(key=bench.print_key, caller=ask.caller.key_id)


def _prints(bench: Bench, ask: Ask, texts: Sequence[str]) -> list[bytes]:
    return piece_prints(texts, key=bench.print_key, caller=ask.caller.key_id)


async def _keep_pieces(bench: Bench, letter: Letter) -> None:
    """Remember what was labelled, and of what was brought in what carries a finding; the request stays in any case."""
    ask = letter.ask
    if ask.caller.default_label is RESTRICTED:
        return  # as in `restrict`
    _keep(bench, ask, _prints(bench, ask, ask.labelled))
    brought = [text for text in brought_in(letter.body) if text not in ask.labelled]
    if not brought:
        return
    with suppress(TimeoutError):
        carrying = await _beside(bench, ask, lambda: [text for text in brought if _carries(bench, ask, text)])
        _keep(bench, ask, as_found(_prints(bench, ask, carrying)))


def _keep(bench: Bench, ask: Ask, prints: Sequence[bytes]) -> None:
    """The mark that there are pieces goes last, so that it is not forgotten before them."""
    if prints:
        bench.ledger.remember([*prints[:MOST_SENTENCES], _any_piece(bench, ask)], RESTRICTED)


def _carries(bench: Bench, ask: Ask, text: str) -> bool:
    """Whether something is found in this text that restricts by itself."""
    alone = replace(ask, spans=(Span(where="", text=text),))
    return any(found.label is RESTRICTED for found in classify(alone, _rules(bench, ask)).findings)


async def _beside(bench: Bench, ask: Ask, work: Callable[[], T]) -> T:
    """Do this at once for a short request, and off the event loop for a long one."""
    if sum(map(len, ask.texts)) <= LONG_TEXT:
        return work()
    return await asyncio.wait_for(asyncio.to_thread(work), _budget_s(bench, ask))


def _budget_s(bench: Bench, ask: Ask) -> float:
    """How long reading may take: reading is linear in the text, so a very long one has more."""
    return bench.detector_budget_s * max(1.0, sum(map(len, ask.texts)) / BUDGET_CHARS)


def _rules(bench: Bench, ask: Ask) -> Rules:
    return bench.rules if bench.reading is None else bench.reading.rules(ask)


def restrict(bench: Bench, ask: Ask, prints: Sequence[bytes]) -> None:
    """Remember that this conversation is restricted from here on."""
    if ask.caller.default_label is RESTRICTED:
        return  # all that this key sends stays anyway
    # The longest prefix, and every name; shorter prefixes belong to conversations that were not restricted.
    whole = prints[max(len(ask.turns) - 1, 0) :]
    answer = answer_print(f"resp_{ask.request_id}", key=bench.print_key, caller=ask.caller.key_id)
    bench.ledger.remember([*whole, answer], RESTRICTED)


async def _classified(bench: Bench, rules: Rules, ask: Ask, past: Past) -> Verdict:
    """The cheap layers first; the model of names only where they leave the answer open."""
    verdict, pieces = await _beside(bench, ask, lambda: _cheaply(bench, rules, ask, past))
    if bench.names is None or not pieces:
        return verdict
    budget_s = _budget_s(bench, ask)
    async with asyncio.timeout(budget_s):
        for piece in pieces:
            entities = await bench.names.read(piece, budget_s, whose=ask.caller.key_id)
            verdict = named(verdict, rules, piece, entities)
            if verdict.label is RESTRICTED:
                break
    return verdict


def _cheaply(bench: Bench, rules: Rules, ask: Ask, past: Past) -> tuple[Verdict, tuple[str, ...]]:
    text = ask.whole
    verdict = classify(ask, rules, *past, text=text)
    return verdict, names_to_read(text, verdict, rules) if bench.names is not None else ()
