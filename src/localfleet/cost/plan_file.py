"""
`plan.yaml`: what a person states about money, hardware, deployments, work and traffic, checked field by field.

A number is written plain, or as `{value, unit, date, source}`; with a unit, the unit must be the field's own. Prices
carry a date and a source or are refused. Everything is US dollars: another currency is refused, never converted.
"""

from datetime import date
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from localfleet.errors import ConfigError
from localfleet.wire.yaml_lines import Lines, problems_of, read_yaml

__all__ = [
    "ApiModel",
    "Calibration",
    "Deployment",
    "Finance",
    "Hardware",
    "PlanFile",
    "Traffic",
    "Uncertainty",
    "Workflow",
    "example_plan",
    "parse_plan",
    "read_plan",
]

CURRENCIES = ("EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "\u20ac", "\u00a3", "\u00a5")


class Shape(BaseModel):
    """Every section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _in(unit: str, *others: str) -> BeforeValidator:
    """A plain number, or one with this unit said; raises what is wrong in a sentence."""

    def read(value: Any) -> Any:
        said: Any = unit
        if isinstance(value, dict):
            if "value" not in value or "unit" not in value:
                raise _wrong(f"needs `value` and `unit: {unit}`")
            said, value = value["unit"], value["value"]
        if any(name in str(said) for name in CURRENCIES):
            raise _wrong("is in another currency: everything here is US dollars, convert it and say when in `source`")
        if said not in {unit, *others}:
            raise _wrong(f"must be in {unit}")
        value = _number(value)
        if value is None:
            raise _wrong(f"must be a number of {unit}")
        if not isfinite(value):
            raise _wrong("must be a finite number, not NaN or infinity")
        return value

    return BeforeValidator(read)


def _number(value: Any) -> float | None:
    """YAML reads `14.5e6` as text; it is a number all the same."""
    try:
        return None if isinstance(value, bool | None) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("value_error", "{sentence}", {"sentence": sentence})


UsdMtok = Annotated[float, _in("USD/Mtok"), Field(ge=0)]
UsdHour = Annotated[float, _in("USD/GPU-h"), Field(gt=0)]
Usd = Annotated[float, _in("USD"), Field(ge=0)]
UsdMonth = Annotated[float, _in("USD/month"), Field(ge=0)]
UsdYear = Annotated[float, _in("USD/year"), Field(ge=0)]
Share = Annotated[float, _in("share", "1"), Field(ge=0, le=1)]
Count = Annotated[float, _in("1/month", "requests/month"), Field(ge=0)]
Tokens = Annotated[float, _in("tokens"), Field(ge=0)]
Micro = Annotated[float, _in("us"), Field(ge=0)]
Sigma = Annotated[float, _in("ln"), Field(ge=0, le=3)]


class Sigmas(Shape):
    """How uncertain prices are over the horizon: the standard deviation of their logarithm."""

    gpu: Sigma = 0.25
    api: Sigma = 0.20


Spread = tuple[float, float, float]


def _ordered(low: float, high: float) -> AfterValidator:
    """Lowest, likeliest, highest, within bounds."""

    def check(spread: Spread) -> Spread:
        if not low <= spread[0] <= spread[1] <= spread[2] <= high:
            raise _wrong(f"is lowest, likeliest, highest, from {low:g} to {high:g} and in this order")
        return spread

    return AfterValidator(check)


Factors = Annotated[Spread, _ordered(0.001, 1000)]
Change = Annotated[Spread, _ordered(-0.95, 10)]


class PriceChange(Shape):
    """How prices change in a year, as a share of them: lowest, likeliest, highest; -0.2 is a fifth less."""

    gpu: Change = (0.0, 0.0, 0.0)
    api: Change = (0.0, 0.0, 0.0)


class Finance(Shape):
    """What money costs, and what care of the boxes costs (a line of its own)."""

    horizon_months: Annotated[int, Field(ge=1, le=600)] = 36
    wacc: Share = 0.10
    staff_usd_month: UsdMonth = 2000.0
    price_sigma_ln: Sigmas = Sigmas()
    price_change_year: PriceChange = PriceChange()


class ContextStep(Shape):
    """What a request with more input than `above_input_tokens` pays, for all of its tokens."""

    above_input_tokens: Annotated[int, Field(ge=1)]
    usd_per_mtok_in: Annotated[UsdMtok, Field(alias="in")]
    usd_per_mtok_out: Annotated[UsdMtok, Field(alias="out")]
    cache_read: UsdMtok | None = None
    cache_write: UsdMtok | None = None


class ApiModel(Shape):
    """A hosted model's price. Cache prices of `null` are the plain input price; no batch price of `null`."""

    id: str
    usd_per_mtok_in: UsdMtok = Field(alias="in")
    usd_per_mtok_out: UsdMtok = Field(alias="out")
    cache_read: UsdMtok | None = None
    cache_write: UsdMtok | None = None
    batch_mult: Share | None = None
    tiers: tuple[ContextStep, ...] = ()
    tokens_ratio: Annotated[float, Field(gt=0, le=10)] = 1.0
    date: date
    source: Annotated[str, Field(min_length=1)]


class Hardware(Shape):
    """A box: rented by the hour, or bought."""

    id: str
    gpu: str
    gpus: Annotated[int, Field(ge=1, le=1024)] = 1
    mode: Literal["rented", "reserved", "spot", "owned"] = "rented"
    usd_gpu_h: UsdHour | None = None
    commit_discount: Share = 0.0
    evictions_per_h: Annotated[float, _in("1/h"), Field(ge=0)] = 0.0
    restart_h: Annotated[float, _in("h"), Field(ge=0)] = 0.0
    spill_usd_per_eviction: Usd = 0.0
    capex: Usd | None = None
    years: Annotated[float, Field(gt=0, le=20)] = 3.0
    residual: Share = 0.0
    kw: Annotated[float, _in("kW"), Field(ge=0)] = 0.0
    idle_share: Share = 0.3
    pue: Annotated[float, _in("1", "share"), Field(ge=1, le=5)] = 1.3
    usd_kwh: Annotated[float, _in("USD/kWh"), Field(ge=0)] = 0.15
    maint: Share = 0.03
    other_usd_y: UsdYear = 0.0
    colo_usd_kw_month: Annotated[float, _in("USD/kW-month"), Field(ge=0)] | None = None
    date: date
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _priced(self) -> "Hardware":
        if self.mode == "owned" and self.capex is None:
            raise ValueError("a bought box needs `capex` (USD for the whole box)")
        if self.mode != "owned" and self.usd_gpu_h is None:
            raise ValueError("a rented box needs `usd_gpu_h` (USD per GPU and hour)")
        if self.mode != "spot" and (self.evictions_per_h or self.restart_h or self.spill_usd_per_eviction):
            raise ValueError("only a spot box is taken away: `evictions_per_h` and its costs need `mode: spot`")
        return self


class Calibration(Shape):
    """How fast: fitted token work (best), the fitted step of a load curve, a stated rate, or an estimate (rough)."""

    kind: Literal["token_work", "affine", "stated", "roofline"]
    a_us: Micro = 0.0
    b0_us: Micro = 0.0
    k_us: Annotated[float, _in("us/tok", "us"), Field(ge=0)] = 0.0
    alpha_ms: Annotated[float, _in("ms"), Field(ge=0)] = 0.0
    beta_ms: Annotated[float, _in("ms"), Field(ge=0)] = 0.0
    largest_batch: Annotated[int, Field(ge=1)] = 256
    mape: Share | None = None
    points: str | None = None
    requests_per_s: Annotated[float, _in("1/s"), Field(gt=0)] | None = None
    params_b: Annotated[float, Field(gt=0, le=10_000)] = 8.0
    bits: Annotated[float, Field(ge=1, le=32)] = 8.0

    @model_validator(mode="after")
    def _says_something(self) -> "Calibration":
        if self.kind == "token_work" and not self.a_us + self.b0_us + self.k_us:
            raise ValueError("token_work needs `a_us`, `b0_us` and `k_us`, not all zero")
        if self.kind == "affine" and not self.alpha_ms + self.beta_ms:
            raise ValueError("affine needs `alpha_ms` and `beta_ms`, not both zero")
        if self.kind == "stated" and self.requests_per_s is None:
            raise ValueError("a stated speed needs `requests_per_s` of one replica")
        return self


class Slo(Shape):
    """
    What a request may wait, and what that leaves of the saturated rate (`derate`, 1 is all of it).

    `auto` expects what was measured elsewhere for prompts of this length.
    """

    ttft_p99_s: Annotated[float, _in("s"), Field(gt=0)] = 2.0
    tpot_ms: Annotated[float, _in("ms"), Field(gt=0)] = 50.0
    derate: Literal["auto"] | Annotated[float, _in("share", "1"), Field(gt=0, le=1)] = 1.0


class Deployment(Shape):
    """A model on a box."""

    id: str
    hardware: str
    model: str = ""
    precision: str = ""
    engine: str = ""
    calibration: Calibration
    slo: Slo = Slo()
    rho_max: Annotated[float, _in("share", "1"), Field(gt=0, le=1)] = 0.85
    redundancy: Annotated[int, Field(ge=0, le=100)] = 1


class Caps(Shape):
    """What may not be exceeded."""

    max_fallback_attempts: Annotated[int, Field(ge=0, le=20)] = 1
    max_premium_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    max_daily_usd_per_tier: dict[str, Usd] = Field(default_factory=dict)


class Workflow(Shape):
    """One row of the worksheet. `prefix_hit` and `cached_write` are parts of the input (together at most 1)."""

    workflow: str
    first_tier: str
    fallback: str | None = None
    monthly_requests: Count
    avg_in: Tokens
    avg_out: Tokens
    prefix_hit: Share = 0.0
    cached_write: Share = 0.0
    fallback_rate: Share = 0.0
    retry_rate: Share = 0.0
    success_local: Annotated[float, _in("share", "1"), Field(gt=0, le=1)] = 1.0
    success_api: Annotated[float, _in("share", "1"), Field(gt=0, le=1)] = 1.0
    judge_usd: Usd = 0.0
    classifier_usd: Usd = 0.0
    privacy: Literal["optional", "mandatory_local"] = "optional"
    batchable: bool = False
    limits: Caps = Caps()

    @model_validator(mode="after")
    def _partition(self) -> "Workflow":
        if self.prefix_hit + self.cached_write > 1:
            raise ValueError("`prefix_hit` and `cached_write` are parts of the input and cannot exceed 1 together")
        if self.avg_in + self.avg_out == 0:
            raise ValueError("`avg_in` and `avg_out` cannot both be 0")
        return self


class Traffic(Shape):
    """How the work arrives: a trace with times (best), or a mean with the busiest hour over the mean hour."""

    kind: Literal["trace", "router_log", "rate_profile"] = "rate_profile"
    path: str | None = None
    peak_to_mean: Annotated[float, _in("1"), Field(ge=1, le=1000)] = 2.0
    day_shape: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = ()
    """Relative demand by hour: 24 numbers from midnight, or 168 from Monday."""

    @model_validator(mode="after")
    def _has_a_file(self) -> "Traffic":
        if self.kind == "trace" and not self.path:
            raise ValueError("a trace needs `path`")
        if self.day_shape and (len(self.day_shape) not in {24, 168} or not sum(self.day_shape)):
            raise ValueError("`day_shape` has 24 numbers (a day) or 168 (a week), not all zero")
        return self


class Uncertainty(Shape):
    """
    The draws: how many, from which seed, and how sure each input is.

    `..._sigma_ln` are standard deviations of the logarithm; triples are factors on the plan's own value, lowest,
    likeliest, highest. A share never goes over 1. `price_correlation` is that of the two prices' logarithms.
    """

    n: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    seed: int = 1
    volume_sigma_ln: Sigma = 0.35
    output_sigma_ln: Sigma = 0.15
    util: Factors = (0.8, 1.0, 1.2)
    prefix_hit: Factors = (0.5, 1.0, 1.2)
    fallback_rate: Factors = (0.5, 1.0, 2.0)
    success_local: Factors = (0.95, 1.0, 1.02)
    derate: Factors = (0.9, 1.0, 1.0)
    price_correlation: Annotated[float, _in("1", "share"), Field(ge=-1, le=1)] = 0.0


class PlanFile(Shape):
    """The whole file."""

    currency: Literal["USD"] = "USD"
    finance: Finance = Finance()
    api_models: Annotated[tuple[ApiModel, ...], Field(min_length=1)]
    hardware: Annotated[tuple[Hardware, ...], Field(min_length=1)]
    deployments: Annotated[tuple[Deployment, ...], Field(min_length=1)]
    workflows: Annotated[tuple[Workflow, ...], Field(min_length=1)]
    traffic: Traffic = Traffic()
    uncertainty: Uncertainty = Uncertainty()

    @model_validator(mode="after")
    def _references(self) -> "PlanFile":
        boxes, models = {item.id for item in self.hardware}, {item.id for item in self.api_models}
        tiers = models | {item.id for item in self.deployments}
        for deployment in self.deployments:
            if deployment.hardware not in boxes:
                raise ValueError(f"deployment {deployment.id}: `hardware` must be one of: {', '.join(sorted(boxes))}")
        for row in self.workflows:
            if row.first_tier not in tiers:
                raise ValueError(f"workflow {row.workflow}: `first_tier` must be one of: {', '.join(sorted(tiers))}")
            if row.fallback is not None and row.fallback not in models:
                raise ValueError(f"workflow {row.workflow}: `fallback` must be one of: {', '.join(sorted(models))}")
            if row.fallback_rate and row.fallback is None:
                raise ValueError(f"workflow {row.workflow}: a `fallback_rate` needs a `fallback` to go to")
            if row.privacy == "mandatory_local" and row.fallback in models:
                raise ValueError(f"workflow {row.workflow}: what must stay local cannot fall back to a hosted model")
        return self


def example_plan() -> str:
    """The commented plan that ships in the package."""
    return files("localfleet").joinpath("data/plan.yaml").read_text(encoding="utf-8")


def read_plan(path: Path) -> PlanFile:
    """Read and check a file; raise `ConfigError` with every problem, its line and field."""
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise ConfigError(
            str(path), ((None, "", f"cannot be read ({exc.strerror}); `localfleet cost plan --example` writes one"),)
        ) from exc
    return parse_plan(text, str(path))


def parse_plan(text: bytes, file: str = "plan.yaml") -> PlanFile:
    """Check a text; raise `ConfigError` with every problem, its line and field."""
    data, lines, problems = read_yaml(text)
    if problems:
        raise ConfigError(file, tuple((line, "", sentence) for line, sentence in problems))
    return check_plan(data, lines, file)


def check_plan(data: Any, lines: Lines, file: str) -> PlanFile:
    """Check plain values that stand for a file."""
    try:
        return PlanFile.model_validate(data)
    except ValidationError as exc:
        found = exc.errors(include_input=False, include_url=False, include_context=False)
        errors = [error for error in found if error["type"] != "too_short"] or found
        problems = tuple((line, place, _here(sentence)) for line, place, sentence in problems_of(errors, lines))
        raise ConfigError(file, problems) from exc


def _here(sentence: str) -> str:
    """The same complaints as of models.yaml, in the words of this file."""
    if sentence.startswith("unknown key"):
        return f"{sentence.split(';', maxsplit=1)[0]}; docs/concepts/cost.md lists the keys"
    return sentence.replace("Input should be greater than or equal to", "must be at least").replace(
        "Input should be", "must be"
    )
