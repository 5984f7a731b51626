"""What benchmarks measured: one point for each shape and load, of one model on one kind of box."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LEAST_SHAPES", "Point", "curves", "saturated", "shape_of"]

LEAST_SHAPES = 4
"""Three coefficients through three shapes fit anything and know nothing of their error."""
SAME_SHAPE = 0.03
SAME_CURVE = 0.10
"""Lengths out of a data set wander with the load; a curve is of one data set all the same."""
RISES = 1.05
"""A rate that still rises by more than this with more load is not the most the box can do."""
OFFERED = 0.97
"""A rate that reaches this share of what was offered was set by the load, not by the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """
    One measurement. Tokens are means per request; `batch` is the mean of requests that decode together.

    `offered_per_s` is the rate of an open loop, `None` where as much was sent as the engine took. `None` elsewhere is
    not measured.
    """

    input_tokens: float
    output_tokens: float
    requests_per_s: float | None = None
    offered_per_s: float | None = None
    batch: float | None = None
    step_ms: float | None = None
    ttft_p50_ms: float | None = None
    ttft_p99_ms: float | None = None
    itl_p50_ms: float | None = None
    itl_p99_ms: float | None = None
    cached_share: float = 0.0
    """Of the input: what came from the engine's prefix cache costs no prefill."""
    requests: int | None = None
    failed: int = 0
    source: str = ""
    line: int | None = None

    @property
    def box_s(self) -> float | None:
        """Seconds of the box for one request, if the box did all it could."""
        return None if not self.requests_per_s else 1 / self.requests_per_s

    @property
    def free(self) -> bool:
        """Whether the engine set the rate, not the load."""
        if self.offered_per_s is None or self.requests_per_s is None:
            return True
        return self.requests_per_s < OFFERED * self.offered_per_s


def shape_of(point: Point) -> tuple[float, float]:
    """Input and output tokens of a request."""
    return point.input_tokens, point.output_tokens


def saturated(points: Iterable[Point]) -> tuple[list[Point], list[Point]]:
    """
    For each shape the point with the highest rate, and those of them whose rate is not shown to be the box's most.

    Not shown: the load set the rate, or the rate still rose with the last increase of the load.
    """
    best: list[Point] = []
    doubtful: list[Point] = []
    for group in _shapes((point for point in points if point.requests_per_s), SAME_SHAPE):
        ranked = sorted(group, key=lambda point: point.requests_per_s or 0.0)
        top = ranked[-1]
        best.append(top)
        rising = len(ranked) > 1 and (top.requests_per_s or 0) > RISES * (ranked[-2].requests_per_s or 0)
        if not top.free or (rising and top.batch is not None and top.batch == max(each.batch or 0 for each in group)):
            doubtful.append(top)
    return best, doubtful


def curves(points: Iterable[Point]) -> list[list[Point]]:
    """Points of one shape at several batches, each curve sorted by its batch; a curve has at least two batches."""
    known = [point for point in points if point.batch and point.step_ms]
    found = [sorted(group, key=lambda point: point.batch or 0.0) for group in _shapes(known, SAME_CURVE)]
    return [curve for curve in found if len({round(point.batch or 0.0, 3) for point in curve}) > 1]


def _shapes(points: Iterable[Point], likeness: float) -> list[list[Point]]:
    """Points by shape; token counts that differ by a smaller share than `likeness` are the same shape."""
    groups: list[list[Point]] = []
    for point in points:
        for group in groups:
            if all(_alike(*pair, likeness) for pair in zip(shape_of(group[0]), shape_of(point), strict=True)):
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _alike(one: float, other: float, likeness: float) -> bool:
    return abs(one - other) <= max(1.0, likeness * max(one, other))
