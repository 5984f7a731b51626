"""
Where the answer flips: in volume, in the hosted price, in the GPU's price, and in each of the other inputs alone.

Both ways are held to the same completed actions: where the box completes fewer, the hosted bill counts for as few. The
work keeps its mix and grows or shrinks as a whole. Boxes come in steps, so the first volume from which the box is
cheaper is looked for box by box; a single box that would pay beyond what it can serve does not pay there.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10

from localfleet.core.cost.hour import Owned, hourly_cost, usd_per_month_fixed
from localfleet.core.plan.bills import Bill, all_hosted, all_local, busy_boxes
from localfleet.core.plan.case import Case, Hosted
from localfleet.core.plan.nearest import Flip, nearest
from localfleet.core.plan.stakes import stakes

__all__ = ["Crossing", "Flip", "crossing", "flips"]

MOST_BOXES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """
    Break-evens against one hosted model. `None` is *never*, not unknown.

    `requests` a month from which boxes are cheaper, with `boxes` of them (spares left out), busy a mean `busy_share`.
    `usd_per_request` is the hosted price at which this volume breaks even, `usd_per_gpu_hour` the GPU's,
    `payback_months` after how long a bought box has paid for itself (`None` for a rented one too).
    """

    requests: float | None
    boxes: int | None
    busy_share: float | None
    usd_per_request: float | None
    usd_per_gpu_hour: float | None
    payback_months: float | None


def crossing(case: Case, model: Hosted) -> Crossing:
    """All break-evens between everything on boxes and everything hosted; work that must stay is left out of neither."""
    hosted, local = all_hosted(case, model), all_local(case, model)
    found, at_stake = _volume(case, model), stakes(case, model)
    now = float(usd_per_month_fixed(case.box.box)) / 730 / case.box.box.gpus
    gpu, price = (None, None) if at_stake is None else (at_stake.tie("gpu"), at_stake.tie("hosted"))
    requests = sum(work.requests for work in case.works)
    return Crossing(
        requests=None if found is None else found[0] * requests,
        boxes=None if found is None else found[1],
        busy_share=None if found is None else found[2],
        usd_per_request=None if price is None else max(0.0, price) * _each(case, hosted),
        usd_per_gpu_hour=None if gpu is None or gpu <= 0 else gpu * now,
        payback_months=_payback(case, hosted, local),
    )


def flips(case: Case, model: Hosted) -> tuple[Flip, ...]:
    """The nearest flip in each input, the nearest first; inputs that cannot flip it are left out."""
    point, hosted, local = crossing(case, model), all_hosted(case, model), all_local(case, model)
    requests = sum(work.requests for work in case.works)
    found = []
    if point.requests and requests:
        found.append(_flip("volume, requests a month", requests, point.requests, "{:,.0f}"))
    if point.usd_per_request and _each(case, hosted):
        found.append(_flip(f"price of {model.name}, USD a request", _each(case, hosted), point.usd_per_request))
    if point.usd_per_gpu_hour is not None:
        now = float(usd_per_month_fixed(case.box.box)) / 730 / case.box.box.gpus
        found.append(_flip("the GPU, USD an hour", now, point.usd_per_gpu_hour, "{:,.2f}"))
    found += _staff(case, hosted, local)
    found += _spare(case, hosted, model)
    at_stake = stakes(case, model)
    found += [] if at_stake is None else nearest(case, at_stake)
    return tuple(sorted(found, key=lambda flip: _distance(flip.times)))


def _volume(case: Case, model: Hosted) -> tuple[float, int, float] | None:
    """
    Scale of the work, boxes, busy share at the first crossing; `None` where there is none up to many boxes.

    Between two volumes at which a box more is needed, for all work or for what must stay, both bills are straight
    lines.
    """
    at_stake = stakes(case, model)
    margin = 0.0 if at_stake is None else at_stake.margin()
    if at_stake is None or at_stake.need <= 0 or margin <= 0:
        return None
    steps = {boxes / at_stake.need for boxes in range(1, MOST_BOXES + 1)}
    if at_stake.stays:
        last = MOST_BOXES / at_stake.need
        steps |= {boxes / at_stake.stays for boxes in range(1, int(last * at_stake.stays) + 1)}
    load, low = busy_boxes(case.box, [(work, 1.0) for work in case.works]), 0.0
    for high in sorted(steps):
        scale = max(at_stake.owed(high * (1 - 1e-9)) / margin, low)
        if scale <= high * (1 + 1e-9):
            boxes = max(1, ceil(high * at_stake.need - 1e-6))
            return scale, boxes, scale * load / (boxes + case.box.spare)
        low = high
    return None


def _each(case: Case, hosted: Bill) -> float:
    """What one of the requests that may leave costs on the hosted model, list price with retries."""
    free = sum(work.requests for work in case.works if not work.must_stay)
    return (hosted.usd_hosted or 0.0) / free if free else 0.0


def _payback(case: Case, hosted: Bill, local: Bill) -> float | None:
    """Purchase over what is kept each month once the box is there: the hosted bill less running cost."""
    box = case.box.box
    if not isinstance(box, Owned) or hosted.total is None or local.total is None:
        return None
    capital = float(hourly_cost(box, load=Decimal(0)).capital) * box.gpus * 730 * local.boxes
    kept = _even(hosted, local) * hosted.total - (local.total - capital)
    return None if kept <= 0 else float(box.box_purchase_usd) * local.boxes / kept


def _staff(case: Case, hosted: Bill, local: Bill) -> list[Flip]:
    if hosted.total is None or local.total is None or hosted.usd_staff or not case.box.staff_usd:
        return []
    then = case.box.staff_usd + _even(hosted, local) * hosted.total - local.total
    return [_flip("staff, USD a month", case.box.staff_usd, then, "{:,.0f}")] if then > 0 else []


def _spare(case: Case, hosted: Bill, model: Hosted) -> list[Flip]:
    """Whether one spare box more, or none, would turn it."""
    before = all_local(case, model)
    if before.total is None or hosted.total is None:
        return []
    even = _even(hosted, before) * hosted.total
    for spare in (case.box.spare + 1, 0):
        after = all_local(case, model, spare=spare)
        if after.total is None or spare == case.box.spare:
            continue
        if (after.total < even) != (before.total < even):
            return [Flip(name="spare boxes", now=str(case.box.spare), then=str(spare), times=None)]
    return []


def _even(hosted: Bill, local: Bill) -> float:
    """What the box completes over what the hosted model does."""
    return local.completed / hosted.completed if hosted.completed else 1.0


def _flip(name: str, now: float, then: float, form: str = "") -> Flip:
    told = [form.format(value) if form else _small(value) for value in (now, then)]
    return Flip(name=name, now=told[0], then=told[1], times=then / now if now else None)


def _small(value: float) -> str:
    """Three digits that count, without an exponent."""
    digits = 2 - floor(log10(abs(value))) if value else 0
    return f"{value:.{max(digits, 0)}f}"


def _distance(times: float | None) -> float:
    """How far a flip is: the larger of a factor and its inverse; a whole box counts as near."""
    return 1.0 if times is None else max(times, 1 / times) if times > 0 else float("inf")
