"""
The price of a busy second, hour by hour: what routing may look at. Zero while work fits, else what is left outside
saves.

Average cost is not in it: routing on the average empties a box that is paid for.
"""

from collections.abc import Sequence

import numpy as np

from localfleet.core.cost.hour import usd_per_month_fixed
from localfleet.core.cost.shadow import MonthChoice, Movable, ShadowPrices, replicas_worth, shadow_prices
from localfleet.core.plan.bills import boxes_for, busy_boxes, hosted_usd, own_usd
from localfleet.core.plan.case import Work
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import dollars, percent
from localfleet.cost.plots.load import hours_picture
from localfleet.cost.sheet import Grid, Section

__all__ = ["hours_section"]


def hours_section(outcome: Outcome, shape: Sequence[float], *, origin: str) -> tuple[Section, ...]:
    """The section of a report for a day (24) or a week (168) of relative demand; nothing without a hosted price."""
    case, against, box = outcome.case, outcome.against, outcome.box
    if against is None or box is None or not sum(shape):
        return ()
    hours = np.asarray(shape, dtype=np.float64) / (sum(shape) / len(shape))
    boxes = max(1, (outcome.best or box).boxes - (outcome.best or box).spare)
    free = [(work, hosted_usd(against, work)) for work in case.works if not work.must_stay and work.requests]
    classes = [_movable(outcome, work, usd, hours) for work, usd in free if usd is not None]
    stays = busy_boxes(case.box, [(work, 1.0) for work in case.works if work.must_stay]) * 3600 * hours
    limit = case.box.busy_limit * case.box.derate
    prices = shadow_prices(classes, replicas=boxes, must_stay_s_per_hour=stays, busy_limit=limit)
    worth = replicas_worth(
        classes,
        usd_per_replica_month=float(usd_per_month_fixed(case.box.box)),
        least=boxes_for(case, [(work, 1.0) for work in case.works if work.must_stay]),
        must_stay_s_per_hour=stays,
        busy_limit=limit,
    )
    asked = busy_boxes(case.box, [(work, 1.0) for work in case.works]) * hours / (boxes * limit)
    rows = [
        (each.name, f"${each.usd_per_replica_s_value:.3g}", percent(float(prices.local_share[each.name].mean())))
        for each in sorted(classes, key=lambda each: -each.usd_per_replica_s_value)
    ]
    return (
        Section(
            title="The price of an hour",
            prose=[f"Demand by hour: {origin}. {_told(prices, boxes)} {_worth(worth)}"],
            grids=[Grid(head=("work", "saves for each second of a box, marginal", "on the boxes"), rows=rows)],
            pictures=[hours_picture(asked.tolist(), prices.usd_per_replica_s_shadow.tolist())],
        ),
    )


def _movable(outcome: Outcome, work: Work, usd: float, hours: np.ndarray) -> Movable:
    box = outcome.case.box
    return Movable(
        name=work.name,
        seconds=float(box.capacity[work.name].box_seconds_per_request) * (1 + work.retry_share),
        usd_hosted=usd * (1 + work.retry_share),
        requests_per_hour=work.requests / 730 * hours,
        usd_marginal=own_usd(box, work) + work.fallback_share * usd,
        quality_ratio=work.success_local / work.success_hosted,
    )


def _worth(choice: MonthChoice) -> str:
    named = "No box" if not choice.replicas else "One box" if choice.replicas == 1 else f"{choice.replicas} boxes"
    return f"{named}, spares left out, would leave most at these hours: a box more saves less than its fixed cost."


def _told(prices: ShadowPrices, boxes: int) -> str:
    price = prices.usd_per_replica_s_shadow
    count, named = int((price > 0).sum()), f"{boxes} boxes" if boxes != 1 else "one box"
    if prices.short:
        return f"In {len(prices.short)} hours not even what must stay fits on {named}: it will wait."
    if not count:
        return f"On {named} all work fits in every hour, so one request more is free at any time."
    more = dollars(prices.usd_per_replica_month_shadow)
    return (
        f"On {named} work is left outside in {count} of {len(price)} hours; one box more would save at most {more} "
        "a month, to be held against its rent."
    )
