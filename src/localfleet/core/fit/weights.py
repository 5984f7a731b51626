"""
Bytes of weights on one GPU, as vLLM divides them.

Tensor parallelism cuts heads, columns and rows; what has fewer heads than GPUs is copied. Experts are cut by
tensor and data parallelism together (vLLM's `FusedMoEParallelConfig` flattens the two). Pipeline parallelism gives
whole layers to stages (`get_pp_indices` in vllm/distributed/utils.py). Checked against what vLLM reported of models
published elsewhere: docs/concepts/fit.md has the errors.
"""

from dataclasses import dataclass
from fractions import Fraction

from localfleet.core.fit.architecture import Architecture, Block, Piece, Role
from localfleet.core.fit.formats import Format, Stored, bytes_of_expert, bytes_of_linear

__all__ = ["Division", "Lora", "adapter_bytes", "checkpoint_bytes", "layers_of_stages", "weight_bytes"]

VOCAB_PADDING = 64
"""vLLM pads the vocabulary: `DEFAULT_VOCAB_PADDING_SIZE` in its vocab_parallel_embedding.py."""
MXFP4_HIDDEN, MXFP4_INTERMEDIATE = 256, 128
"""Multiples to which vLLM's Marlin and TRT-LLM kernels round an MXFP4 expert up
(`mxfp4_round_up_hidden_size_and_intermediate_size` in its oracle/mxfp4.py); others round less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How many GPUs share the work, in vLLM's three ways."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1

    @property
    def gpus(self) -> int:
        """All of them."""
        return self.tensor * self.pipeline * self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Room for adapters: how many are in memory at a time, and the largest rank."""

    count: int
    rank: int


def layers_of_stages(layers: int, stages: int) -> tuple[range, ...]:
    """Which layers each pipeline stage has: evenly, the rest from the last stage but one backwards."""
    sizes = [layers // stages] * stages
    for i in range(2, layers % stages + 2):
        sizes[-i] += 1
    starts = [sum(sizes[:i]) for i in range(stages)]
    return tuple(range(start, start + size) for start, size in zip(starts, sizes, strict=True))


def weight_bytes(model: Architecture, stored: Stored, division: Division) -> int:
    """
    On the GPU that holds the most, in bytes.

    Where the size of the files is known and they are loaded as they are, that size is divided in the proportion of
    the formula, so that only the division is computed.
    """
    stages = layers_of_stages(len(model.blocks), division.pipeline)
    heaviest = max(_stage_bytes(model, stored, division, stage) for stage in stages)
    if model.stored_bytes is not None and stored == model.stored:
        heaviest = heaviest * model.stored_bytes / checkpoint_bytes(model, stored)
    return int(heaviest) + _unpacked_bytes(model, stored, division)


def checkpoint_bytes(model: Architecture, stored: Stored) -> int:
    """Bytes of all weights in this format, on disk."""
    pieces = (piece for block in model.blocks for piece in block.pieces(model.hidden))
    return int(sum(_bytes(piece, stored) for piece in (*pieces, *model.ends())))


def adapter_bytes(model: Architecture, lora: Lora | None, stored: Stored, division: Division) -> int:
    """
    Room vLLM reserves for LoRA adapters on one GPU: two thin matrices for each linear one, in the model's type.

    Taken at the width of the whole layer on each GPU: vLLM copies one of the two thin matrices and cuts the other
    (`lora_shrink` and `lora_expand` without `--fully-sharded-loras`), so this is at most twice the truth.
    """
    if lora is None:
        return 0
    stages = layers_of_stages(len(model.blocks), division.pipeline)
    widest = max(sum(_widths(model, model.blocks[i]) for i in stage) for stage in stages)
    return lora.count * lora.rank * widest * stored.dtype.bytes


def _widths(model: Architecture, block: Block) -> int:
    attention, forward = block.attention, block.feed_forward
    query, kv = attention.heads * attention.key_dim, attention.kv_heads * (attention.key_dim + attention.value_dim)
    around = 4 * model.hidden + 2 * query + kv
    return around + max(forward.experts, 1) * 3 * (model.hidden + forward.intermediate)


def _stage_bytes(model: Architecture, stored: Stored, division: Division, stage: range) -> Fraction:
    layers = (piece for i in stage for piece in model.blocks[i].pieces(model.hidden))
    total = sum((_share(piece, stored, division, model) for piece in layers), Fraction(0))
    first, last = stage.start == 0, stage.stop == len(model.blocks)
    if not (first or last):
        return total
    vocab, *others = model.ends()
    halves = 1 if model.tied or (first and last) else 2  # the embedding is first, the head is last
    padded = Piece(parameters=_padded(model) // halves, role=vocab.role)
    return total + sum((_share(piece, stored, division, model) for piece in (padded, *others)), Fraction(0))


def _padded(model: Architecture) -> int:
    rows = -(-model.vocab // VOCAB_PADDING) * VOCAB_PADDING
    return rows * model.hidden * (1 if model.tied else 2)


def _share(piece: Piece, stored: Stored, division: Division, model: Architecture) -> Fraction:
    shards = division.tensor * (division.data if piece.role is Role.EXPERT else 1)
    if piece.most_shards is not None:
        shards = min(shards, piece.most_shards)
    rounded = _rounding(model) if piece.role is Role.EXPERT and stored.format is Format.MXFP4 else 1
    return _bytes(piece, stored) * rounded / shards


def _rounding(model: Architecture) -> Fraction:
    intermediate = max(block.feed_forward.intermediate for block in model.blocks)
    hidden = -(-model.hidden // MXFP4_HIDDEN) * MXFP4_HIDDEN
    wide = -(-intermediate // MXFP4_INTERMEDIATE) * MXFP4_INTERMEDIATE
    return Fraction(hidden * wide, model.hidden * intermediate)


def _bytes(piece: Piece, stored: Stored) -> Fraction:
    if piece.role is Role.EXPERT:
        return piece.parameters * bytes_of_expert(stored)
    if piece.role is Role.LINEAR:
        return piece.parameters * bytes_of_linear(stored)
    return Fraction(piece.parameters * stored.dtype.bytes)


def _unpacked_bytes(model: Architecture, stored: Stored, division: Division) -> int:
    """The second copy of latent attention's up-projection."""
    stages = layers_of_stages(len(model.blocks), division.pipeline)
    most = max(sum(model.blocks[i].attention.absorbed() for i in stage) for stage in stages)
    return most * stored.dtype.bytes // division.tensor
