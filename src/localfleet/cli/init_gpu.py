"""
What `init` proposes on a box with GPUs: the largest model of a short list that fits them, as lines of `models.yaml`.

The list is the models of `presets/`, largest first; the arithmetic is `core.fit`. Switched off like every example:
vLLM has to be there first, and the weights are gigabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from localfleet.core.fit import Division, Fit, Format, Gpu, Serving, Verdict, fit
from localfleet.errors import ShapeUnknown
from localfleet.fit_words import gib
from localfleet.machine import GpuSeen
from localfleet.shapes import KnownModel, find_known, find_shape, read_models

__all__ = ["Suggestion", "suggest", "suggestion_lines"]

LADDER = (
    "Qwen/Qwen3-235B-A22B-FP8",
    "openai/gpt-oss-120b",
    "Qwen/Qwen3-32B-FP8",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-8B-FP8",
    "Qwen/Qwen3-8B-AWQ",
)
CONTEXTS = (32_768, 16_384, 8192)
PARALLEL = (32, 16, 8, 4)
WAYS = (8, 4, 2, 1)
BATCHED_TOKENS = 2048
"""For models that leave little beside their weights."""
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A model and how to serve it, with its fit."""

    weights: str
    known: KnownModel
    serving: Serving
    gpu: Gpu
    fit: Fit

    @property
    def whole_experts(self) -> bool:
        """8-bit scales belong to blocks of 128 x 128 weights, and an expert cut for many GPUs has no whole ones."""
        stored = self.known.stored_under(self.weights)
        eight = stored is not None and stored.stored.format is Format.FP8 and stored.has_experts
        return eight and self.serving.division.tensor > 1


def suggest(gpus: tuple[GpuSeen, ...]) -> Suggestion | None:
    """The best of the list for the first kind of GPU whose memory is known; `None` where nothing fits."""
    seen = next((gpu for gpu in gpus if gpu.memory_mib), None)
    if seen is None:
        return None
    ways = next(n for n in WAYS if n <= seen.count)
    gpu = Gpu(name=seen.name, memory_bytes=(seen.memory_mib or 0) * MIB, count=ways)
    models = read_models()
    return next((found for weights in LADDER for found in _servings(weights, models, gpu)), None)


def _servings(weights: str, models: tuple[KnownModel, ...], gpu: Gpu) -> Iterator[Suggestion]:
    known = find_known(weights, models)
    if known is None:
        raise ShapeUnknown(f"{weights} is not in the catalogue")
    shape = find_shape(weights, models, None)
    for context in CONTEXTS:
        for parallel in PARALLEL:
            serving = Serving(
                context_tokens=context,
                parallel=parallel,
                division=Division(tensor=gpu.count),
                batched_tokens=min(BATCHED_TOKENS, context),
            )
            answer = fit(shape, serving, gpu)
            if isinstance(answer, Fit) and answer.verdict is Verdict.FITS:
                yield Suggestion(weights=weights, known=known, serving=serving, gpu=gpu, fit=answer)


def suggestion_lines(found: Suggestion, mark: str) -> Iterator[str]:
    """The entry, switched off, under two lines that say what it rests on."""
    serving, answer, known = found.serving, found.fit, found.known
    weights = gib(answer.breakdown.weight_bytes)
    yield f"  # It fits {found.gpu.count} x {found.gpu.name}: {weights} GiB of weights on each, and tokens of cache for"
    yield f"  # {answer.requests:.1f} requests at full length. Licence: {known.licence}. It needs vLLM 0.32, in an"
    yield "  # environment of its own."
    can = ", ".join(sorted(known.can & {"tools", "json", "vision"}))
    yield from (
        f"{mark}  main:",
        f"{mark}    engine: vllm",
        f"{mark}    weights: {found.weights}",
        f"{mark}    context_tokens: {serving.context_tokens}",
        f"{mark}    can: [{can}]",
        f"{mark}    parallel: {serving.parallel}",
        f"{mark}    vllm:",
        *(f"{mark}      {line}" for line in _vllm_lines(found)),
        "",
    )


def _vllm_lines(found: Suggestion) -> Iterator[str]:
    if found.serving.division.tensor > 1:
        yield f"tensor_parallel: {found.serving.division.tensor}"
    if found.whole_experts:
        yield "expert_parallel: true"
    yield f"max_batched_tokens: {found.serving.batched_tokens}"
    if found.known.tool_parser is not None:
        yield f"tool_parser: {found.known.tool_parser}"
    if found.known.reasoning_parser is not None:
        yield f"reasoning_parser: {found.known.reasoning_parser}"
    yield "pull: true                      # fetches the weights from the Hugging Face hub at the first start"
