"""
What a response-time target leaves of the saturated rate: long prompts lose most.

Measured by others for one model on one card (silybench, CC BY 4.0: Qwen3-8B on an H100, vLLM; p99 of the first token
within 2 s, median time between tokens within 50 ms). Measure your own with a benchmark; this is what to expect before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import log2

__all__ = ["BF16", "FP8", "Derate", "expected_derate"]

FP8 = ((128.0, 0.99), (1024.0, 0.91), (2048.0, 0.82), (8192.0, 0.68))
BF16 = ((128.0, 0.99), (1024.0, 0.83), (2048.0, 0.72), (8192.0, 0.50))
"""Input tokens and what was left; the 128 of bf16 was not published and is taken from fp8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derate:
    """`share` (0 to 1) of the saturated rate within the target; `basis` says in words what it rests on."""

    share: Decimal
    basis: str


def expected_derate(input_tokens: float, *, measured: Sequence[tuple[float, float]] = FP8) -> Derate:
    """
    Read off measured points (input tokens, share left), on a line in the logarithm of the length between two of them.

    Outside of them the nearest point stands, and `basis` says so.
    """
    if not input_tokens >= 0:
        raise ValueError("input_tokens: must be a number from 0 up")
    points = sorted(measured)
    if not points or any(not (0 < share <= 1 and length > 0) for length, share in points):
        raise ValueError("measured: needs points with a length above 0 and a share from above 0 to 1")
    (least, first), (most, last) = points[0], points[-1]
    if input_tokens <= least:
        return Derate(share=Decimal(str(first)), basis=f"measured at {least:g} input tokens")
    if input_tokens >= most:
        beyond = "" if input_tokens == most else f"; nothing was measured beyond, {input_tokens:g} may lose more"
        return Derate(share=Decimal(str(last)), basis=f"measured at {most:g} input tokens{beyond}")
    after = next(at for at, (length, _) in enumerate(points) if length > input_tokens)
    (low, left), (high, right) = points[after - 1], points[after]
    part = (log2(input_tokens) - log2(low)) / (log2(high) - log2(low))
    share = round(left + part * (right - left), 4)
    return Derate(share=Decimal(str(share)), basis=f"between measurements at {low:g} and {high:g} input tokens")
