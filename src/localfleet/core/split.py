"""
A split, and when it may end: sides drawn by lot and kept, and intervals that hold at every look (S81).

The mean of qualities from 0 to 1 has a confidence sequence: an interval that holds at all times together with the
stated probability, so that looking every day, and stopping when it looks good, cheats nobody. The boundary is the
normal mixture for sub-Gaussian variables (Howard, Ramdas, McAuliffe, Sekhon 2021, proposition 5), with the variance of
a bounded variable at its most, a quarter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from math import inf, log, sqrt
from typing import Literal

__all__ = ["CONTROL", "TRIAL", "Experiment", "Side", "Verdict", "radius", "side_of", "summed", "weighed"]

CONTROL, TRIAL = "control", "trial"
MOST_VARIANCE = 0.25
RHO = 25.0
"""Where the boundary is tightest: at some hundreds of observations."""
ERROR = 0.05
FEWEST = 50
"""Answers on each side before money is compared."""
PARTS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A share of a task's requests goes by another row. `margin` is the loss of quality that nobody minds."""

    name: str
    task: str
    doors: tuple[str, ...]
    share: float
    by: Literal["key", "session", "request"]
    margin: float
    most_cost_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one side came to: the mean of `scored` qualities, and the mean money of `count` actions."""

    count: int
    scored: int
    quality: float
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`promote`, `stop` or `go_on`, why, and the interval of trial minus control that held at every look."""

    says: Literal["promote", "stop", "go_on"]
    why: str
    low: float
    high: float


def side_of(experiment: Experiment, who: str, *, key: bytes) -> str:
    """The side of a session or key: always the same one, drawn by a keyed hash; another experiment draws anew."""
    drawn = blake2b(f"{experiment.name}\0{who}".encode(), key=key, digest_size=4).digest()
    return TRIAL if int.from_bytes(drawn, "big") < experiment.share * PARTS else CONTROL


def radius(count: int, error: float = ERROR) -> float:
    """Half the width of the confidence sequence after so many observations."""
    if count == 0:
        return inf
    spread = count * MOST_VARIANCE + RHO
    return sqrt(spread * log(spread / (RHO * (error / 2) ** 2))) / count


def weighed(control: Side, trial: Side, experiment: Experiment) -> Verdict:
    """Whether the trial may take over: no worse by more than the margin, for sure, and no dearer than allowed."""
    half = radius(control.scored, ERROR / 2) + radius(trial.scored, ERROR / 2)
    middle = trial.quality - control.quality
    low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    if high < -experiment.margin:
        return Verdict(says="stop", why="the trial is worse", low=low, high=high)
    if low < -experiment.margin:
        return Verdict(says="go_on", why="not enough was said of the answers yet", low=low, high=high)
    if min(control.count, trial.count) < FEWEST:
        return Verdict(says="go_on", why="too few requests to compare money", low=low, high=high)
    if control.usd is None or trial.usd is None:
        return Verdict(says="go_on", why="the cost of some requests is unknown", low=low, high=high)
    if trial.usd > control.usd * Decimal(str(experiment.most_cost_ratio)):
        return Verdict(says="stop", why="good enough, and dearer than allowed", low=low, high=high)
    return Verdict(says="promote", why="good enough, and no dearer than allowed", low=low, high=high)


def summed(qualities: Iterable[float | None], usd: Iterable[Decimal | None]) -> Side:
    """One side from its requests."""
    said, costs = list(qualities), list(usd)
    known = [one for one in said if one is not None]
    unknown = any(one is None for one in costs)
    total = sum((one for one in costs if one is not None), Decimal(0))
    return Side(
        count=len(costs),
        scored=len(known),
        quality=sum(known) / len(known) if known else 0.0,
        usd=None if unknown or not costs else total / len(costs),
    )
