"""
How sure the answer is: draws of volume, prices and speed, and the tornado of each alone.

The draws are seeded, so that a report says the same tomorrow. Prices may rise as well as fall: GPU rents rose by half
in six months of 2026. 20,000 draws take a tenth of a second; numpy would take longer to load.
"""

from dataclasses import dataclass
from math import exp, sqrt
from random import Random
from statistics import NormalDist

from localfleet.core.plan.case import Sigmas
from localfleet.core.plan.stakes import INPUTS, Stakes

__all__ = ["Chances", "Reach", "chances"]

TENTH = NormalDist().inv_cdf(0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One input from its 10th to its 90th percentile, as factors, and the saving (US dollars a month) at both ends."""

    name: str
    low: float
    high: float
    at_low: float
    at_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """`box_cheaper` is 0 to 1; percentiles are of the saving in US dollars a month, below zero the box loses."""

    box_cheaper: float
    draws: int
    p10: float
    p50: float
    p90: float
    reaches: tuple[Reach, ...]


def chances(at_stake: Stakes, sigmas: Sigmas) -> Chances:
    """Draw all inputs together, then move each alone."""
    savings = sorted(_draws(at_stake, sigmas))
    count = len(savings)
    return Chances(
        box_cheaper=sum(saving > 0 for saving in savings) / count,
        draws=count,
        p10=savings[count // 10],
        p50=savings[count // 2],
        p90=savings[count * 9 // 10],
        reaches=tuple(_reach(at_stake, number, ends) for number, ends in enumerate(_ends(sigmas))),
    )


def _draws(at_stake: Stakes, sigmas: Sigmas) -> list[float]:
    random = Random(sigmas.seed)  # noqa: S311  # draws of a plan are no secret
    gauss, low, mode, high = random.gauss, *sigmas.speed
    return [
        at_stake.saving(
            exp(gauss(0, sigmas.volume)),
            exp(gauss(0, sigmas.api)),
            exp(gauss(0, sigmas.gpu)),
            random.triangular(low, high, mode),
        )
        for _ in range(sigmas.draws)
    ]


def _ends(sigmas: Sigmas) -> tuple[tuple[float, float], ...]:
    """10th and 90th percentile of each input, as factors, in the order of `INPUTS`."""
    spread = [(exp(-TENTH * sigma), exp(TENTH * sigma)) for sigma in (sigmas.volume, sigmas.api, sigmas.gpu)]
    return (*spread, _triangle(*sigmas.speed))


def _triangle(low: float, mode: float, high: float) -> tuple[float, float]:
    """10th and 90th percentile of a triangular distribution."""
    if high == low:
        return low, high
    split = (mode - low) / (high - low)

    def at(share: float) -> float:
        if share <= split:
            return low + sqrt(share * (high - low) * (mode - low))
        return high - sqrt((1 - share) * (high - low) * (high - mode))

    return at(0.1), at(0.9)


def _reach(at_stake: Stakes, number: int, ends: tuple[float, float]) -> Reach:
    factors = [[1.0] * len(INPUTS) for _ in ends]
    for row, end in zip(factors, ends, strict=True):
        row[number] = end
    low, high = (at_stake.saving(*row) for row in factors)
    return Reach(name=INPUTS[number], low=ends[0], high=ends[1], at_low=low, at_high=high)
