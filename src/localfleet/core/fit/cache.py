"""
The KV cache as vLLM 0.32 lays it out: pages, blocks, groups of layers, and what one request at full length takes.

Follows `vllm/v1/core/kv_cache_utils.py` (`get_kv_cache_groups`, `_max_memory_usage_bytes_from_groups`,
`get_max_concurrency_for_kv_cache_config`) and the specs in `vllm/v1/kv_cache_interface.py`, number for number. A slow
test calls those functions with the same models and compares (tests/fit/test_against_vllm.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from localfleet.core.fit.architecture import Architecture, Attention
from localfleet.core.fit.weights import Division, layers_of_stages

__all__ = ["BLOCK_TOKENS", "Cache", "Demand", "Group", "build_cache"]

BLOCK_TOKENS = 16
"""`CacheConfig.DEFAULT_BLOCK_SIZE` of vLLM."""
LATENT_BLOCK_TOKENS = 64
"""FlashMLA's block (Hopper); other MLA kernels take 32 or 128, which changes rounding only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What vLLM is started with, as far as the cache asks: the step's tokens, and steps under way at a time."""

    batched_tokens: int
    concurrent_batches: int = 2

    @property
    def in_flight_tokens(self) -> int:
        """Scheduled, not yet settled (`VllmConfig.max_in_flight_tokens`)."""
        return self.batched_tokens * self.concurrent_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that share a block table. `pages` are bytes of one block in each of its layers, by layer."""

    window_tokens: int | None
    pages: Mapping[int, int]

    def blocks(self, context_tokens: int, block_tokens: int, demand: Demand) -> int:
        """Blocks that one request of this length holds at most."""
        if self.window_tokens is None:
            return _ceil(context_tokens, block_tokens)
        held = min(self.window_tokens - 1 + demand.in_flight_tokens, context_tokens)
        return _ceil(held, block_tokens) + 1  # a window may begin inside a block


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The layout of one model's cache on one GPU."""

    groups: tuple[Group, ...]
    block_tokens: int
    stages: tuple[range, ...]

    @property
    def block_bytes(self) -> int:
        """One block of the pool: groups take turns in it, so the widest group sets its size; of the widest stage."""
        return max(self._stage_block_bytes(stage) for stage in self.stages)

    def _stage_block_bytes(self, stage: range) -> int:
        return max(sum(page for layer, page in group.pages.items() if layer in stage) for group in self.groups)

    @property
    def bytes_per_token(self) -> int:
        """
        One more token of a long request costs this much on one GPU: layers without a window only.

        Where every layer has a window, what a token costs inside it.
        """
        endless = [group for group in self.groups if group.window_tokens is None] or list(self.groups)
        return len(endless) * self.block_bytes // self.block_tokens

    def blocks(self, context_tokens: int, demand: Demand) -> int:
        """Blocks of the pool that one request of this length holds at most."""
        return sum(group.blocks(context_tokens, self.block_tokens, demand) for group in self.groups)

    def request_bytes(self, context_tokens: int, demand: Demand) -> int:
        """Bytes of them: vLLM's "To serve at least one request ... GiB KV cache is needed"."""
        return self.blocks(context_tokens, demand) * self.block_bytes

    def concurrency(self, available_bytes: int, context_tokens: int, demand: Demand) -> float:
        """The "Maximum concurrency for N tokens per request" that vLLM logs."""
        return max(available_bytes, 0) // self.block_bytes / self.blocks(context_tokens, demand)

    def capacity_tokens(self, available_bytes: int, context_tokens: int, demand: Demand) -> int:
        """The "GPU KV cache size" that vLLM logs, which is its concurrency times the context."""
        return int(self.concurrency(available_bytes, context_tokens, demand) * context_tokens)

    def holds_one(self, available_bytes: int, context_tokens: int, demand: Demand) -> bool:
        """Whether vLLM starts: one request at full length beside the block it keeps empty."""
        return self.request_bytes(context_tokens, demand) <= available_bytes - self.block_bytes

    def longest_context(self, available_bytes: int, most_tokens: int, demand: Demand) -> int:
        """The longest context with which vLLM starts, at most `most_tokens`; 0 where none."""
        low, high = 0, most_tokens
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.holds_one(available_bytes, middle, demand) else (low, middle - 1)
        return low


def build_cache(
    model: Architecture,
    kv_bytes: int,
    division: Division,
    draft: Architecture | None = None,
    block_tokens: int | None = None,
) -> Cache | None:
    """
    The layout for a model, `kv_bytes` a number, with the layers of a draft model behind its own.

    `block_tokens`: as `--block-size`; default: what vLLM takes on NVIDIA GPUs. `None` where vLLM would have to pad
    pages of unequal size: that is not computed here.
    """
    models = [model] if draft is None else [model, draft]
    layers = [block.attention for one in models for block in one.blocks]
    latent = any(attention.latent for attention in layers)
    block_tokens = block_tokens or (LATENT_BLOCK_TOKENS if latent else BLOCK_TOKENS)
    pages = [_page_bytes(attention, kv_bytes, division.tensor, block_tokens) for attention in layers]
    windows = [attention.window_tokens for attention in layers]
    groups = _grouped(windows, pages)
    if groups is None:
        return None
    stages = list(layers_of_stages(len(model.blocks), division.pipeline))
    stages[-1] = range(stages[-1].start, len(layers))  # a draft runs where the last layers do
    return Cache(groups=groups, block_tokens=block_tokens, stages=tuple(stages))


def _page_bytes(attention: Attention, kv_bytes: int, tensor: int, block_tokens: int) -> int:
    if attention.latent is not None:  # one vector for all heads, whole on each GPU
        return block_tokens * (attention.latent.kv_rank + attention.latent.rope_dim) * kv_bytes
    heads = max(1, attention.kv_heads // tensor)  # fewer heads than GPUs: copies
    return block_tokens * heads * (attention.key_dim + attention.value_dim) * kv_bytes


def _grouped(windows: list[int | None], pages: list[int]) -> tuple[Group, ...] | None:
    """
    Layers of one kind, dealt into groups of equal size.

    vLLM: the smallest kind sets the size, or the largest where it has less than half more; a kind's layers go
    to its groups in turn, so that a pattern such as five sliding layers to one full one gives six equal groups.
    """
    kinds: dict[int | None, list[int]] = {}
    for layer, window in enumerate(windows):
        kinds.setdefault(window, []).append(layer)
    if len(kinds) == 1:
        return (Group(window_tokens=windows[0], pages=dict(enumerate(pages))),)
    if len(set(pages)) > 1:
        return None
    sizes = [len(layers) for layers in kinds.values()]
    size = max(sizes) if 2 * max(sizes) < 3 * min(sizes) else min(sizes)
    found = []
    for window, layers in kinds.items():
        count = _ceil(len(layers), size)
        found += [Group(window_tokens=window, pages={i: pages[i] for i in layers[k::count]}) for k in range(count)]
    return tuple(found)


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
