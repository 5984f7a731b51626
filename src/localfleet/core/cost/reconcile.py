"""
Three books of the same work held against each other: the ledger, the engine's counters, the provider's export or bill.

Every gap is a number: what one book has more than the other, and its share of the larger. None is explained away.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Any

from localfleet.core.cost.fit import StepFit, WorkFit
from localfleet.core.cost.points import Point

__all__ = ["MEASURES", "Book", "Drift", "Gap", "drifts", "gaps", "in_one_sum", "matched"]

Number = Decimal | float
MEASURES = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "usd")
DATED = re.compile(r"(?:-(?:\d{4}-?\d{2}-?\d{2}|latest))?")
"""What may follow the name that the operator wrote: the date of the very model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What one source says of one model in a period; `None` is not said."""

    requests: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    cache_read_tokens: float | None = None
    usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One measure of one model in the ledger and in another book (`source`)."""

    model: str
    measure: str
    ledger: Number
    other: Number
    source: str

    @property
    def difference(self) -> Number:
        """What the other book has more (positive) or less than the ledger."""
        return Decimal(self.other) - Decimal(self.ledger)

    @property
    def share(self) -> float:
        """The difference as a share of the larger, -1 to 1; 0 where both are 0."""
        larger = max(abs(Decimal(self.ledger)), abs(Decimal(self.other)))
        return float(Decimal(self.difference) / larger) if larger else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the box went from its calibration: `ratio` is measured over predicted, the median over `points`."""

    what: str
    ratio: float
    points: int


def gaps(ledger: Mapping[str, Book], other: Mapping[str, Book], *, source: str) -> list[Gap]:
    """One gap for each measure that both name, and for what only one of them knows of a model at all."""
    found: list[Gap] = []
    nothing = Book(requests=0.0, input_tokens=0.0, output_tokens=0.0, cache_read_tokens=0.0, usd=Decimal(0))
    for model in sorted({*ledger, *other}):
        ours, theirs = ledger.get(model, nothing), other.get(model, nothing)
        for measure in MEASURES:
            one, two = getattr(ours, measure), getattr(theirs, measure)
            if one is None or two is None or (theirs is nothing and not one):
                continue
            said = any(getattr(book, measure) is not None for book in other.values())
            if said:
                found.append(Gap(model=model, measure=measure, ledger=one, other=two, source=source))
    return found


def in_one_sum(books: Mapping[str, Book], measures: Collection[str], *, called: str) -> dict[str, Book]:
    """The same books, with these measures of all models taken out and added up in a book of their own."""
    total: dict[str, Any] = {each: sum(getattr(book, each) or 0 for book in books.values()) for each in measures}
    emptied = dict.fromkeys(measures)
    return {**{model: replace(book, **emptied) for model, book in books.items()}, called: Book(**total)}


def matched(name: str, models: Iterable[tuple[str, str]]) -> str | None:
    """
    Which of our models a provider's name means: the one whose upstream name it is, a date or a kind of token apart.

    `models` are pairs of our name and the upstream's. `gpt-4o-mini-2024-07-18, input` means `gpt-4o-mini` and never
    `gpt-4o`; `Claude Haiku 4.5` means `claude-haiku-4-5`. `None` for a model that nobody here declares.
    """
    wanted = _plain(name.partition(",")[0])
    return next(
        (
            ours
            for ours, upstream in models
            if DATED.fullmatch(wanted.removeprefix(_plain(upstream))) and wanted.startswith(_plain(upstream))
        ),
        None,
    )


def _plain(name: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in name.rpartition("/")[2].strip().lower())


def drifts(points: Sequence[Point], *, work: WorkFit | None, steps: Sequence[StepFit]) -> list[Drift]:
    """Live points against the calibration: time of a full box for a request, and time of a step at its batch."""
    found: list[Drift] = []
    full = [point for point in points if point.box_s is not None]
    if work is not None and full:
        ratios = [
            (point.box_s or 0.0) / work.box_s(point.input_tokens, point.output_tokens, cached_share=point.cached_share)
            for point in full
        ]
        found.append(Drift(what="token work", ratio=median(ratios), points=len(full)))
    stepped = [point for point in points if point.batch and point.step_ms]
    for fit in steps[:1]:
        inside = [point for point in stepped if fit.batch_range[0] <= (point.batch or 0) <= fit.batch_range[1]]
        if inside:
            ratios = [(point.step_ms or 0.0) / fit.step_ms(point.batch or 0.0) for point in inside]
            found.append(Drift(what="affine step", ratio=median(ratios), points=len(inside)))
    return found
