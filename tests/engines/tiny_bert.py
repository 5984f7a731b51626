"""
Writes a BERT of one layer as GGUF: `tiny_bert(pooling=1)` makes vectors, `tiny_bert(pooling=4)` scores.

Its vectors are the sums of one axis for each word, so texts with the same words are near each other; its scores mean
nothing, but they are of both texts.
"""

import random
import struct
from collections.abc import Iterator, Mapping

from gguf_file import write_gguf

__all__ = ["WORDS", "tiny_bert"]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    "which",
    "town",
    "lies",
    "on",
    "the",
    "river",
    "bread",
    "is",
    "baked",
    "at",
    "night",
    "cats",
    "sleep",
    "in",
    "boxes",
)
WIDTH = 32
ALIGNMENT = 32


def tiny_bert(pooling: int) -> bytes:
    """The whole file; `pooling` as llama.cpp numbers it: 1 mean, 4 rank."""
    tokens = [*SPECIAL, *(f"▁{word}" for word in WORDS)]
    pairs = {
        "general.architecture": "bert",
        "bert.block_count": 1,
        "bert.context_length": 128,
        "bert.embedding_length": WIDTH,
        "bert.feed_forward_length": WIDTH,
        "bert.attention.head_count": 1,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": pooling,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * len(SPECIAL) + [1] * len(WORDS),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }
    return _with_tensors(write_gguf(pairs), dict(_tensors(len(tokens), ranks=pooling == 4)))


Tensor = tuple[tuple[int, ...], list[float]]


def _tensors(vocabulary: int, *, ranks: bool) -> Iterator[tuple[str, Tensor]]:
    """Where it makes vectors, nothing is mixed: what attention and the feed-forward part add is zero."""
    dice = random.Random(7)

    def some(*shape: int, size: float = 0.3) -> Tensor:
        number = shape[0] * (shape[1] if len(shape) > 1 else 1)
        return shape, [dice.gauss(0, size) for _ in range(number)]

    def all_of(number: float, *shape: int) -> Tensor:
        return shape, [number] * (shape[0] * (shape[1] if len(shape) > 1 else 1))

    mixed = 0.3 if ranks else 0.0
    yield "token_embd.weight", some(WIDTH, vocabulary, size=1) if ranks else _one_axis_a_word(vocabulary)
    yield "position_embd.weight", all_of(0, WIDTH, 128)
    yield "token_types.weight", all_of(0, WIDTH, 2)
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        yield f"{name}.weight", all_of(1, WIDTH)
        yield f"{name}.bias", all_of(0, WIDTH)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"):
        yield f"blk.0.{name}.weight", some(WIDTH, WIDTH, size=mixed)
        yield f"blk.0.{name}.bias", all_of(0, WIDTH)
    if ranks:
        yield "cls.weight", some(WIDTH, WIDTH)
        yield "cls.bias", all_of(0, WIDTH)
        yield "cls.output.weight", some(WIDTH, 1)
        yield "cls.output.bias", all_of(0, 1)


def _one_axis_a_word(vocabulary: int) -> Tensor:
    """Words have nothing in common; the tokens that all texts have are nothing, or all texts would be near."""
    ones = {(len(SPECIAL) + number, number) for number in range(len(WORDS))}
    return (WIDTH, vocabulary), [float((at, axis) in ones) for at in range(vocabulary) for axis in range(WIDTH)]


def _with_tensors(header: bytes, tensors: Mapping[str, Tensor]) -> bytes:
    about, data = b"", b""
    for name, (shape, numbers) in tensors.items():
        raw = name.encode()
        place = struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        about += struct.pack("<Q", len(raw)) + raw + place
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        data += bytes(-len(data) % ALIGNMENT)
    # The count of tensors stands after the magic and the version.
    head = header[:8] + struct.pack("<Q", len(tensors)) + header[16:] + about
    return head + bytes(-len(head) % ALIGNMENT) + data
