"""
Quality that falls: the latest rated answers of a tier beside those before them (S70).

A rating is a number from 0 to 1: what people said of an answer, or what a shadow's judge said; the two are never mixed.
The alarm rings where the mean fell by at least `most`, and by more than three standard errors of the difference: a
false alarm on one look is rarer than one in seven hundred.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from math import sqrt

from localfleet.core.feedback import Feedback
from localfleet.core.receipt import Receipt

__all__ = ["JUDGE", "PEOPLE", "Drift", "Fall", "judged_by", "rating_of"]

PEOPLE, JUDGE = "people", "judge"
LATEST = 200
"""Rated answers of a tier that are held against all before them."""
FEW = 50
"""Fewer on either side say nothing."""
ERRORS = 3.0
REMEMBERED = 20_000
"""Requests whose tier is kept in memory, for feedback that comes later."""
Of = tuple[str, str]
"""A tier, and by whom its answers were rated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Mean quality before and of the latest ratings, and how many each."""

    before: float
    latest: float
    many_before: int
    many_latest: int
    rings: bool


@dataclass(slots=True)
class _Run:
    """One tier's ratings in the order that they came."""

    latest: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, quality: float) -> None:
        if len(self.latest) == LATEST:
            oldest = self.latest[0]
            self.count += 1
            self.total += oldest
            self.squares += oldest * oldest
        self.latest.append(quality)

    def fall(self, most: float) -> Fall | None:
        """`None` while there are too few to tell."""
        if self.count < FEW or len(self.latest) < FEW:
            return None
        before, latest = self.total / self.count, sum(self.latest) / len(self.latest)
        spread = max(self.squares / self.count - before * before, 0.0)
        own = sum((one - latest) ** 2 for one in self.latest) / len(self.latest)
        error = sqrt(spread / self.count + own / len(self.latest))
        lost = before - latest
        # What never varied has no standard error that could be believed: a quarter of an answer on each side stands in.
        error = max(error, sqrt(1 / self.count**2 + 1 / len(self.latest) ** 2) / 4)
        return Fall(
            before=before, latest=latest, many_before=self.count, many_latest=len(self.latest),
            rings=lost >= most and lost > ERRORS * error,
        )  # fmt: skip


@dataclass(slots=True)
class Drift:
    """The ratings of every tier; used from one event loop. `most` is the loss of quality that nobody minds."""

    most: float = 0.05
    runs: dict[Of, _Run] = field(default_factory=dict)
    tiers: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Request -> the tier that answered it, the oldest first."""

    def watch(self, receipt: Receipt) -> None:
        """Remember who answered, and take in what a shadow's judge said."""
        if receipt.action is None:
            if receipt.tier is not None:
                self.tiers[receipt.request_id] = receipt.tier
                if len(self.tiers) > REMEMBERED:
                    self.tiers.popitem(last=False)
        elif receipt.role == "shadow":
            for part in receipt.parts:
                if part.role in {"control", "shadow"} and part.tier is not None and part.score is not None:
                    self.see((part.tier, judged_by(part.aspect)), part.score)

    def hear(self, said: Feedback) -> None:
        """Take in what somebody said of a request that is remembered."""
        tier, quality = self.tiers.get(said.request_id), rating_of(said)
        if tier is not None and quality is not None:
            self.see((tier, PEOPLE), quality)

    def see(self, of: Of, quality: float) -> None:
        """One more rating."""
        self.runs.setdefault(of, _Run()).add(quality)

    def falls(self) -> dict[Of, Fall]:
        """Where there is enough to tell."""
        found = {of: run.fall(self.most) for of, run in self.runs.items()}
        return {of: fall for of, fall in found.items() if fall is not None}


def judged_by(aspect: str) -> str:
    """The name of a judge's series: one for what it looks at, `judge` where that is quality."""
    return JUDGE if aspect == "quality" else f"{JUDGE}:{aspect}"


def rating_of(said: Feedback) -> float | None:
    """A score as given; else 0 for what was corrected or not used, 1 for what was used as it was."""
    if said.score is not None:
        return said.score
    if said.corrected:
        return 0.0
    return None if said.accepted is None and said.corrected is None else float(said.accepted is not False)
