"""
The header of a GGUF file -> what llama.cpp will need memory for.

The format is ggml's (docs/gguf.md in ggml-org/ggml): magic, version, counts, then typed key-value pairs. Only the pairs
are read, never the tensors. The bytes are someone else's: every length is checked against what is there.
"""

import struct
from dataclasses import dataclass
from typing import Any

from localfleet.core.fit import GgufShape
from localfleet.errors import ShapeUnknown
from localfleet.wire.model_facts import Facts

__all__ = ["HEADER_BYTES", "read_gguf"]

HEADER_BYTES = 32 * 2**20
"""Enough for the metadata of any model seen: a vocabulary of 262,000 tokens takes about 6 MiB."""
VERSIONS = (2, 3)
MOST_PAIRS = 10_000
MOST_ITEMS = 2_000_000
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


@dataclass(slots=True)
class _Cursor:
    raw: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.raw):
            raise ShapeUnknown("its GGUF header is cut off or larger than any that is known")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            return self._array()
        raise ShapeUnknown("its GGUF header holds a type that is not known here")

    def _array(self) -> Any:
        """Numbers as a list; of a list of strings only how many."""
        kind, count = self.number("<I"), self.number("<Q")
        if count > MOST_ITEMS:
            raise ShapeUnknown("its GGUF header holds a list that no model has")
        if kind in SCALARS:
            form = SCALARS[kind]
            packed = self.take(count * struct.calcsize(form))
            return list(struct.unpack(f"<{count}{form[1]}", packed))
        if kind != STRING:
            raise ShapeUnknown("its GGUF header holds a type that is not known here")
        for _ in range(count):
            self.take(self.number("<Q"))
        return count


def read_gguf(head: bytes, file_bytes: int) -> GgufShape:
    """The first `HEADER_BYTES` of a file, and its whole size in bytes; raises `ShapeUnknown`."""
    cursor = _Cursor(head)
    if cursor.take(4) != b"GGUF" or cursor.number("<I") not in VERSIONS:
        raise ShapeUnknown("this is no GGUF file of a version known here")
    cursor.number("<Q")
    pairs: dict[str, Any] = {}
    for _ in range(min(cursor.number("<Q"), MOST_PAIRS)):
        key = cursor.text()
        pairs[key] = cursor.value(cursor.number("<I"))
    return _shape(pairs, file_bytes)


def _shape(pairs: dict[str, Any], file_bytes: int) -> GgufShape:
    family = str(pairs.get("general.architecture", ""))
    own = Facts({key.removeprefix(f"{family}."): value for key, value in pairs.items()})
    if own.values.get("ssm.state_size") is not None or own.values.get("attention.kv_lora_rank") is not None:
        raise ShapeUnknown(f"the cache of the family `{family[:40]}` is not known here")
    layers, hidden = own.whole("block_count"), own.whole("embedding_length")
    heads = own.values.get("attention.head_count")
    most = max(heads) if isinstance(heads, list) and heads else own.whole("attention.head_count")
    width = hidden // max(most, 1)
    key = own.whole("attention.key_length", default=width)
    value = own.whole("attention.value_length", default=width)
    forward = own.values.get("feed_forward_length")
    return GgufShape(
        family=family,
        file_bytes=file_bytes,
        layers=layers,
        hidden=hidden,
        intermediate=max(forward) if isinstance(forward, list) and forward else own.whole("feed_forward_length"),
        vocab=own.whole("vocab_size", "tokenizer.ggml.tokens"),
        context_tokens=own.whole("context_length"),
        kv_numbers_per_token=_kv_heads(own, layers, most) * (key + value),
        pooling=_pooling(own.values.get("pooling_type")),
    )


def _pooling(said: object) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else None


def _kv_heads(own: Facts, layers: int, heads: int) -> int:
    """Summed over the layers: one number for all, or one for each."""
    kv = own.values.get("attention.head_count_kv")
    if isinstance(kv, list) and len(kv) == layers and all(isinstance(n, int) and n >= 0 for n in kv):
        return sum(kv)
    return layers * own.whole("attention.head_count_kv", default=heads)
