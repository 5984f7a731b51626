"""
Stay on hosted models or take the box: both sides of one month, on one token basis, and the sentence that answers.

Pure comparison: prices, capacity and today's date come in as values. Bases stay apart and are in the names:
`_fixed` is owed anyway, `_marginal` is what requests add, `_amortised` spreads everything over this month's tokens,
`_blended` is input and output together.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from localfleet.core.amount import require
from localfleet.core.cost.breakeven import NO_TRAFFIC, BreakEven, Pays, break_even
from localfleet.core.cost.capacity import SECONDS_PER_MONTH, Capacity, Level, Workload, requests_per_month
from localfleet.core.cost.hour import (
    Box,
    HourlyCost,
    hourly_cost,
    usd_per_box_hour_marginal,
    usd_per_month_fixed,
)
from localfleet.core.pricing import Price, PriceTier, rates_at, usd_for_mean

__all__ = ["BoxLine", "BoxOption", "Comparison", "HostedLine", "HostedOption", "compare"]

MTOK = Decimal(1_000_000)
WORDLESS = {"embedding": "makes embeddings, not text", "rerank": "ranks texts, writes none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOption:
    """A hosted model as it may be bought. `price` of `None` is unknown; limits of `None` are unknown too."""

    name: str
    price: Price | None
    mode: str = "chat"
    context_tokens: int | None = None
    retires_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxOption:
    """
    A box as it may be taken. `busy_limit` is the busy share its busiest hour may reach (0 to 1).

    `spare_boxes` stand by for a failure (1 is N+1). `staff_usd_per_month` does not grow with the number of boxes.
    """

    name: str
    box: Box
    capacity: Capacity
    busy_limit: Decimal
    staff_usd_per_month: Decimal = Decimal(0)
    spare_boxes: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible limits."""
        require("busy_limit", self.busy_limit, high=1, above_low=True)
        require("staff_usd_per_month", self.staff_usd_per_month)
        require("spare_boxes", Decimal(self.spare_boxes))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedLine:
    """One hosted model's month, and the volume from which the box is cheaper. Dollars are `None` where unknown."""

    option: HostedOption
    usable: bool
    notes: tuple[str, ...]
    usd_per_request: Decimal | None = None
    usd_per_month_total: Decimal | None = None
    usd_per_mtok_blended: Decimal | None = None
    break_even: BreakEven | None = None
    break_even_without_staff: BreakEven | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxLine:
    """
    The box's month. `hourly` is per GPU at this load, staff left out; every `usd_per_mtok_` is input and output.

    `usd_per_mtok_at_capacity` is the least the box can reach: one box, staff included, at its busy limit.
    """

    option: BoxOption
    boxes: int
    hourly: HourlyCost
    usd_per_month_fixed: Decimal
    usd_per_month_marginal: Decimal
    usd_per_month_staff: Decimal
    usd_per_month_total: Decimal
    usd_per_gpu_hour_amortised: Decimal
    usd_per_request_marginal: Decimal
    usd_per_mtok_amortised: Decimal
    usd_per_mtok_marginal: Decimal
    usd_per_mtok_at_capacity: Decimal
    requests_per_month_capacity: Decimal
    utilisation_share: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both sides and the answer. `box` is `None` without traffic; `against` is `None` where no price is known."""

    workload: Workload
    answer: str
    box: BoxLine | None = None
    hosted: tuple[HostedLine, ...] = ()
    against: HostedLine | None = None


def compare(
    workload: Workload,
    option: BoxOption,
    hosted: tuple[HostedOption, ...],
    *,
    today: date,
    against: str | None = None,
) -> Comparison:
    """Both sides of the month; the answer is against the named hosted model, or the cheapest usable one."""
    if workload.requests_per_month == 0:
        return Comparison(workload=workload, answer=NO_TRAFFIC)
    box = _box_line(workload, option)
    lines = tuple(_hosted_line(workload, box, choice, today) for choice in hosted)
    chosen = _chosen(lines, against)
    return Comparison(workload=workload, box=box, hosted=lines, against=chosen, answer=_answer(workload, box, chosen))


def _box_line(workload: Workload, option: BoxOption) -> BoxLine:
    volume, seconds = workload.requests_per_month, option.capacity.box_seconds_per_request
    ceiling = requests_per_month(option.capacity, workload, busy_limit=option.busy_limit)
    boxes = int((volume / ceiling).to_integral_value(ROUND_CEILING)) + option.spare_boxes
    load = volume * seconds / SECONDS_PER_MONTH / boxes
    fixed = usd_per_month_fixed(option.box) * boxes
    marginal = usd_per_box_hour_marginal(option.box) * seconds / 3600
    total = fixed + volume * marginal + option.staff_usd_per_month
    one = usd_per_month_fixed(option.box) * (1 + option.spare_boxes) + option.staff_usd_per_month
    hourly = hourly_cost(option.box, load=load)
    return BoxLine(
        option=option,
        boxes=boxes,
        hourly=hourly,
        usd_per_month_fixed=fixed,
        usd_per_month_marginal=volume * marginal,
        usd_per_month_staff=option.staff_usd_per_month,
        usd_per_month_total=total,
        usd_per_gpu_hour_amortised=hourly.usd_per_gpu_hour,
        usd_per_request_marginal=marginal,
        usd_per_mtok_amortised=_per_mtok(total / volume, workload),
        usd_per_mtok_marginal=_per_mtok(marginal, workload),
        usd_per_mtok_at_capacity=_per_mtok(one / ceiling + marginal, workload),
        requests_per_month_capacity=ceiling,
        utilisation_share=load,
    )


def _hosted_line(workload: Workload, box: BoxLine, option: HostedOption, today: date) -> HostedLine:
    usable, notes = _limits(workload, option, today)
    if option.price is None:
        return HostedLine(option=option, usable=False, notes=("price unknown", *notes))
    each = usd_for_mean(
        option.price,
        input_tokens=workload.input_tokens_per_request,
        output_tokens=workload.output_tokens_per_request,
        cache_read_tokens=workload.input_tokens_per_request * workload.cache_read_share,
        cache_write_tokens=workload.input_tokens_per_request * workload.cache_write_share,
    )
    return HostedLine(
        option=option,
        usable=usable,
        notes=notes,
        usd_per_request=each,
        usd_per_month_total=each * workload.requests_per_month,
        usd_per_mtok_blended=_per_mtok(each, workload),
        break_even=_break_even(workload, box, each, staff=box.usd_per_month_staff),
        break_even_without_staff=_break_even(workload, box, each, staff=Decimal(0)),
    )


def _break_even(workload: Workload, box: BoxLine, usd_per_request_hosted: Decimal, *, staff: Decimal) -> BreakEven:
    """For one box as stated, with its spares."""
    option = box.option
    return break_even(
        usd_per_month_fixed=usd_per_month_fixed(option.box) * (1 + option.spare_boxes) + staff,
        usd_per_request_marginal=box.usd_per_request_marginal,
        usd_per_request_hosted=usd_per_request_hosted,
        tokens_per_request=workload.tokens_per_request,
        requests_per_month_capacity=box.requests_per_month_capacity,
        box_seconds_per_request=option.capacity.box_seconds_per_request,
    )


def _limits(workload: Workload, option: HostedOption, today: date) -> tuple[bool, tuple[str, ...]]:
    """Whether this model could serve the mean request today, and what to know about it."""
    notes: list[str] = []
    if option.retires_on is not None:
        notes.append(f"{'retired' if option.retires_on <= today else 'retires'} on {option.retires_on.isoformat()}")
    if option.context_tokens is not None and workload.tokens_per_request > option.context_tokens:
        notes.append(f"the mean request is over its {option.context_tokens:,} tokens")
    if option.mode in WORDLESS and workload.output_tokens_per_request > 0:
        notes.append(WORDLESS[option.mode])
    unusable = len(notes) - (option.retires_on is not None and option.retires_on > today)
    if option.price is not None:
        rates = rates_at(option.price, workload.input_tokens_per_request)
        if isinstance(rates, PriceTier):
            notes.append(f"at its rate for more than {rates.above_input_tokens:,} input tokens")
    return unusable == 0, tuple(notes)


def _chosen(lines: tuple[HostedLine, ...], against: str | None) -> HostedLine | None:
    priced = [line for line in lines if line.usd_per_month_total is not None]
    if against is not None:
        return next((line for line in priced if line.option.name == against), None)
    return min((line for line in priced if line.usable), key=_month, default=None)


def _month(line: HostedLine) -> Decimal:
    return Decimal("Infinity") if line.usd_per_month_total is None else line.usd_per_month_total


def _per_mtok(usd_per_request: Decimal, workload: Workload) -> Decimal:
    return usd_per_request / workload.tokens_per_request * MTOK


def _answer(workload: Workload, box: BoxLine, chosen: HostedLine | None) -> str:
    if chosen is None or chosen.usd_per_month_total is None or chosen.break_even is None:
        return (
            "No usable hosted model has a known price, so the box stands alone at "
            f"{_usd(box.usd_per_month_total)} a month: declare `prices:` in models.yaml to compare."
        )
    volume, name = f"At {_count(workload.requests_per_month)} requests a month", chosen.option.name
    api, own = _usd(chosen.usd_per_month_total), _usd(box.usd_per_month_total)
    if chosen.usd_per_month_total <= box.usd_per_month_total:
        return f"{volume} stay on {name}: {api} against {own} for {_boxes(box)}; {_where(box, chosen.break_even)}."
    roofline = box.option.capacity.level is Level.ROOFLINE
    guess = "; its capacity is only an estimate, measure before you buy" if roofline else ""
    return f"{volume} take {_boxes(box)}: {own} against {api} on {name}; {_where(box, chosen.break_even)}{guess}."


def _where(box: BoxLine, point: BreakEven) -> str:
    if point.requests_per_month is None or point.capacity_share is None:
        return "the box never pays: a request there costs no more than the box's power for it"
    requests, share = _count(point.requests_per_month), _percent(point.capacity_share)
    needed = box.boxes - box.option.spare_boxes
    if point.pays is Pays.BEYOND_CAPACITY:
        most = _count(box.requests_per_month_capacity, up=False)
        return f"one box would pay from {requests} requests a month, more than this box can serve ({most})"
    if needed > 1:
        return f"one box pays from {requests} requests a month ({share} of its capacity), this volume needs {needed}"
    return f"the box pays from {requests} requests a month ({share} of its capacity)"


def _boxes(box: BoxLine) -> str:
    return f"the {box.option.name}" if box.boxes == 1 else f"{box.boxes} boxes of {box.option.name}"


def _usd(value: Decimal) -> str:
    return f"${value:,.2f}" if value < 1000 else f"${value:,.0f}"


def _count(value: Decimal, *, up: bool = True) -> str:
    """Whole requests: rounded up for a volume from which something holds, down for one it may not pass."""
    return f"{value.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR):,f}"


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f} %" if share < Decimal("0.1") else f"{share * 100:.0f} %"
