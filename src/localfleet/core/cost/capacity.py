"""
How much work a month brings, and how fast one box does it.

Capacity comes at three levels of trust: stated by the operator, computed from a measured calibration (token work), or
estimated from the data sheet (roofline). Each result says which one it is and how wrong it may be. No money here.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from localfleet.core.amount import require

__all__ = [
    "SECONDS_PER_MONTH",
    "Capacity",
    "Level",
    "ModelShape",
    "Silicon",
    "TokenWork",
    "Workload",
    "affine_step",
    "requests_per_month",
    "roofline",
    "stated",
    "token_work",
]

SECONDS_PER_MONTH = Decimal(730 * 3600)
"""A month is 730 hours: a twelfth of 8,760."""

USABLE_MEMORY = Decimal("0.9")
LAYER_OVERHEAD_S = Decimal("0.000003")
COMPUTE_EFFICIENCY_BF16 = Decimal("0.72")
COMPUTE_EFFICIENCY_FP8 = Decimal("0.52")
ROOFLINE_ERROR = Decimal("0.35")
LARGEST_BATCH = Decimal(256)
"""Most requests decoded together per replica: a common serving default, kept as the ceiling of the estimate."""
WORTHWHILE_BATCH = Decimal(32)
GIB = Decimal(2**30)
BYTES_PER_LAYER = Decimal(4096)
"""Key and value of one token in one layer: 2 x 8 heads x 128 x 2 bytes, as in the Llama 3 family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    A month's requests and the mean shape of one. Means need not be whole.

    `cache_read_share` and `cache_write_share` are parts of the input (a partition: together at most 1). The read share
    is taken to hit the box's own prefix cache too. `peak_to_mean` is the busiest hour against the mean hour.
    """

    requests_per_month: Decimal
    input_tokens_per_request: Decimal
    output_tokens_per_request: Decimal
    cache_read_share: Decimal = Decimal(0)
    cache_write_share: Decimal = Decimal(0)
    peak_to_mean: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        """Refuse impossible traffic."""
        require("requests_per_month", self.requests_per_month)
        require("input_tokens_per_request", self.input_tokens_per_request)
        require("output_tokens_per_request", self.output_tokens_per_request)
        require("tokens_per_request", self.tokens_per_request, above_low=True)
        require("cache_read_share", self.cache_read_share, high=1)
        require("cache_write_share", self.cache_write_share, high=1)
        require("cache_read_share + cache_write_share", self.cache_read_share + self.cache_write_share, high=1)
        require("peak_to_mean", self.peak_to_mean, low=1)

    @property
    def tokens_per_request(self) -> Decimal:
        """Input and output together: the basis of every `_blended` and `_amortised` figure."""
        return self.input_tokens_per_request + self.output_tokens_per_request

    @property
    def prefill_tokens_per_request(self) -> Decimal:
        """Input the box computes, after its prefix cache."""
        return self.input_tokens_per_request * (1 - self.cache_read_share)

    @property
    def mean_context_tokens(self) -> Decimal:
        """Tokens in the cache while a mean output token is made."""
        return self.input_tokens_per_request + self.output_tokens_per_request / 2


class Level(StrEnum):
    """Where a capacity comes from, from most to least trusted."""

    CALIBRATED = "calibrated"
    STEP = "affine step"
    STATED = "stated"
    ROOFLINE = "roofline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """
    Seconds of the whole box that one request takes when the box is full.

    `error_share` is the expected error (0.35 is 35 % either way), `None` where nobody measured it. `basis` says in
    words what the figure rests on.
    """

    box_seconds_per_request: Decimal
    level: Level
    basis: str
    error_share: Decimal | None = None
    output_s: Decimal = Decimal(0)
    output_squared_s: Decimal = Decimal(0)
    cached_s: Decimal = Decimal(0)
    """Of the seconds: what grows with the answer's length, with its square, and what the prefix cache saves of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWork:
    """Coefficients fitted to measured shapes, microseconds of one replica: per input token, output token, context."""

    a_us: Decimal
    b0_us: Decimal
    k_us: Decimal

    def __post_init__(self) -> None:
        """Refuse coefficients that would make work free."""
        for name, value in (("a_us", self.a_us), ("b0_us", self.b0_us), ("k_us", self.k_us)):
            require(name, value)
        require("a_us + b0_us + k_us", self.a_us + self.b0_us + self.k_us, above_low=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silicon:
    """One GPU as the data sheet has it; `None` is unknown. Speeds are dense, without sparsity."""

    memory_gib: Decimal
    bandwidth_gb_per_s: Decimal
    bf16_tflops: Decimal | None
    fp8_tflops: Decimal | None
    bandwidth_efficiency: Decimal = Decimal("0.60")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """
    The local model as far as the estimate needs it: a dense decoder.

    `kv_bytes_per_token` of `None` is read off the Llama 3 family: 131,072 bytes at 8.03e9 parameters and 327,680 at
    70.6e9, joined by a power law.
    """

    params_b: Decimal
    bits_per_weight: Decimal
    kv_bytes_per_token: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse a model without weight."""
        require("params_b", self.params_b, above_low=True)
        require("bits_per_weight", self.bits_per_weight, low=1, high=32)
        if self.kv_bytes_per_token is not None:
            require("kv_bytes_per_token", self.kv_bytes_per_token, above_low=True)

    @property
    def weight_bytes(self) -> Decimal:
        """Bytes read for each decode step."""
        return self.params_b * 10**9 * self.bits_per_weight / 8

    @property
    def cache_bytes_per_token(self) -> Decimal:
        """Bytes of key-value cache each token of context takes."""
        if self.kv_bytes_per_token is not None:
            return self.kv_bytes_per_token
        return Decimal(131_072) * (self.params_b / Decimal("8.03")) ** Decimal("0.4215")


def stated(workload: Workload, *, output_tokens_per_second: Decimal) -> Capacity:
    """Capacity from a rate the operator states for the whole box at this request shape, input work included."""
    require("output_tokens_per_second", output_tokens_per_second, above_low=True)
    if workload.output_tokens_per_request == 0:
        msg = "a rate of output tokens says nothing about requests without output: give a calibration instead"
        raise ValueError(msg)
    return Capacity(
        box_seconds_per_request=workload.output_tokens_per_request / output_tokens_per_second,
        output_s=workload.output_tokens_per_request / output_tokens_per_second,
        level=Level.STATED,
        basis=f"{output_tokens_per_second:,f} output tokens/s for the whole box, as stated",
    )


def token_work(
    workload: Workload, work: TokenWork, *, replicas: int = 1, error_share: Decimal | None = None
) -> Capacity:
    """Capacity from measured coefficients: a x uncached input + b0 x output + k x output x mean context."""
    output = workload.output_tokens_per_request
    us = (
        work.a_us * workload.prefill_tokens_per_request
        + work.b0_us * output
        + work.k_us * output * workload.mean_context_tokens
    )
    require("work per request", us, above_low=True)
    second_us = Decimal(10**6 * replicas)
    cached = workload.input_tokens_per_request * workload.cache_read_share
    return Capacity(
        box_seconds_per_request=us / second_us,
        output_s=(work.b0_us + work.k_us * workload.input_tokens_per_request) * output / second_us,
        output_squared_s=work.k_us * output * output / 2 / second_us,
        cached_s=work.a_us * cached / second_us,
        level=Level.CALIBRATED,
        basis=f"a {work.a_us} us, b0 {work.b0_us} us, k {work.k_us} us, {replicas} replica(s)",
        error_share=error_share,
    )


def affine_step(
    workload: Workload,
    *,
    alpha_ms: Decimal,
    beta_ms: Decimal,
    tpot_ms: Decimal,
    largest_batch: Decimal = LARGEST_BATCH,
    replicas: int = 1,
    error_share: Decimal | None = None,
) -> Capacity:
    """
    Capacity from the decode step of a load curve, alpha + beta x batch milliseconds, held to `tpot_ms` a token.

    The batch is what the limit allows and at most `largest_batch`, which the cache's memory sets. The curve has its own
    prompts in it: use it for requests like those it was measured with. Raises where one request alone is too slow.
    """
    for name, value in (("alpha_ms", alpha_ms), ("beta_ms", beta_ms)):
        require(name, value)
    require("alpha_ms + beta_ms", alpha_ms + beta_ms, above_low=True)
    require("largest_batch", largest_batch, low=1)
    require("output_tokens_per_request", workload.output_tokens_per_request, above_low=True)
    if tpot_ms < alpha_ms + beta_ms:
        msg = f"tpot_ms: {tpot_ms} is less than a step for one request takes ({alpha_ms + beta_ms:.3f} ms)"
        raise ValueError(msg)
    batch = min(largest_batch, (tpot_ms - alpha_ms) / beta_ms) if beta_ms else largest_batch
    step_ms = alpha_ms + beta_ms * batch
    seconds = workload.output_tokens_per_request * step_ms / batch / 1000 / replicas
    return Capacity(
        box_seconds_per_request=seconds,
        output_s=seconds,
        level=Level.STEP,
        basis=f"steps of {step_ms:.1f} ms with {int(batch)} requests together, {replicas} replica(s)",
        error_share=error_share,
    )


def roofline(workload: Workload, model: ModelShape, silicon: Silicon, *, gpus: int) -> Capacity:
    """Capacity from memory bandwidth and arithmetic: an order of magnitude, never a purchase decision."""
    per_replica = _gpus_per_replica(workload, model, silicon, gpus)
    replicas = gpus // per_replica
    batch = min(LARGEST_BATCH, _batch_that_fits(workload, model, silicon, per_replica))
    prefill_s = _flops(model, workload.prefill_tokens_per_request) / _flops_per_second(model, silicon, per_replica)
    decode_s = workload.output_tokens_per_request * _step_s(workload, model, silicon, per_replica, batch) / batch
    cached = workload.input_tokens_per_request * workload.cache_read_share
    return Capacity(
        box_seconds_per_request=(prefill_s + decode_s) / replicas,
        output_s=decode_s / replicas,
        cached_s=_flops(model, cached) / _flops_per_second(model, silicon, per_replica) / replicas,
        level=Level.ROOFLINE,
        basis=(
            f"{model.params_b}B parameters at {model.bits_per_weight} bits, {int(batch)} requests together, "
            f"{replicas} replica(s) of {per_replica} GPU(s)"
        ),
        error_share=ROOFLINE_ERROR,
    )


def requests_per_month(capacity: Capacity, workload: Workload, *, busy_limit: Decimal) -> Decimal:
    """The most requests a month one box takes while its busiest hour stays within `busy_limit` (0 to 1)."""
    return SECONDS_PER_MONTH * busy_limit / (capacity.box_seconds_per_request * workload.peak_to_mean)


def _gpus_per_replica(workload: Workload, model: ModelShape, silicon: Silicon, gpus: int) -> int:
    """The narrowest power of two that leaves room for a worthwhile batch, else the widest that fits at all."""
    widths: list[int] = [2**power for power in range(gpus.bit_length())]
    room = {width: _batch_that_fits(workload, model, silicon, width) for width in widths}
    roomy = [width for width in widths if room[width] >= WORTHWHILE_BATCH]
    fitting = [width for width in widths if room[width] >= 1]
    if not fitting:
        msg = "the model and one request do not fit the GPU memory: more GPUs, fewer bits or a smaller model"
        raise ValueError(msg)
    return roomy[0] if roomy else fitting[-1]


def _batch_that_fits(workload: Workload, model: ModelShape, silicon: Silicon, gpus: int) -> Decimal:
    room = silicon.memory_gib * GIB * USABLE_MEMORY * gpus - model.weight_bytes
    return room / (model.cache_bytes_per_token * max(workload.mean_context_tokens, Decimal(1)))


def _step_s(workload: Workload, model: ModelShape, silicon: Silicon, gpus: int, batch: Decimal) -> Decimal:
    moved = model.weight_bytes + batch * model.cache_bytes_per_token * workload.mean_context_tokens
    memory_s = moved / (silicon.bandwidth_efficiency * silicon.bandwidth_gb_per_s * 10**9 * gpus)
    compute_s = _flops(model, batch) / _flops_per_second(model, silicon, gpus)
    layers = model.cache_bytes_per_token / BYTES_PER_LAYER
    return max(memory_s, compute_s) + layers * LAYER_OVERHEAD_S


def _flops(model: ModelShape, tokens: Decimal) -> Decimal:
    return 2 * model.params_b * 10**9 * tokens


def _flops_per_second(model: ModelShape, silicon: Silicon, gpus: int) -> Decimal:
    if model.bits_per_weight == 8 and silicon.fp8_tflops is not None:
        return COMPUTE_EFFICIENCY_FP8 * silicon.fp8_tflops * 10**12 * gpus
    if silicon.bf16_tflops is None:
        msg = "the arithmetic speed of this GPU is not known here, so nothing is estimated: state a measured rate"
        raise ValueError(msg)
    return COMPUTE_EFFICIENCY_BF16 * silicon.bf16_tflops * 10**12 * gpus
