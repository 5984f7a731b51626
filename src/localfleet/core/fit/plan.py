"""
Does it fit: one model, served in one way, on GPUs of one kind. The answer is a value with every figure it rests on.

    budget = gpu_memory_utilization x memory
    cache  = budget - weights - peak of a step - CUDA graphs - overhead          (vLLM's `determine_available_memory`)

Bytes throughout, of one GPU, the one that holds the most.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

from localfleet.core.fit.activations import Step, graph_bytes, overhead_bytes, peak_bytes
from localfleet.core.fit.architecture import Architecture
from localfleet.core.fit.cache import Cache, Demand, build_cache
from localfleet.core.fit.formats import KV_BYTES, Stored
from localfleet.core.fit.weights import Division, Lora, adapter_bytes, weight_bytes

__all__ = ["USABLE", "UTILIZATION", "Breakdown", "Fit", "Gpu", "Serving", "Untold", "Verdict", "fit"]

GIB = 2**30
UTILIZATION = Fraction(92, 100)
"""vLLM's default `gpu_memory_utilization` (vllm/config/cache.py)."""
USABLE = Fraction(98, 100)
"""
Of a card's nominal memory, what CUDA shows: 79.2 of 80 GiB on an H100, 23.6 of 24 on a 4090, 44.4 of 45 on an L40S.
The lowest of these, rounded down.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """GPUs of one kind. `memory_bytes` is nominal and of one of them."""

    name: str
    memory_bytes: int
    count: int = 1

    @property
    def usable_bytes(self) -> int:
        """What a program can see of it."""
        return int(self.memory_bytes * USABLE)

    @property
    def batched_tokens(self) -> int:
        """The default `--max-num-batched-tokens` of a vLLM server on this GPU (`get_batch_defaults`)."""
        if self.memory_bytes >= 160 * GIB:
            return 16_384
        if self.memory_bytes >= 70 * GIB and "a100" not in self.name.lower():
            return 8192
        return 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a model is to be served. `None` means: as its files are, or as vLLM decides."""

    context_tokens: int
    parallel: int
    stored: Stored | None = None
    kv_dtype: str = "auto"
    division: Division = field(default_factory=Division)
    utilization: Fraction = UTILIZATION
    batched_tokens: int | None = None
    eager: bool = False
    lora: Lora | None = None
    draft: Architecture | None = None
    kv_cache_bytes: int | None = None
    """A size of the cache that was set by hand, in place of what the budget leaves."""
    offload_bytes: int = 0
    """Weights of each GPU that are kept in main memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Where the memory of one GPU goes. `cache_bytes` is what is left for the cache, and negative where nothing is."""

    usable_bytes: int
    budget_bytes: int
    weight_bytes: int
    adapter_bytes: int
    peak_bytes: int
    graph_bytes: int
    overhead_bytes: int
    cache_bytes: int


class Verdict(StrEnum):
    """The short answer."""

    FITS = "fits"
    CROWDED = "crowded"
    """It starts, but not all of `parallel` requests can be at full length together: then some wait."""
    TOO_LARGE = "too_large"
    """vLLM would refuse to start."""
    IMPOSSIBLE = "impossible"
    """The numbers contradict each other, whatever the memory: heads that do not divide, GPUs that are not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """Memory that cannot be told, and why; never a guess instead."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The answer. Tokens and requests are those of one replica (data parallelism multiplies them)."""

    verdict: Verdict
    breakdown: Breakdown
    bytes_per_token: int
    request_bytes: int
    capacity_tokens: int
    requests: float
    """How many can be at full length together: vLLM's "Maximum concurrency"."""
    longest_context: int
    why: str = ""

    @property
    def starts(self) -> bool:
        """Whether vLLM would start."""
        return self.verdict in {Verdict.FITS, Verdict.CROWDED}


def fit(model: Architecture, serving: Serving, gpu: Gpu) -> Fit | Untold:
    """The answer for one model on `gpu.count` GPUs."""
    kv_bytes = _kv_bytes(model, serving)
    if kv_bytes is None:
        return Untold(why=f"the layout of a `{serving.kv_dtype}` KV cache is not known here")
    cache = build_cache(model, kv_bytes, serving.division, serving.draft)
    if cache is None:
        return Untold(why="its layers need KV pages of unequal size, which vLLM pads in ways not computed here")
    step = Step(tokens=_batched(serving, gpu), requests=serving.parallel)
    breakdown = _breakdown(model, serving, gpu, step)
    demand = Demand(batched_tokens=step.tokens, concurrent_batches=serving.division.pipeline + 1)
    answer = _answer(model, serving, cache, demand, breakdown)
    why = _contradiction(model, serving, gpu)
    return replace(answer, verdict=Verdict.IMPOSSIBLE, why=why) if why else answer


def _kv_bytes(model: Architecture, serving: Serving) -> int | None:
    if serving.kv_dtype not in KV_BYTES:
        return None
    return KV_BYTES[serving.kv_dtype] or _stored(model, serving).dtype.bytes


def _stored(model: Architecture, serving: Serving) -> Stored:
    return model.stored if serving.stored is None else serving.stored


def _batched(serving: Serving, gpu: Gpu) -> int:
    if serving.batched_tokens is not None:
        return serving.batched_tokens
    return min(gpu.batched_tokens, serving.parallel * serving.context_tokens)


def _breakdown(model: Architecture, serving: Serving, gpu: Gpu, step: Step) -> Breakdown:
    stored, division = _stored(model, serving), serving.division
    budget = int(gpu.usable_bytes * serving.utilization)
    weights = weight_bytes(model, stored, division)
    if serving.draft is not None:  # it runs on the GPUs of the last stage, cut in the same way
        weights += weight_bytes(serving.draft, serving.draft.stored, Division(tensor=division.tensor))
    weights = max(weights - serving.offload_bytes, 0)
    adapters = adapter_bytes(model, serving.lora, stored, division)
    peak = peak_bytes(model, step, division, stored.dtype.bytes)
    graphs = graph_bytes(model, step, division, eager=serving.eager)
    overhead = overhead_bytes(division)
    left = budget - weights - adapters - peak - graphs - overhead
    if serving.kv_cache_bytes is not None:
        left = min(serving.kv_cache_bytes, gpu.usable_bytes - budget + left)
    return Breakdown(
        usable_bytes=gpu.usable_bytes,
        budget_bytes=budget,
        weight_bytes=weights,
        adapter_bytes=adapters,
        peak_bytes=peak,
        graph_bytes=graphs,
        overhead_bytes=overhead,
        cache_bytes=left,
    )


def _answer(model: Architecture, serving: Serving, cache: Cache, demand: Demand, breakdown: Breakdown) -> Fit:
    left, context = breakdown.cache_bytes, serving.context_tokens
    requests = cache.concurrency(left, context, demand)
    verdict = Verdict.FITS if requests * serving.division.data >= serving.parallel else Verdict.CROWDED
    return Fit(
        verdict=verdict if cache.holds_one(left, context, demand) else Verdict.TOO_LARGE,
        breakdown=breakdown,
        bytes_per_token=cache.bytes_per_token,
        request_bytes=cache.request_bytes(context, demand),
        capacity_tokens=cache.capacity_tokens(left, context, demand),
        requests=requests,
        longest_context=cache.longest_context(left, max(model.context_tokens, context), demand),
    )


def _contradiction(model: Architecture, serving: Serving, gpu: Gpu) -> str:
    division = serving.division
    if division.gpus > gpu.count:
        return f"it is to run on {division.gpus} GPUs, and there are {gpu.count}"
    if model.heads % division.tensor:
        return f"tensor_parallel {division.tensor} does not divide its {model.heads} attention heads"
    kv = (
        max(block.attention.kv_heads for block in model.blocks if block.attention.latent is None)
        if (any(block.attention.latent is None for block in model.blocks))
        else 0
    )
    if kv and kv % division.tensor and division.tensor % kv:
        return f"tensor_parallel {division.tensor} and its {kv} KV heads do not divide each other"
    if division.pipeline > len(model.blocks):
        return f"pipeline_parallel {division.pipeline} is more than its {len(model.blocks)} layers"
    if serving.context_tokens > model.context_tokens:
        return f"context_tokens {serving.context_tokens} is more than the {model.context_tokens} it was made for"
    return ""
