"""
The nearest flip in inputs without a formula: how far each alone must move, either way, until the other side wins.

Boxes come in steps, so the saving jumps; it is walked outwards from today's value in steps of 2 %, then halved.
"""

from collections.abc import Callable
from dataclasses import dataclass

from localfleet.core.plan.case import Case, Work
from localfleet.core.plan.stakes import INPUTS, Stakes

__all__ = ["Flip", "nearest"]

STEP, FARTHEST = 1.02, 20.0
HALVINGS = 40
PERCENT = "{:.1f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """What one input would have to become for the other side to win, all else equal; `times` is new over old."""

    name: str
    now: str
    then: str
    times: float | None


def nearest(case: Case, at_stake: Stakes) -> list[Flip]:
    """Flips of speed, output length, cache hits, fallbacks, success and derate; those that cannot turn it left out."""
    free = [work for work in case.works if not work.must_stay]
    seconds = _mean(case.works, lambda work: float(case.box.capacity[work.name].box_seconds_per_request))
    passed_on = max((work.fallback_share for work in free), default=0.0)
    rows: tuple[tuple[str, str, float, float, str], ...] = (
        ("speed", "speed of a box, requests/s", 1 / seconds if seconds else 0.0, FARTHEST, "{:,.3g}"),
        ("output length", "output tokens a request", _mean(case.works, lambda w: w.output_tokens), FARTHEST, "{:,.0f}"),
        (
            "cache hits",
            "share of the input that hits a cache",
            _mean(case.works, _cached),
            at_stake.most_cached,
            PERCENT,
        ),
        (
            "fallback rate",
            "share that falls back",
            _mean(free, lambda work: work.fallback_share),
            1 / passed_on if passed_on else 0.0,
            PERCENT,
        ),
        (
            "success on the box",
            "share that ends well on the box",
            _mean(case.works, lambda work: work.success_local),
            1 / min((work.success_local for work in case.works), default=1.0),
            PERCENT,
        ),
        ("limit's derate", "left of the full rate by the limits", case.box.derate, at_stake.most_derate, PERCENT),
    )
    found = []
    for name, words, now, most, form in rows:
        times = _times(at_stake, INPUTS.index(name), min(most, FARTHEST)) if now else None
        if times is not None:
            found.append(Flip(name=words, now=_told(now, form), then=_told(now * times, form), times=times))
    return found


def _times(at_stake: Stakes, place: int, most: float) -> float | None:
    """The factor nearest to 1 at which the sign turns, between 1 / 20 and `most`."""
    before = [1.0] * len(INPUTS)
    wins = at_stake.saving(*before) > 0

    def turned(times: float) -> bool:
        factors = before.copy()
        factors[place] = times
        return (at_stake.saving(*factors) > 0) != wins

    ways = [_walk(turned, STEP, most), _walk(turned, 1 / STEP, 1 / FARTHEST)]
    return min((way for way in ways if way is not None), key=lambda way: max(way, 1 / way), default=None)


def _walk(turned: Callable[[float], bool], step: float, end: float) -> float | None:
    near, far = 1.0, 1.0
    up = step > 1
    while far != end:
        far = min(near * step, end) if up else max(near * step, end)
        if far == near or (up and far < near):
            return None
        if turned(far):
            return _halved(turned, near, far)
        near = far
    return None


def _halved(turned: Callable[[float], bool], near: float, far: float) -> float:
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if turned(middle) else (middle, far)
    return far


def _mean(works: tuple[Work, ...] | list[Work], of: Callable[[Work], float]) -> float:
    requests = sum(work.requests for work in works)
    return sum(work.requests * of(work) for work in works) / requests if requests else 0.0


def _told(value: float, form: str) -> str:
    return form.format(value * 100 if form == PERCENT else value)


def _cached(work: Work) -> float:
    return work.cache_read_share
