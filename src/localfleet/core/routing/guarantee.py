"""
A threshold with a promise: "quality at least 97 % of always asking the stronger model, with 95 % confidence".

Below the threshold the weak model answers, from it on the strong one. Given recorded outcomes of both models that the
classifier was not trained on, thresholds are tried from 0 ("always strong") upwards, in an order fixed beforehand, and
each has to be proven before the next is tried (Learn then Test, fixed sequence: Angelopoulos and others, arXiv
2110.01052). The proof of one is a bet against its being too high: a game that is fair if quality falls short, and whose
capital then exceeds 1/(1 - confidence) no more often than promised (Waudby-Smith and Ramdas, arXiv 2010.09686; Ville's
inequality). No shape of distribution is assumed; only that the outcomes are drawn as the future's prompts will be.

Where only one of the two answers was ever given, the other counts at its worst: an unknown strong answer is perfect
where the weak one would go out, and worth nothing where it would go out itself; an unknown weak one is useless. So the
promise holds whatever those would have been, and what cannot be promised that way is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

__all__ = ["THRESHOLDS", "Claim", "Outcome", "claimed", "proven"]

THRESHOLDS = tuple(at / 50 for at in range(1, 51))
"""Tried in this order, from hardly any weak answer to no strong one."""
_BOLDEST = 0.75
"""Of the largest bet that cannot lose everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One prompt: its score and how well each model answered it, 0 to 1; `None` for an answer that was not given."""

    score: float
    weak: float | None
    strong: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is promised, and what was seen."""

    threshold: float
    """From this score on the strong model answers."""
    quality: float
    """The least share of always-strong quality, as promised."""
    confidence: float
    prompts: int
    strong_share: float
    """The share of the recorded prompts that go to the strong model."""
    seen_quality: float
    """The share of always-strong quality on the recorded prompts."""
    at: str = ""
    """The UTC day it was proven, as 2026-11-26; empty in files of an older release."""
    refused_at: str = ""
    """The UTC day on which newer outcomes did not prove as much; empty where none did so."""


def claimed(
    outcomes: Sequence[Outcome], *, quality: float, confidence: float, thresholds: Sequence[float] = THRESHOLDS
) -> Claim | None:
    """
    The highest threshold that is proven to keep `quality` of always-strong, and on these outcomes does; else `None`.

    `quality` and `confidence` lie between 0 and 1, both excluded. `thresholds` rise, and are chosen before anybody
    looks at the outcomes.
    """
    best = None
    for threshold in thresholds:
        losses = [_loss(one, quality, up=one.score >= threshold) for one in outcomes]
        # The bet may be won before the last outcome; what all of them together deny is not promised.
        if sum(losses) > 0 or not proven(losses, most=quality, confidence=confidence):
            break
        best = threshold
    return None if best is None else _claim(outcomes, best, quality, confidence)


def _loss(one: Outcome, quality: float, *, up: bool) -> float:
    """How far the answer falls short of the promised share of the strong one: at most, where one is unknown."""
    if up:
        return (quality - 1) * (one.strong or 0.0)
    return quality * (1.0 if one.strong is None else one.strong) - (one.weak or 0.0)


def proven(losses: Sequence[float], *, most: float, confidence: float) -> bool:
    """Whether the mean loss is below 0 at this confidence; each loss lies in -1 to `most`."""
    wanted = log(1 / (1 - confidence))
    reach = 1 / most * _BOLDEST
    capital, total, squares = 0.0, 0.0, 0.25
    for count, loss in enumerate(losses, start=1):
        # The bet on this loss is fixed by the losses before it.
        spread = squares / count
        mean = total / count
        bold = max(-mean, sqrt(2 * wanted * spread / len(losses))) / (spread + mean * mean)
        capital += log(1 - min(bold, reach) * loss)
        if capital >= wanted:
            return True
        total += loss
        squares += (loss - total / (count + 1)) ** 2
    return False


def _claim(outcomes: Sequence[Outcome], threshold: float, quality: float, confidence: float) -> Claim:
    strong = [one.score >= threshold for one in outcomes]
    got = sum(_worst(one, up=up) for one, up in zip(outcomes, strong, strict=True))
    always = sum(_always(one, up=up) for one, up in zip(outcomes, strong, strict=True))
    return Claim(
        threshold=threshold,
        quality=quality,
        confidence=confidence,
        prompts=len(outcomes),
        strong_share=sum(strong) / len(strong),
        seen_quality=got / (always or 1.0),
    )


def _worst(one: Outcome, *, up: bool) -> float:
    return (one.strong if up else one.weak) or 0.0


def _always(one: Outcome, *, up: bool) -> float:
    """What always asking the strong model would have given, at most where it was not asked."""
    return (one.strong or 0.0) if up or one.strong is not None else 1.0
