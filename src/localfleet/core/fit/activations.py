"""
What vLLM takes besides weights and cache: the peak of a step, CUDA graphs, and its own buffers.

vLLM measures these when it starts (`determine_available_memory` in vllm/v1/worker/gpu_worker.py); before it starts
they can only be estimated. The forms below are the tensors that are alive at the peak; their constants were set from
start logs that users of vLLM published, listed with the errors in docs/concepts/fit.md.
"""

from dataclasses import dataclass

from localfleet.core.fit.architecture import Architecture, FeedForward, Vision
from localfleet.core.fit.weights import Division

__all__ = ["MIB", "Step", "graph_bytes", "overhead_bytes", "peak_bytes"]

MIB = 2**20
LOGIT_BYTES = 16
"""Bytes alive for each logit while tokens are drawn: in the model's type, as float32, as probabilities, as noise."""
OVERHEAD_BYTES = 358 * MIB
"""What stays after the measured step and is no weight: libraries' workspaces, input buffers."""
TENSOR_PARALLEL_BYTES = 256 * MIB
"""More of it with several GPUs: all-reduce buffers. NCCL's own come before vLLM measures, in the share it leaves."""
GRAPH_BYTES_PER_LAYER = 180_000
"""Of one captured graph: 0.52 GiB for 86 graphs of 36 layers (Qwen3-8B, vLLM 0.21, RTX A5000)."""
GRAPHS_MOST = 512
"""`max_cudagraph_capture_size`; 1024 on data-centre Blackwell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The largest step: tokens of all requests together, and requests."""

    tokens: int
    requests: int


def peak_bytes(model: Architecture, step: Step, division: Division, dtype_bytes: int) -> int:
    """
    The most that is alive at one time in the largest step, in bytes on one GPU.

    Either inside a feed-forward layer or while tokens are drawn, whichever is more; before either, images.
    """
    widest = max(_layer_width(block.feed_forward, model.hidden, division.tensor) for block in model.blocks)
    layer = step.tokens * widest * dtype_bytes
    drawing = min(step.requests, step.tokens) * model.vocab * LOGIT_BYTES
    return max(layer, drawing, _image_bytes(model.vision, step.tokens, dtype_bytes))


def _layer_width(forward: FeedForward, hidden: int, tensor: int) -> int:
    """
    Numbers alive for one token: gate and up, their product, and three of the model's width.

    Experts keep rows for each expert a token goes to (`cache13` and `cache2` of vLLM's fused_moe).
    """
    if not forward.experts:
        return 3 * -(-forward.intermediate // tensor) + 3 * hidden
    one = -(-forward.intermediate // tensor)
    return forward.active_experts * (max(2 * one, hidden) + one) + 3 * hidden


def _image_bytes(vision: Vision | None, tokens: int, dtype_bytes: int) -> int:
    """As many images as a step can take, each patch as wide as the tower's feed-forward layer."""
    if vision is None:
        return 0
    images = max(1, tokens // vision.tokens_per_image)
    return images * vision.patches_per_image * (2 * vision.intermediate + 4 * vision.hidden) * dtype_bytes


def graph_bytes(model: Architecture, step: Step, division: Division, *, eager: bool) -> int:
    """CUDA graphs: one for each captured size with attention outside, one for each size of pure decoding."""
    if eager:
        return 0
    sizes = _captured_sizes(min(2 * step.requests, GRAPHS_MOST, step.tokens))
    graphs = len(sizes) + sum(1 for size in sizes if size <= step.requests)
    return graphs * GRAPH_BYTES_PER_LAYER * -(-len(model.blocks) // division.pipeline)


def _captured_sizes(most: int) -> list[int]:
    """VLLM's list (`_set_cudagraph_sizes`): 1, 2, 4, by eights to 256, then by sixteens."""
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, most + 1, 16)]
    return [size for size in sizes if size <= most]


def overhead_bytes(division: Division) -> int:
    """Buffers that neither depend on the model nor on the step."""
    return OVERHEAD_BYTES + (TENSOR_PARALLEL_BYTES if division.tensor > 1 else 0)
