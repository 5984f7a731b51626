"""
How sure the answer is: draws of every uncertain input together, and the tornado of each alone.

The draws are seeded, so that a report says the same tomorrow. Prices may rise as well as fall: GPU rents rose by half
in six months of 2026. 20,000 draws take a fraction of a second; numpy would take longer to load.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random
from statistics import NormalDist

from localfleet.core.plan.case import Sigmas, Triangle
from localfleet.core.plan.stakes import INPUTS, Stakes

__all__ = ["Chances", "Reach", "chances", "tenths", "trend"]

TENTH = NormalDist().inv_cdf(0.9)
API, GPU = INPUTS.index("hosted price"), INPUTS.index("GPU price")


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
    """
    `box_cheaper` is 0 to 1; percentiles are of the saving in US dollars a month, below zero the box loses.

    `reaches` are the inputs that move it; `certain` those that nothing is said of, or that change nothing here.
    """

    box_cheaper: float
    draws: int
    p10: float
    p50: float
    p90: float
    mean: float
    knowing: float
    """What knowing all inputs before deciding would be worth, US dollars a month: never below zero."""
    reaches: tuple[Reach, ...]
    certain: tuple[str, ...] = ()

    @property
    def waiting_share(self) -> float:
        """The part of the horizon that one may wait for that knowledge before waiting costs more than it is worth."""
        kept = max(0.0, self.mean)
        return self.knowing / (self.knowing + kept) if self.knowing else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubt:
    """One uncertain input: which factor of the saving it moves, its percentiles, and how to draw it alone."""

    name: str
    place: int
    low: float
    high: float
    draw: Callable[[Random], float]


def chances(at_stake: Stakes, sigmas: Sigmas) -> Chances:
    """Draw all inputs together, then move each alone."""
    doubts = [doubt for doubt in _doubts(sigmas) if (doubt.low, doubt.high) != (1.0, 1.0)]
    savings = sorted(_draws(at_stake, sigmas, doubts))
    count, mean = len(savings), sum(savings) / len(savings)
    reaches = [_reach(at_stake, doubt) for doubt in doubts if doubt.low < doubt.high]
    moving = tuple(reach for reach in reaches if reach.at_low != reach.at_high)
    told = {reach.name for reach in moving}
    return Chances(
        box_cheaper=sum(saving > 0 for saving in savings) / count,
        draws=count,
        p10=savings[count // 10],
        p50=savings[count // 2],
        p90=savings[count * 9 // 10],
        mean=mean,
        knowing=max(0.0, sum(saving for saving in savings if saving > 0) / count - max(0.0, mean)),
        reaches=moving,
        certain=tuple(name for name in INPUTS if name not in told),
    )


def trend(change_per_year: float, years: float) -> float:
    """The mean over the horizon of a price that changes by this share a year, as a factor on today's."""
    steady = log(1 + change_per_year) * years
    return 1.0 if abs(steady) < 1e-9 else (exp(steady) - 1) / steady


def _doubts(sigmas: Sigmas) -> list[_Doubt]:
    logs = (sigmas.volume, sigmas.api, sigmas.gpu)
    bent = (sigmas.speed, None, sigmas.cached, sigmas.fallback, sigmas.success, sigmas.derate)
    found = [_log_normal(place, sigma) for place, sigma in enumerate(logs)]
    for place, spread in enumerate(bent, start=len(logs)):
        found.append(_log_normal(place, sigmas.output) if spread is None else _triangle(INPUTS[place], place, spread))
    changes = ((API, sigmas.api_change), (GPU, sigmas.gpu_change))
    return [*found, *(_change(place, spread, sigmas.horizon_years) for place, spread in changes)]


def _log_normal(place: int, sigma: float) -> _Doubt:
    low, high = exp(-TENTH * sigma), exp(TENTH * sigma)
    return _Doubt(name=INPUTS[place], place=place, low=low, high=high, draw=lambda random: exp(random.gauss(0, sigma)))


def _triangle(name: str, place: int, spread: Triangle) -> _Doubt:
    low, mode, high = spread
    ends = tenths(*spread)
    return _Doubt(name=name, place=place, low=ends[0], high=ends[1], draw=lambda r: r.triangular(low, high, mode))


def _change(place: int, spread: Triangle, years: float) -> _Doubt:
    low, mode, high = spread
    ends = [trend(end, years) for end in tenths(*spread)]
    return _Doubt(
        name=f"{INPUTS[place]} over the horizon",
        place=place,
        low=ends[0],
        high=ends[1],
        draw=lambda random: trend(random.triangular(low, high, mode), years),
    )


def _draws(at_stake: Stakes, sigmas: Sigmas, doubts: list[_Doubt]) -> list[float]:
    """The two prices are drawn together, all else apart. What is certain all the same changes by its likeliest."""
    random, rho = Random(sigmas.seed), sigmas.price_correlation  # noqa: S311  # draws of a plan are no secret
    apart, one, saving = sqrt(1 - rho * rho), [1.0] * len(INPUTS), at_stake.saving
    alone = [(doubt.place, doubt.draw) for doubt in doubts if doubt.name not in {INPUTS[API], INPUTS[GPU]}]
    drawn = []
    for _ in range(sigmas.draws):
        factors = one.copy()
        first, second = random.gauss(0, 1), random.gauss(0, 1)
        factors[API] = exp(sigmas.api * first)
        factors[GPU] = exp(sigmas.gpu * (rho * first + apart * second))
        for place, draw in alone:
            factors[place] *= draw(random)
        drawn.append(saving(*factors))
    return drawn


def tenths(low: float, mode: float, high: float) -> tuple[float, float]:
    """10th and 90th percentile of a triangular distribution."""
    if high == low:
        return low, high
    split = (mode - low) / (high - low)

    def at(share: float) -> float:
        if share <= split:
            return low + sqrt(share * (high - low) * (mode - low))
        return high - sqrt((1 - share) * (high - low) * (high - mode))

    return at(0.1), at(0.9)


def _reach(at_stake: Stakes, doubt: _Doubt) -> Reach:
    def alone(end: float) -> float:
        factors = [1.0] * len(INPUTS)
        factors[doubt.place] = end
        return at_stake.saving(*factors)

    return Reach(name=doubt.name, low=doubt.low, high=doubt.high, at_low=alone(doubt.low), at_high=alone(doubt.high))
