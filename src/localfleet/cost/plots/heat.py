"""A map coloured by who is cheaper, and by how much: the break-even is the border between the colours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import log2

from localfleet.cost.plots.canvas import Axis, Frame, axis_x, axis_y, picture, text

__all__ = ["Here", "heat_plot"]

COLUMNS, ROWS = 48, 28
STRENGTHS = (0.14, 0.3, 0.48, 0.66, 0.84)
"""One for each half doubling between the two sides, the last from four times on."""
Ratio = Callable[[float, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A point on the map with a word."""

    x: float
    y: float
    words: str


def heat_plot(ratio: Ratio, x: Axis, y: Axis, *, here: tuple[Here, ...], name: str, says: str) -> str:
    """`ratio(x, y)` is hosted over box: above 1 the box is cheaper."""
    frame = Frame()
    cells = [cell for row in range(ROWS) for cell in _row(ratio, x, y, frame, row)]
    words = text(frame.right - 4, frame.top + 12, "box cheaper", kind="name box", anchor="end") + text(
        frame.left + 4, frame.bottom - 6, "hosted cheaper", kind="name hosted"
    )
    points = [_here(point, x, y, frame) for point in here]
    parts = [*cells, axis_x(x, frame), axis_y(y, frame, grid=False), words, *points]
    return picture(parts, name=name, says=says, height=frame.height)


def _row(ratio: Ratio, x: Axis, y: Axis, frame: Frame, row: int) -> Iterator[str]:
    """One row; neighbours of one shade are one rectangle."""
    up = _at(y, 1 - (row + 0.5) / ROWS)
    shades = [_shade(ratio(_at(x, (column + 0.5) / COLUMNS), up)) for column in range(COLUMNS)]
    width, height = (frame.right - frame.left) / COLUMNS, (frame.bottom - frame.top) / ROWS
    column = 0
    for (kind, opacity), run in groupby(shades):
        length = len(list(run))
        yield (
            f'<rect class="cell {kind}" x="{frame.left + column * width:.1f}" y="{frame.top + row * height:.1f}" '
            f'width="{length * width:.1f}" height="{height:.1f}" fill-opacity="{opacity}"/>'
        )
        column += length


def _shade(ratio: float) -> tuple[str, float]:
    steps = len(STRENGTHS) - 1 if ratio <= 0 else min(int(abs(log2(ratio)) * 2), len(STRENGTHS) - 1)
    return "box" if ratio > 1 else "hosted", STRENGTHS[steps]


def _at(axis: Axis, share: float) -> float:
    """The value at a share of the axis: `Axis.at` the other way round."""
    if axis.log:
        return float(axis.low * (axis.high / axis.low) ** share)
    return axis.low + share * (axis.high - axis.low)


def _here(point: Here, x: Axis, y: Axis, frame: Frame) -> str:
    left, top = x.at(point.x, frame.left, frame.right), y.at(point.y, frame.bottom, frame.top)
    on_right = left < (frame.left + frame.right) / 2
    return f'<circle class="here" cx="{left:.1f}" cy="{top:.1f}" r="4.5"/>' + text(
        left + 8 if on_right else left - 8, top + 4, point.words, kind="value", anchor="start" if on_right else "end"
    )
