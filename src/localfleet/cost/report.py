"""
One cost comparison from end to end: settings, list prices and GPU facts in, a `Report` out.

The edge between the files and `core.cost.compare`: it decides which price, which GPU and which warnings, and
reads no clock.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from localfleet.config import Gpu, HostedModel, Settings
from localfleet.core.cost.capacity import Level, Workload
from localfleet.core.cost.compare import BoxOption, HostedOption, compare
from localfleet.core.cost.hour import Box, Rented
from localfleet.core.gpu import PowerSeen
from localfleet.core.pricing import at_batch_rates, price_at
from localfleet.cost.inputs import BoxAsked, Misuse, PaceAsked, the_box, the_capacity
from localfleet.cost.view import Report
from localfleet.gpu_facts import DatedUsd, GpuFacts, find_gpu
from localfleet.price_map import STALE_AFTER_DAYS, Listed, PriceMap, price_history, price_warning

__all__ = ["Question", "report_on"]

WELL_KNOWN = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-4-7"),
    ("gemini", "gemini-2.5-flash"),
    ("mistral", "mistral-small-latest"),
)
"""Compared where no models.yaml names hosted models; a name the price map does not hold is left out."""
DEFAULT_GPU = "H100 SXM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, checked. `gpu` of `None` is the first of models.yaml, else an H100."""

    workload: Workload
    gpu: str | None
    box: BoxAsked
    pace: PaceAsked
    busy_limit: Decimal
    staff_usd_per_month: Decimal
    spare_boxes: int
    against: str | None
    batch: bool = False
    """Whether hosted work may wait, and pays the providers' batch rates."""


def report_on(
    question: Question,
    settings: Settings | None,
    prices: PriceMap,
    gpus: tuple[GpuFacts, ...],
    *,
    today: date,
    power: tuple[PowerSeen, ...] = (),
) -> Report:
    """Answer the question; `power` is what this box was seen to draw. Raise `Misuse` naming what cannot be used."""
    facts, asked = _gpu(question, settings, gpus)
    asked = replace(asked, measured=next((seen for seen in power if _is_one(seen, facts, gpus)), None))
    box, box_source = the_box(asked, facts)
    capacity = the_capacity(question.pace, question.workload, facts, gpus=asked.count)
    option = BoxOption(
        name=f"{asked.count} x {facts.name}" if asked.count > 1 else facts.name,
        box=box,
        capacity=capacity,
        busy_limit=question.busy_limit,
        staff_usd_per_month=question.staff_usd_per_month,
        spare_boxes=question.spare_boxes,
    )
    hosted = _hosted(settings, prices, today)
    dear = [option.name for option in hosted if option.price is not None and option.price.batch_share is None]
    if question.batch:
        hosted = tuple(_in_batches(option) for option in hosted)
    _check_against(question.against, hosted)
    rough = ["capacity is a roofline estimate: an order of magnitude"] if capacity.level is Level.ROOFLINE else []
    return Report(
        comparison=compare(question.workload, option, hosted, today=today, against=question.against),
        assumed=_assumed(question, asked, box, box_source),
        warnings=(
            *_gpu_warnings(question, asked, facts, settings, today),
            *rough,
            *_price_warnings(hosted, today),
            *([f"no batch price is known, the plain one counts: {', '.join(dear)}"] if question.batch and dear else []),
            "compare models that do your task equally well: a small local model is not every hosted one",
        ),
    )


def _gpu(question: Question, settings: Settings | None, gpus: tuple[GpuFacts, ...]) -> tuple[GpuFacts, BoxAsked]:
    own = _declared_gpu(settings)
    if question.gpu is not None or own is None:
        return _named("--gpu", question.gpu or DEFAULT_GPU, gpus), question.box
    return _named("hardware.gpus in models.yaml:", own.name, gpus), question.box.with_file(own)


def _in_batches(option: HostedOption) -> HostedOption:
    return option if option.price is None else replace(option, price=at_batch_rates(option.price))


def _declared_gpu(settings: Settings | None) -> Gpu | None:
    """The first GPU models.yaml describes; `detect` describes none."""
    if settings is None or settings.hardware.gpus == "detect" or not settings.hardware.gpus:
        return None
    return settings.hardware.gpus[0]


def _named(option: str, name: str, gpus: tuple[GpuFacts, ...]) -> GpuFacts:
    try:
        return find_gpu(name, gpus)
    except ValueError as exc:
        msg = f"{option} {name!r} {exc}"
        raise Misuse(msg) from None


def _hosted(settings: Settings | None, prices: PriceMap, today: date) -> tuple[HostedOption, ...]:
    if settings is not None and settings.hosted:
        return tuple(_from_settings(name, model, prices, today) for name, model in settings.hosted.items())
    found = ((model, prices.find(provider, model)) for provider, model in WELL_KNOWN)
    return tuple(_option(model, listed) for model, listed in found if listed is not None)


def _from_settings(name: str, model: HostedModel, prices: PriceMap, today: date) -> HostedOption:
    listed = prices.find(model.provider, model.model)
    return HostedOption(
        name=name,
        price=price_at(price_history(model, listed), today),
        mode=listed.mode if listed else "chat",
        context_tokens=model.context_tokens or (listed.context_tokens if listed else None),
        retires_on=listed.retires_on if listed else None,
    )


def _option(name: str, listed: Listed) -> HostedOption:
    return HostedOption(
        name=name,
        price=listed.price,
        mode=listed.mode,
        context_tokens=listed.context_tokens,
        retires_on=listed.retires_on,
    )


def _check_against(against: str | None, hosted: tuple[HostedOption, ...]) -> None:
    priced = [option.name for option in hosted if option.price is not None]
    if against is not None and against not in priced:
        known = ", ".join(priced) or "none"
        msg = f"--against {against!r} is no hosted model with a known price here; those are: {known}"
        raise Misuse(msg)


def _is_one(seen: PowerSeen, facts: GpuFacts, gpus: tuple[GpuFacts, ...]) -> bool:
    """Whether what the driver called a card is the GPU in question."""
    try:
        return find_gpu(seen.name, gpus) == facts
    except ValueError:
        return False


def _assumed(question: Question, asked: BoxAsked, box: Box, box_source: str) -> tuple[tuple[str, str], ...]:
    work = question.workload
    common = (
        ("price of the box", box_source),
        ("staff USD a month", f"{question.staff_usd_per_month:f}"),
        ("other USD a month", f"{box.other_usd_per_month:f}"),
        ("peak to mean", f"{work.peak_to_mean:f}"),
        ("busy limit", f"{question.busy_limit:f}"),
        ("spare boxes", str(question.spare_boxes)),
        ("cached share", f"{work.cache_read_share:f}"),
    )
    if isinstance(box, Rented):
        return (*common, ("commit discount", f"{box.commit_discount_share:f}"))
    return (
        *common,
        ("life months", str(box.life_months)),
        ("cost of capital a year", f"{box.cost_of_capital_per_year:f}"),
        ("residual USD", f"{box.box_residual_usd:f}"),
        ("power of the box W", f"{box.box_power_w:f}{_measured(asked)}"),
        ("idle share of power", f"{box.idle_power_share:f}"),
        ("PUE", f"{box.pue:f}"),
        ("USD per kWh", f"{box.usd_per_kwh:f}"),
        ("maintenance a year", f"{box.maintenance_share_per_year:f}"),
    )


def _measured(asked: BoxAsked) -> str:
    """Where the watts come from, if from this box's own cards."""
    seen = asked.measured
    if asked.power_measured_w is None or seen is None:
        return ""
    day = datetime.fromtimestamp(seen.until, UTC).date().isoformat()
    return f" (measured under load for {seen.busy_s / 3600:.1f} h, until {day})"


def _gpu_warnings(
    question: Question, asked: BoxAsked, facts: GpuFacts, settings: Settings | None, today: date
) -> list[str]:
    notes = []
    if (asked.own or asked.purchase_usd is not None) and asked.power_w is None:
        notes.append("the power is that of the cards alone: add the server's with --power-w")
    if question.gpu is None and _declared_gpu(settings) is None:
        notes.append(f"no GPU was named: {facts.name} assumed (--gpu)")
    if asked.own and asked.purchase_usd is None:
        notes.append("the purchase price is for the cards alone: add the server with --purchase-usd")
        notes.extend(_dated(facts, facts.purchase, today))
    elif not asked.priced:
        notes.extend(_dated(facts, facts.rent, today))
    return notes


def _dated(facts: GpuFacts, price: DatedUsd | None, today: date) -> list[str]:
    if price is None:
        return []
    if price.since is None:
        return [f"the price of the {facts.name} has no date: check it at its source"]
    age_days = (today - price.since).days
    return [f"the price of the {facts.name} is {age_days} days old"] if age_days > STALE_AFTER_DAYS else []


def _price_warnings(hosted: tuple[HostedOption, ...], today: date) -> list[str]:
    """One sentence for each kind of doubt, not one for each model."""
    doubts: dict[str, list[str]] = {}
    for option in hosted:
        doubt = "unknown" if option.price is None else price_warning(option.price, today)
        if doubt is not None:
            doubts.setdefault(doubt, []).append(option.name)
    return [f"hosted price: {doubt} ({', '.join(names)})" for doubt, names in doubts.items()]
