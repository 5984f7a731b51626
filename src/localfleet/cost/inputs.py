"""
What a person typed for `cost compare`, checked: text in, values of `core` out.

Each wrong figure is refused with one sentence that names its option. Files are read by the caller.
"""

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from localfleet.config import Gpu
from localfleet.core.amount import require
from localfleet.core.cost.capacity import Capacity, ModelShape, TokenWork, Workload, roofline, stated, token_work
from localfleet.core.cost.hour import Box, Owned, Rented
from localfleet.core.gpu import PowerSeen
from localfleet.gpu_facts import GpuFacts

__all__ = [
    "BoxAsked",
    "Misuse",
    "PaceAsked",
    "maybe",
    "maybe_whole",
    "number",
    "the_box",
    "the_capacity",
    "the_workload",
    "whole",
]

LARGEST = Decimal(10) ** 15
SMALLEST = Decimal(10) ** -9
LIFE_MONTHS, PUE, USD_PER_KWH = 36, Decimal("1.3"), Decimal("0.15")
"""The same assumptions as `hardware.gpus` of models.yaml makes."""
IDLE_SHARE = Decimal("0.3")


class Misuse(Exception):
    """An option cannot be used as it was given; the message is one sentence that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxAsked:
    """The money side of the box as asked for; `None` is not said."""

    gpus: int | None
    usd_per_hour: Decimal | None
    commit_discount: Decimal
    own: bool
    purchase_usd: Decimal | None
    residual_usd: Decimal | None
    life_months: int | None
    cost_of_capital: Decimal
    power_w: Decimal | None
    idle_share: Decimal | None
    pue: Decimal | None
    usd_per_kwh: Decimal | None
    maintenance: Decimal
    colo_usd_per_kw_month: Decimal | None
    other_usd_per_month: Decimal | None
    measured: PowerSeen | None = None
    """What a card like this was seen to draw on this box."""

    @property
    def count(self) -> int:
        """GPUs in the box; one where nothing was said."""
        return self.gpus or 1

    @property
    def priced(self) -> bool:
        """Whether the price of the box was said here."""
        return self.usd_per_hour is not None or self.purchase_usd is not None or self.own

    @property
    def power_measured_w(self) -> Decimal | None:
        """Watts of the cards under full load as measured here; `None` where they were said, or never seen at work."""
        if self.power_w is not None or self.measured is None or self.measured.busy_w is None:
            return None
        return Decimal(round(self.measured.busy_w)) * self.count

    @property
    def idle_measured(self) -> Decimal | None:
        """Idle watts as a share of those under load, as measured here; `None` as above."""
        seen = self.measured
        if self.power_measured_w is None or seen is None or not seen.busy_w or seen.idle_w is None:
            return None
        return min(Decimal(round(seen.idle_w / seen.busy_w, 2)).quantize(Decimal("0.01")), Decimal(1))

    def with_file(self, gpu: Gpu) -> "BoxAsked":
        """
        The same, with what `hardware.gpus` of models.yaml says about this GPU wherever nothing was said here.

        The file's figures are per GPU, but for `other_usd_per_month`. Its price and resale value go together.
        """
        gpus = self.gpus or gpu.count
        filled = replace(
            self,
            gpus=gpus,
            life_months=self.life_months or gpu.life_months,
            power_w=gpu.power_w * gpus if self.power_w is None and gpu.power_w else self.power_w,
            pue=gpu.pue if self.pue is None else self.pue,
            usd_per_kwh=gpu.usd_per_kwh if self.usd_per_kwh is None else self.usd_per_kwh,
            other_usd_per_month=gpu.other_usd_per_month
            if self.other_usd_per_month is None
            else self.other_usd_per_month,
        )
        if self.priced:
            return filled
        if gpu.purchase_usd is None:
            return replace(filled, usd_per_hour=gpu.usd_per_hour)
        residual = gpu.residual_usd * gpus if self.residual_usd is None else self.residual_usd
        return replace(filled, purchase_usd=gpu.purchase_usd * gpus, residual_usd=residual)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceAsked:
    """The speed side: a stated rate, three measured coefficients, or a model to estimate from."""

    tokens_per_second: Decimal | None
    token_work_us: str | None
    model: ModelShape


def number(
    option: str, text: str, *, low: Decimal | int = 0, high: Decimal | int = LARGEST, above_low: bool = False
) -> Decimal:
    """The number typed for `option`; raise `Misuse` for anything else."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        msg = f"{option} must be a plain number, for example 1500 or 0.25"
        raise Misuse(msg) from None
    try:
        require(option, value, low=low, high=high, above_low=above_low)
    except ValueError as exc:
        raise Misuse(str(exc)) from None
    if value != 0 and abs(value) < SMALLEST:
        msg = f"{option} must be 0 or at least {SMALLEST:f}"
        raise Misuse(msg)
    return value


def maybe(option: str, text: str | None, *, low: int = 0, above_low: bool = False) -> Decimal | None:
    """The number typed for an option that may be left out."""
    return None if text is None else number(option, text, low=low, above_low=above_low)


def whole(option: str, text: str, *, low: int = 0, high: int) -> int:
    """The whole number typed for `option`."""
    value = number(option, text, low=low, high=high)
    if value != value.to_integral_value():
        msg = f"{option} must be a whole number"
        raise Misuse(msg)
    return int(value)


def maybe_whole(option: str, text: str | None, *, low: int, high: int) -> int | None:
    """The whole number typed for an option that may be left out."""
    return None if text is None else whole(option, text, low=low, high=high)


def the_workload(
    *, requests: str, input_tokens: str, output_tokens: str, cached: str, written: str, peak: str
) -> Workload:
    """The month's traffic."""
    read = number("--cached-share", cached, high=1)
    write = number("--cache-write-share", written, high=1)
    if read + write > 1:
        msg = "--cached-share and --cache-write-share are parts of the input and cannot exceed 1 together"
        raise Misuse(msg)
    tokens_in, tokens_out = number("--input-tokens", input_tokens), number("--output-tokens", output_tokens)
    if tokens_in + tokens_out == 0:
        msg = "--input-tokens and --output-tokens cannot both be 0"
        raise Misuse(msg)
    return Workload(
        requests_per_month=number("--requests-per-month", requests),
        input_tokens_per_request=tokens_in,
        output_tokens_per_request=tokens_out,
        cache_read_share=read,
        cache_write_share=write,
        peak_to_mean=number("--peak-to-mean", peak, low=1, high=1000),
    )


def the_box(asked: BoxAsked, gpu: GpuFacts) -> tuple[Box, str]:
    """The box, and where its price comes from in words."""
    try:
        return _box(asked, gpu)
    except ValueError as exc:
        msg = f"the cost of the box cannot be right: {exc}"
        raise Misuse(msg) from None


def _box(asked: BoxAsked, gpu: GpuFacts) -> tuple[Box, str]:
    if asked.usd_per_hour is not None and (asked.own or asked.purchase_usd is not None):
        msg = "--usd-per-hour is for a rented box, --purchase-usd and --own for a bought one: give one of them"
        raise Misuse(msg)
    if asked.own or asked.purchase_usd is not None:
        return _owned(asked, gpu)
    if asked.usd_per_hour is not None:
        return _rented(asked, asked.usd_per_hour), f"${asked.usd_per_hour} per GPU and hour, as stated"
    if gpu.rent is None:
        msg = f"--usd-per-hour is needed: no rent is known here for {gpu.name}"
        raise Misuse(msg)
    day = gpu.rent.since.isoformat() if gpu.rent.since else "date unknown"
    return _rented(asked, gpu.rent.usd), f"${gpu.rent.usd} per GPU and hour, {gpu.rent.source}, {day}"


def the_capacity(asked: PaceAsked, workload: Workload, gpu: GpuFacts, *, gpus: int) -> Capacity:
    """How fast the box is: stated, else calibrated, else estimated."""
    if asked.tokens_per_second is not None and asked.token_work_us is not None:
        msg = "--tokens-per-second and --token-work-us say the same thing twice: give one of them"
        raise Misuse(msg)
    if asked.token_work_us is not None:
        return _from_token_work(asked.token_work_us, workload, gpus)
    if asked.tokens_per_second is not None:
        if workload.output_tokens_per_request == 0:
            msg = "--tokens-per-second counts output tokens and there are none: give --token-work-us instead"
            raise Misuse(msg)
        return stated(workload, output_tokens_per_second=asked.tokens_per_second)
    try:
        return roofline(workload, asked.model, gpu.silicon, gpus=gpus)
    except ValueError as exc:
        msg = f"--gpu {gpu.name} with --model-params-b {asked.model.params_b}: {exc} (--tokens-per-second)"
        raise Misuse(msg) from None


def _from_token_work(text: str, workload: Workload, gpus: int) -> Capacity:
    parts = text.split(",")
    if len(parts) != 3:
        msg = "--token-work-us takes three numbers, A,B0,K in microseconds, for example 17.42,28.18,0.05908"
        raise Misuse(msg)
    a_us, b0_us, k_us = (number("--token-work-us", part, high=10**9) for part in parts)
    try:
        return token_work(workload, TokenWork(a_us=a_us, b0_us=b0_us, k_us=k_us), replicas=gpus)
    except ValueError:
        msg = "--token-work-us gives no work at all for this request: at least one coefficient must be above 0"
        raise Misuse(msg) from None


def _rented(asked: BoxAsked, usd_per_gpu_hour: Decimal) -> Rented:
    return Rented(
        usd_per_gpu_hour=usd_per_gpu_hour,
        gpus=asked.count,
        commit_discount_share=asked.commit_discount,
        other_usd_per_month=asked.other_usd_per_month or Decimal(0),
    )


def _owned(asked: BoxAsked, gpu: GpuFacts) -> tuple[Owned, str]:
    price, source = asked.purchase_usd, f"bought for ${asked.purchase_usd:,f}, as stated" if asked.purchase_usd else ""
    if price is None:
        if gpu.purchase is None:
            msg = f"--purchase-usd is needed: no purchase price is known here for {gpu.name}"
            raise Misuse(msg)
        price = gpu.purchase.usd * asked.count
        day = gpu.purchase.since.isoformat() if gpu.purchase.since else "date unknown"
        source = f"${gpu.purchase.usd:,f} a card without a server, {gpu.purchase.source}, {day}"
    residual = asked.residual_usd or Decimal(0)
    if residual > price:
        msg = "--residual-usd cannot exceed the purchase price"
        raise Misuse(msg)
    return (
        Owned(
            box_purchase_usd=price,
            gpus=asked.count,
            life_months=asked.life_months or LIFE_MONTHS,
            cost_of_capital_per_year=asked.cost_of_capital,
            box_residual_usd=residual,
            box_power_w=asked.power_w or asked.power_measured_w or gpu.power_w * asked.count,
            idle_power_share=_first(asked.idle_share, asked.idle_measured, IDLE_SHARE),
            pue=PUE if asked.pue is None else asked.pue,
            usd_per_kwh=USD_PER_KWH if asked.usd_per_kwh is None else asked.usd_per_kwh,
            maintenance_share_per_year=asked.maintenance,
            colo_usd_per_kw_month=asked.colo_usd_per_kw_month,
            other_usd_per_month=asked.other_usd_per_month or Decimal(0),
        ),
        source,
    )


def _first(*values: Decimal | None) -> Decimal:
    """The first that is known; the last one always is."""
    return next(value for value in values if value is not None)
