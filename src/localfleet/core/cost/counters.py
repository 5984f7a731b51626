"""
An engine's own counters, read again and again -> what it did between, restarts counted out, and points to fit again.

A counter that fell, or a process that began later than the one before, is a restart: the new process counted from zero,
and what the old one did after its last reading is nobody's knowledge. Between two readings of one process

    batch      = seconds that requests spent decoding / seconds passed            (Little's law)
    step_ms    = seconds between tokens / tokens after the first
    saturated  = requests waited at both ends, so the box was full: requests / seconds passed is its rate
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

from localfleet.core.cost.points import Point

__all__ = ["Counted", "Reading", "counted", "points_between"]

FEWEST_TOKENS = 200
"""Between readings: fewer tell nothing of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    One look at an engine's counters at `at_s` (Unix seconds). Counters of all its ranks together.

    `started_s` is when its process began, `None` where it does not say. Seconds are sums over requests.
    """

    at_s: float
    input_tokens: float
    output_tokens: float
    requests: float = 0.0
    cached_tokens: float = 0.0
    decode_s: float = 0.0
    gaps_s: float = 0.0
    gaps: float = 0.0
    running: float = 0.0
    waiting: float = 0.0
    started_s: float | None = None


COUNTERS = ("input_tokens", "output_tokens", "requests", "cached_tokens", "decode_s", "gaps_s", "gaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What was counted from the first reading to the last. `blind_s` is time in which a restart hid what was done."""

    from_s: float
    to_s: float
    input_tokens: float
    output_tokens: float
    requests: float
    cached_tokens: float
    restarts: int
    blind_s: float


def counted(readings: Sequence[Reading]) -> Counted:
    """
    Add up the increases; after a restart a reading counts in full.

    Raises `ValueError` for fewer than two readings, or readings whose clock does not run forwards.
    """
    _check(readings)
    sums = dict.fromkeys(COUNTERS, 0.0)
    restarts, blind_s = 0, 0.0
    for before, after in pairwise(readings):
        fresh = _restarted(before, after)
        restarts += fresh
        blind_s += after.at_s - before.at_s if fresh else 0.0
        for name in COUNTERS:
            sums[name] += getattr(after, name) - (0.0 if fresh else getattr(before, name))
    return Counted(
        from_s=readings[0].at_s,
        to_s=readings[-1].at_s,
        input_tokens=sums["input_tokens"],
        output_tokens=sums["output_tokens"],
        requests=sums["requests"],
        cached_tokens=sums["cached_tokens"],
        restarts=restarts,
        blind_s=blind_s,
    )


def points_between(readings: Sequence[Reading]) -> list[Point]:
    """
    A point for each stretch of one process that did enough to tell something.

    Raises `ValueError` as `counted` does.
    """
    _check(readings)
    pairs = pairwise(readings)
    return [point for pair in pairs if not _restarted(*pair) and (point := _point(*pair)) is not None]


def _check(readings: Sequence[Reading]) -> None:
    if len(readings) < 2:
        raise ValueError("one reading of counters tells no increase: give two or more, in the order of time")
    for before, after in pairwise(readings):
        if after.at_s <= before.at_s:
            raise ValueError("the clock of the readings does not run forwards: give them in the order of time")


def _restarted(before: Reading, after: Reading) -> bool:
    if before.started_s is not None and after.started_s is not None and after.started_s > before.started_s + 1:
        return True
    return any(getattr(after, name) < getattr(before, name) for name in COUNTERS)


def _point(before: Reading, after: Reading) -> Point | None:
    passed_s = after.at_s - before.at_s
    grown = {each.name: getattr(after, each.name) - getattr(before, each.name) for each in fields(Reading)[1:-3]}
    if grown["output_tokens"] < FEWEST_TOKENS or not grown["requests"]:
        return None
    full = before.waiting > 0 and after.waiting > 0
    into = grown["input_tokens"] / grown["requests"]
    return Point(
        input_tokens=into,
        output_tokens=grown["output_tokens"] / grown["requests"],
        requests_per_s=grown["requests"] / passed_s if full else None,
        batch=grown["decode_s"] / passed_s if grown["decode_s"] else None,
        step_ms=1000 * grown["gaps_s"] / grown["gaps"] if grown["gaps"] else None,
        cached_share=min(1.0, grown["cached_tokens"] / grown["input_tokens"]) if grown["input_tokens"] else 0.0,
        requests=round(grown["requests"]),
        source="counters",
    )
