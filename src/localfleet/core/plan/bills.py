"""
The month's bill of each way to do the work: all hosted, all on boxes, or boxes filled up and the rest hosted.

All figures are *total* cost: what is justified with. Each line keeps its parts: fixed, power, staff, hosted, checks.
Work that must stay is on a box in every way that is legal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from localfleet.core.cost.hosted import TokenShape, usd_per_request_hosted
from localfleet.core.cost.hour import usd_per_box_hour_marginal, usd_per_month_fixed
from localfleet.core.plan.case import BoxCase, Case, Hosted, Work

__all__ = [
    "MONTH_S",
    "Bill",
    "all_hosted",
    "all_local",
    "best_mix",
    "boxes_for",
    "busy_boxes",
    "fallback_model",
    "hosted_usd",
    "mean_load_per_box",
    "own_usd",
]

MONTH_S = 730 * 3600.0
MOST_BOXES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """
    One way to do the month, in US dollars. `boxes` counts spares. `local_share` is the part of the requests on boxes.

    `completed` are the requests that end well. `total` is `None` where a hosted price is unknown.
    """

    name: str
    kind: str
    boxes: int
    spare: int
    usd_fixed: float
    usd_power: float
    usd_staff: float
    usd_hosted: float | None
    usd_checks: float
    requests: float
    completed: float
    local_share: float
    busy_share: float
    hosted: str | None = None
    shares: tuple[tuple[str, float], ...] = ()
    """Of each work, the part of its requests on boxes."""

    @property
    def total(self) -> float | None:
        """All parts."""
        if self.usd_hosted is None:
            return None
        return self.usd_fixed + self.usd_power + self.usd_staff + self.usd_hosted + self.usd_checks

    @property
    def usd_per_request(self) -> float | None:
        """Total over all requests: the allocated basis. `None` without traffic."""
        return None if self.total is None or not self.requests else self.total / self.requests

    @property
    def usd_per_completed(self) -> float | None:
        """Total over those that end well: what to compare where success differs."""
        return None if self.total is None or not self.completed else self.total / self.completed


def hosted_usd(model: Hosted, work: Work) -> float | None:
    """One request on a hosted model at list price, US dollars; `None` where the price is unknown."""
    if model.price is None:
        return None
    shape = TokenShape(
        input_tokens=Decimal(str(work.input_tokens * model.tokens_ratio)),
        output_tokens=Decimal(str(work.output_tokens * model.tokens_ratio)),
        cache_read_share=Decimal(str(work.cache_read_share)),
        cache_write_share=Decimal(str(work.cache_write_share)),
    )
    batch = model.batch_share if work.batch and model.batch_share is not None else 1.0
    return float(usd_per_request_hosted(model.price, shape)) * batch


def own_usd(box: BoxCase, work: Work) -> float:
    """What one request adds on the box: power above idle. The marginal basis; zero where power is in the rent."""
    return float(usd_per_box_hour_marginal(box.box)) * _seconds(box, work) / 3600


def busy_boxes(box: BoxCase, works: Sequence[tuple[Work, float]]) -> float:
    """The mean of boxes that are busy, for works with the share of each (0 to 1) that is on the box."""
    return sum(work.requests * share * (1 + work.retry_share) * _seconds(box, work) for work, share in works) / MONTH_S


def boxes_for(case: Case, works: Sequence[tuple[Work, float]]) -> int:
    """Boxes that keep the busiest hour under the busy limit, spares left out; zero without work."""
    return ceil(busy_boxes(case.box, works) / mean_load_per_box(case) - 1e-9)


def mean_load_per_box(case: Case) -> float:
    """Mean busy boxes that one box may carry so that its busiest hour stays under the limit."""
    return case.box.busy_limit * case.box.derate / case.arrivals.peak_to_mean


def all_hosted(case: Case, model: Hosted) -> Bill:
    """Everything that may leave on one hosted model; what must stay on as few boxes as it takes."""
    stays = [(work, 1.0) for work in case.works if work.must_stay]
    boxes = boxes_for(case, stays)
    return _bill(case, boxes, {work.name: 1.0 for work, _ in stays}, model, name=model.name, kind="hosted")


def all_local(case: Case, model: Hosted | None, *, spare: int | None = None) -> Bill:
    """Everything on boxes; only escalations go to the hosted model."""
    boxes = boxes_for(case, [(work, 1.0) for work in case.works])
    shares = {work.name: 1.0 for work in case.works}
    return _bill(case, boxes, shares, model, name=_boxes_name(case, boxes), kind="box", spare=spare)


def best_mix(case: Case, model: Hosted) -> Bill:
    """
    The cheapest number of boxes, filled with the work that saves most for each second of a box; the rest hosted.

    Filling greedily by dollars a second is optimal for a given number of boxes (a fractional knapsack). Where a replay
    told what spills at each number of boxes, boxes that are too few for the bursts and a hosted model for what spills
    are tried as well: they take everything but that.
    """
    least = boxes_for(case, [(work, 1.0) for work in case.works if work.must_stay])
    most = boxes_for(case, [(work, 1.0) for work in case.works])
    bills = [_mixed(case, model, boxes) for boxes in range(least, min(most, least + MOST_BOXES) + 1)]
    bills += [_spilling(case, model, boxes, share) for boxes, share in case.arrivals.spills if boxes >= least]
    return min(bills, key=lambda bill: float("inf") if bill.total is None else bill.total)


def _mixed(case: Case, model: Hosted, boxes: int) -> Bill:
    room = boxes * mean_load_per_box(case)
    shares: dict[str, float] = {}
    for work in sorted(case.works, key=lambda work: (not work.must_stay, -_worth(case, work, model))):
        need = busy_boxes(case.box, [(work, 1.0)])
        gains = work.must_stay or _worth(case, work, model) > 0
        shares[work.name] = min(1.0, room / need) if need and gains else 0.0
        room -= need * shares[work.name]
    name = f"{_boxes_name(case, boxes)} and {model.name}" if boxes else model.name
    return _bill(case, boxes, shares, model, name=name, kind="mixed")


def _spilling(case: Case, model: Hosted, boxes: int, share: float) -> Bill:
    shares = {work.name: 1.0 if work.must_stay else 1 - share for work in case.works}
    name = f"{_boxes_name(case, boxes)}, what spills on {model.name}"
    return _bill(case, boxes, shares, model, name=name, kind="mixed", spare=0)


def _worth(case: Case, work: Work, model: Hosted) -> float:
    """What a second of the box saves with this work: US dollars for each second, the value a router bids with."""
    there = hosted_usd(model, work)
    if there is None:
        return 0.0
    here = own_usd(case.box, work) + work.fallback_share * (hosted_usd(fallback_model(case, work, model), work) or 0.0)
    return ((1 + work.retry_share) * there * (work.success_local / work.success_hosted) - here) / _seconds(
        case.box, work
    )


def _bill(
    case: Case,
    boxes: int,
    shares: Mapping[str, float],
    model: Hosted | None,
    *,
    name: str,
    kind: str,
    spare: int | None = None,
) -> Bill:
    spares = (case.box.spare if spare is None else spare) if boxes else 0
    on_box = [(work, shares.get(work.name, 0.0)) for work in case.works]
    requests = sum(work.requests for work in case.works)
    inside = sum(work.requests * share for work, share in on_box)
    hosted = [_hosted_part(case, work, share, model) for work, share in on_box]
    return Bill(
        name=name,
        kind=kind,
        boxes=boxes + spares,
        spare=spares,
        usd_fixed=float(usd_per_month_fixed(case.box.box)) * (boxes + spares),
        usd_power=sum(
            work.requests * share * (1 + work.retry_share) * own_usd(case.box, work) for work, share in on_box
        ),
        usd_staff=case.box.staff_usd if boxes else 0.0,
        usd_hosted=None if any(part is None for part in hosted) else sum(part or 0.0 for part in hosted),
        usd_checks=sum(work.requests * work.check_usd for work in case.works),
        requests=requests,
        completed=sum(work.requests * _success(work, share) for work, share in on_box),
        local_share=inside / requests if requests else 0.0,
        busy_share=busy_boxes(case.box, on_box) / (boxes + spares) if boxes else 0.0,
        hosted=model.name if model and any(hosted) else None,
        shares=tuple((work.name, share) for work, share in on_box),
    )


def _hosted_part(case: Case, work: Work, share: float, model: Hosted | None) -> float | None:
    """Requests that start there with their retries, and those that the box passes on; what must stay makes neither."""
    if work.must_stay:
        return 0.0
    there = work.requests * (1 - share) * (1 + work.retry_share)
    passed_on = work.requests * share * work.fallback_share
    parts = (
        (there, model),
        (passed_on, None if model is None and not work.fallback else fallback_model(case, work, model)),
    )
    usd = [_calls_usd(calls, where, work) for calls, where in parts if calls]
    return None if any(part is None for part in usd) else sum(part or 0.0 for part in usd)


def _calls_usd(calls: float, model: Hosted | None, work: Work) -> float | None:
    each = None if model is None else hosted_usd(model, work)
    return None if each is None else calls * each


def fallback_model(case: Case, work: Work, model: Hosted | None) -> Hosted:
    """The model that this work falls back to: its own, else the one that the box is held against."""
    named = next((item for item in case.hosted if item.name == work.fallback), None)
    if named is not None:
        return named
    assert model is not None
    return model


def _success(work: Work, share: float) -> float:
    """The share that ends well: on the box, those it passes on after a failure get a second chance."""
    passed_on = 0.0 if work.must_stay else work.fallback_share
    rescued = min(passed_on, 1 - work.success_local) * work.success_hosted
    return share * (work.success_local + rescued) + (1 - share) * work.success_hosted


def _seconds(box: BoxCase, work: Work) -> float:
    return float(box.capacity[work.name].box_seconds_per_request)


def _boxes_name(case: Case, boxes: int) -> str:
    return case.box.name if boxes == 1 else f"{boxes} x {case.box.name}"
