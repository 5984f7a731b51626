"""
How many bytes a number takes in each format that vLLM loads: weights, their scales, and the KV cache.

Bits and group sizes are those of the formats themselves; a group's scale is spread over its members, so a weight may
take a broken number of bytes (a `Fraction`, exact).
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

__all__ = ["KV_BYTES", "Dtype", "Format", "Stored", "bytes_of_expert", "bytes_of_linear"]


class Dtype(StrEnum):
    """The type a model computes in; what no format shrinks has it."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"

    @property
    def bytes(self) -> int:
        """Of one number."""
        return 4 if self is Dtype.FLOAT32 else 2


class Format(StrEnum):
    """How the big matrices are stored."""

    PLAIN = "none"
    """In the model's own type."""
    FP8 = "fp8"
    INT8 = "int8"
    INT4 = "int4"
    """GPTQ and AWQ: 4 bits, and a scale and zero point for each group."""
    MXFP4 = "mxfp4"
    """OCP microscaling: experts only, a one-byte scale for 32 numbers (gpt-oss)."""
    NVFP4 = "nvfp4"
    """A one-byte scale for 16 numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A format with its type and its group: what the files hold, or what the operator wants of them."""

    dtype: Dtype = Dtype.BFLOAT16
    format: Format = Format.PLAIN
    group: int = 128
    """Numbers that share a scale, for `INT4`."""


GROUP_BYTES = Fraction(5, 2)
"""A 16-bit scale and a 4-bit zero point: GPTQ's and AWQ's layout."""
KV_BYTES = {
    "auto": None,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "fp8_inc": 1,
}
"""Bytes of one number of the KV cache by vLLM's word for it; `None`: the model's own type. Words that are not here have
scales beside the numbers, in layouts of their own, and cannot be told."""


def bytes_of_linear(stored: Stored) -> Fraction:
    """Bytes of one weight of an attention or feed-forward matrix, with its share of scales."""
    match stored.format:
        case Format.FP8 | Format.INT8:
            return Fraction(1)  # scales: one for a channel or for 128 x 128 weights, below 0.1 %
        case Format.INT4:
            return Fraction(1, 2) + GROUP_BYTES / stored.group
        case Format.NVFP4:
            return Fraction(1, 2) + Fraction(1, 16)
        case _:
            return Fraction(stored.dtype.bytes)


def bytes_of_expert(stored: Stored) -> Fraction:
    """The same for an expert's matrix."""
    if stored.format is Format.MXFP4:
        return Fraction(1, 2) + Fraction(1, 32)
    return bytes_of_linear(stored)
