"""
What a second of the box is worth, hour by hour of the week: the only cost that routing may look at.

While there is slack it is zero, and a request costs the power above idle. When slack ends, it is what the dearest work
left outside would have saved. Work that must stay comes first and its boxes are sunk. Average cost has no place here:
routing on it empties a box that is paid for.

    v = (hosted x quality ratio - marginal) / seconds        US dollars for each second of a replica
    an hour takes classes by falling v until it is full; its shadow price is the v of the first it has to leave outside
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.core.cost.traffic import Floats, Requests

__all__ = [
    "HOURS_PER_WEEK",
    "MonthChoice",
    "Movable",
    "ShadowPrices",
    "demand_by_hour",
    "live_bid",
    "replicas_worth",
    "shadow_prices",
]

HOURS_PER_WEEK = 168
HOURS_PER_MONTH = 730.0
SLACK_SHARE = 0.6
"""Below this share of the waiting budget the queue has slack and a second is free."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movable:
    """
    A class of work that may go either way. `requests_per_hour` has one number for each slot (168: Monday 0:00 first).

    `usd_hosted` and `usd_marginal` are per request; `seconds` are replica-seconds of one. `quality_ratio` is the local
    success over the hosted: an answer that fails more often saves less.
    """

    name: str
    seconds: float
    usd_hosted: float
    requests_per_hour: Floats
    usd_marginal: float = 0.0
    quality_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Refuse work that takes no time, and numbers below zero."""
        if not (np.isfinite(self.seconds) and self.seconds > 0):
            msg = f"seconds of {self.name}: must be more than 0"
            raise ValueError(msg)
        for field in ("usd_hosted", "usd_marginal", "quality_ratio"):
            if not (np.isfinite(getattr(self, field)) and getattr(self, field) >= 0):
                msg = f"{field} of {self.name}: must be a number from 0 up"
                raise ValueError(msg)
        if not (np.isfinite(self.requests_per_hour).all() and (self.requests_per_hour >= 0).all()):
            msg = f"requests_per_hour of {self.name}: must be numbers from 0 up"
            raise ValueError(msg)

    @property
    def usd_per_replica_s_value(self) -> float:
        """What a second of a replica saves with this work: the bid of its class. Below zero: leave it hosted."""
        return (self.usd_hosted * self.quality_ratio - self.usd_marginal) / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShadowPrices:
    """
    A week at `replicas`. `usd_per_replica_s_shadow` has a number for each slot; zero means slack.

    `local_share` maps each class to its share (0 to 1) that is taken in each slot. `short` marks slots in which not
    even what must stay fits. `usd_saved_per_month` is against all optional work hosted, fixed cost left out.
    """

    replicas: int
    usd_per_replica_s_shadow: Floats
    local_share: dict[str, Floats]
    short: tuple[int, ...]
    usd_saved_per_month: float
    usd_per_replica_month_shadow: float
    """What one replica more would save in a month at these prices: add one where it is over its rent."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MonthChoice:
    """`replicas` that leave most, what that is beside everything hosted (fixed cost counted), and the prices there."""

    replicas: int
    usd_net_per_month: float
    prices: ShadowPrices


def shadow_prices(
    classes: Sequence[Movable], *, replicas: int, must_stay_s_per_hour: Floats | float = 0.0, busy_limit: float = 0.85
) -> ShadowPrices:
    """
    Fill each slot with what must stay, then with the classes by falling value for each second (optimal at fixed N).

    `must_stay_s_per_hour` is the work of restricted requests in replica-seconds for each hour. Raises `ValueError`
    naming what is wrong, and for slots of different numbers.
    """
    if replicas < 0 or not 0 < busy_limit <= 1:
        raise ValueError("replicas: must be at least 0, and busy_limit from above 0 to 1")
    slots = _slots(classes, must_stay_s_per_hour)
    stays = np.broadcast_to(np.asarray(must_stay_s_per_hour, dtype=np.float64), (slots,))
    if not (np.isfinite(stays).all() and (stays >= 0).all()):
        raise ValueError("must_stay_s_per_hour: must be numbers from 0 up")
    room = busy_limit * 3600.0 * replicas - stays
    short = tuple(int(at) for at in np.flatnonzero(room < -1e-9))
    room = np.maximum(room, 0.0)
    shadow, share, saved = np.zeros(slots), {}, np.zeros(slots)
    for each in sorted(classes, key=lambda each: -each.usd_per_replica_s_value):
        need = each.requests_per_hour * each.seconds
        wanted = need if each.usd_per_replica_s_value > 0 else np.zeros(slots)
        taken = np.minimum(wanted, room)
        room -= taken
        left = wanted - taken > 1e-9
        shadow = np.where(left & (shadow == 0), each.usd_per_replica_s_value, shadow)
        saved += taken * max(each.usd_per_replica_s_value, 0.0)
        share[each.name] = np.divide(taken, need, out=np.zeros(slots), where=need > 0)
    days = HOURS_PER_MONTH / slots
    return ShadowPrices(
        replicas=replicas,
        usd_per_replica_s_shadow=shadow,
        local_share=share,
        short=short,
        usd_saved_per_month=float(saved.sum()) * days,
        usd_per_replica_month_shadow=float(3600.0 * busy_limit * shadow.sum()) * days,
    )


def replicas_worth(
    classes: Sequence[Movable],
    *,
    usd_per_replica_month: float,
    least: int = 0,
    most: int = 256,
    must_stay_s_per_hour: Floats | float = 0.0,
    busy_limit: float = 0.85,
) -> MonthChoice:
    """
    The number of replicas from `least` up that leaves most; `least` of them are sunk, the others have to pay.

    What a replica adds falls with each one more, so the search ends at the first that does not pay.
    """
    if not (np.isfinite(usd_per_replica_month) and usd_per_replica_month >= 0):
        raise ValueError("usd_per_replica_month: must be a number from 0 up")

    def at(replicas: int) -> MonthChoice:
        prices = shadow_prices(
            classes, replicas=replicas, must_stay_s_per_hour=must_stay_s_per_hour, busy_limit=busy_limit
        )
        net = prices.usd_saved_per_month - usd_per_replica_month * replicas
        return MonthChoice(replicas=replicas, usd_net_per_month=net, prices=prices)

    best = at(least)
    for replicas in range(least + 1, max(most, least) + 1):
        tried = at(replicas)
        if tried.usd_net_per_month <= best.usd_net_per_month:
            break
        best = tried
    return best


def live_bid(*, wait_s: float, wait_budget_s: float, usd_per_replica_s_highest: float) -> float:
    """
    The price of a second right now, from the queue alone: zero while there is slack, the highest value when it is full.

    A straight line from 60 % of the waiting budget on: an assumption, to be replaced by what a replay shows.
    """
    if not (wait_s >= 0 and wait_budget_s > 0 and usd_per_replica_s_highest >= 0):
        raise ValueError("wait_s, wait_budget_s, usd_per_replica_s_highest: must be from 0 up, the budget above it")
    filled = (wait_s / wait_budget_s - SLACK_SHARE) / (1 - SLACK_SHARE)
    return usd_per_replica_s_highest * min(1.0, max(0.0, filled))


def demand_by_hour(trace: Requests, *, first_hour_of_week: float = 0.0) -> tuple[Floats, int]:
    """
    Mean requests in each hour of the week, and how many of the 168 hours the trace has seen.

    `first_hour_of_week` is when it begins, in hours since Monday 0:00. Hours that it has not seen get the mean of those
    it has: a trace of one hour knows nothing of the night, so look at the second number.
    """
    hours = np.floor(trace.at_s / 3600 + first_hour_of_week).astype(np.int64)
    begin, end = float(first_hour_of_week), float(first_hour_of_week) + trace.span_s / 3600
    counts, seen = np.zeros(HOURS_PER_WEEK), np.zeros(HOURS_PER_WEEK)
    np.add.at(counts, hours % HOURS_PER_WEEK, 1.0)
    for hour in range(int(np.floor(begin)), int(np.floor(end)) + 1):
        seen[hour % HOURS_PER_WEEK] += max(0.0, min(end, hour + 1) - max(begin, hour))
    if seen.sum() == 0:
        raise ValueError("at_s: all requests carry the same time; a rate needs a span")
    known = seen > 1e-9
    mean = counts.sum() / seen.sum()
    return np.where(known, np.divide(counts, seen, out=np.full(HOURS_PER_WEEK, mean), where=known), mean), int(
        known.sum()
    )


def _slots(classes: Sequence[Movable], stays: Floats | float) -> int:
    sizes = {len(each.requests_per_hour) for each in classes} | (
        {len(stays)} if isinstance(stays, np.ndarray) else set()
    )
    if len(sizes) > 1:
        raise ValueError("requests_per_hour: all classes need the same number of slots")
    return sizes.pop() if sizes else HOURS_PER_WEEK
