"""
The threshold of a cascade's judge, with the promise that a classifier's has: "97 % of always asking the last door".

An answer whose score reaches the least goes out; any other goes on. Leasts are tried from the strictest down, in an
order fixed beforehand, and each has to be proven before the next is tried (`routing/guarantee.py`). What has no score
(a refusal, text that is no JSON, a judge that failed) goes on at every least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log, nextafter

from localfleet.core.routing.guarantee import Claim, Outcome, claimed

__all__ = ["KINDS", "Judged", "Kind", "Proposal", "proposed"]

GRADES = (1.0, 0.75, 0.5, 0.25, 0.0)
SHARES = tuple(at / 50 for at in range(50, -1, -1))
DIGITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A judge that gives scores: the key of its threshold in `models.yaml`, and which scores the key can mean."""

    key: str
    scores: Sequence[float]

    def written(self, score: float) -> float:
        """The key's value that lets this score pass and no lower one; never laxer."""
        if self.key.endswith("least_logprob"):
            return min(ceil(log(score) * DIGITS) / DIGITS, 0.0) if score > 0 else -745.0
        return round(1 + 4 * score) if self.key == "model.least" else score

    def score(self, written: float) -> float:
        """The least score that a value lets pass."""
        if self.key.endswith("least_logprob"):
            return exp(written)
        return (written - 1) / 4 if self.key == "model.least" else written


KINDS: Mapping[str, Kind] = {
    "confidence": Kind(key="confidence.least_logprob", scores=SHARES[:-1]),
    "consistency": Kind(key="consistency.least", scores=SHARES),
    "model": Kind(key="model.least", scores=GRADES),
    "callable": Kind(key="least_score", scores=SHARES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One recorded answer of the first door: its judge's score, and what it and the last door's were worth, 0 to 1."""

    score: float | None
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The value that is proven, and the promise; `claim.strong_share` is the share that goes on."""

    value: float
    claim: Claim


def proposed(recorded: Sequence[Judged], kind: Kind, *, quality: float, confidence: float) -> Proposal | None:
    """The laxest value that keeps `quality` of always asking the last door; `None` where none is proven."""
    # A score at its least passes, so what goes up begins one step of the number above it.
    cuts = [nextafter(1 - kind.score(kind.written(score)), 2) for score in kind.scores]
    outcomes = [
        Outcome(score=2.0 if one.score is None else 1 - one.score, weak=one.first, strong=one.last) for one in recorded
    ]
    claim = claimed(outcomes, quality=quality, confidence=confidence, thresholds=cuts)
    if claim is None:
        return None
    return Proposal(value=kind.written(kind.scores[cuts.index(claim.threshold)]), claim=claim)
