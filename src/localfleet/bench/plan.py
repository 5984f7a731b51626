"""What to measure: shapes that tell the coefficients apart in the time given, and loads up to the engine's slots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localfleet.core.cost.points import LEAST_SHAPES

__all__ = ["PASSES", "Bounds", "Limits", "Plan", "Shape", "loads", "middle_of", "shapes_for"]

Shape = tuple[int, int]
"""Input and output tokens of a request."""
PARTS: tuple[tuple[int, int], ...] = ((1, 1), (1, 8), (4, 1), (4, 4), (8, 1), (2, 12), (16, 2), (16, 8))
"""Multiples of a unit. Short and long prompts and answers, mixed: else the fit cannot tell who takes the time."""
LEAST_UNIT, MOST_UNIT = 40, 256
"""A chat template alone takes some 30 tokens; beyond 4,096 tokens of prompt a minute for each shape is not enough."""
UNITS_IN_CONTEXT = 40
PASSES = 3
"""Each shape is measured so many times, in turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The service level that a rate must keep: 99 % of first tokens within `ttft_p99_ms`, mean time between tokens."""

    ttft_p99_ms: float = 2000.0
    tpot_ms: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long it may take: `rounds` answers of each slot for a point, `total_s` seconds for all of it."""

    rounds: int = 6
    total_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is measured. `slo`: whether the rate under the limits is looked for, at the shape of middling work."""

    shapes: tuple[Shape, ...] | None
    """`None` chooses them when it is known how fast the engine is."""
    loads: tuple[int, ...]
    limits: Limits
    bounds: Bounds
    slo: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.shapes is not None and len(set(self.shapes)) < LEAST_SHAPES:
            msg = f"{len(set(self.shapes))} shapes are too few: name at least {LEAST_SHAPES}, better 8"
            raise ValueError(msg)
        if not self.loads:
            raise ValueError("name at least one load")


def middle_of(shapes: Sequence[Shape]) -> Shape:
    """The shape of middling work."""
    ranked = sorted(set(shapes), key=lambda shape: shape[0] + 4 * shape[1])
    return ranked[len(ranked) // 2]


def shapes_for(context_tokens: int, *, takes_s: Callable[[Shape], float], budget_s: float) -> tuple[Shape, ...]:
    """
    Eight shapes that fit the context, as long as `budget_s` allows: the longer, the more their differences tell.

    `takes_s` says about how long one shape will take. Raises `ValueError` where even the shortest take longer.
    """
    unit = min(MOST_UNIT, max(LEAST_UNIT, context_tokens // UNITS_IN_CONTEXT))
    while True:
        shapes = tuple((unit * into, unit * out // 2) for into, out in PARTS)
        needed_s = sum(map(takes_s, shapes))
        if needed_s <= budget_s:
            return shapes
        if unit == LEAST_UNIT:
            msg = f"even short shapes need about {needed_s:.0f} s: allow more with --seconds {2 * needed_s:.0f}"
            raise ValueError(msg)
        unit = max(LEAST_UNIT, unit // 2)


def loads(slots: int) -> tuple[int, ...]:
    """One request, powers of four, and all that the engine works on together."""
    steps = [1]
    while steps[-1] * 4 < slots:
        steps.append(steps[-1] * 4)
    return (*steps, slots) if slots > 1 else (1,)
