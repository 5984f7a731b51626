"""Lines and steps over an axis: cost against volume, spill against the number of boxes, prices by the hour."""

from collections.abc import Sequence
from dataclasses import dataclass

from localfleet.cost.plots.canvas import Axis, Frame, axis_x, axis_y, picture, spread, text

__all__ = ["Mark", "Series", "line_plot"]

Point = tuple[float, float]
LETTER = 6.2
"""About the width of a letter, in units of the view box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    One line. `kind` is a class of the page: `box`, `spare`, `hosted`, `other`, `demand`.

    `dots` draws a marker at each point, `area` fills down to the axis; a name is written at the line's end.
    """

    name: str
    points: Sequence[Point]
    kind: str
    dots: bool = False
    area: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A vertical line at `x` with a few words: where it flips, where you are."""

    x: float
    words: str
    kind: str = "mark"


def line_plot(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    name: str,
    says: str,
    marks: Sequence[Mark] = (),
) -> str:
    """The SVG. Names of lines stand at their right end, kept apart; marks are numbered down from the top."""
    frame = Frame()
    parts = [axis_y(y, frame), axis_x(x, frame)]
    parts += [_series(line, x, y, frame) for line in series]
    parts += [_mark(mark, x, frame) for mark in marks]
    parts += [_note(mark, number, x, frame) for number, mark in enumerate(marks)]
    parts.append(_names(series, x, y, frame, taken=_under_notes(series, marks, x, frame)))
    return picture(parts, name=name, says=says, height=frame.height)


def _place(point: Point, x: Axis, y: Axis, frame: Frame) -> Point:
    return x.at(point[0], frame.left, frame.right), y.at(point[1], frame.bottom, frame.top)


def _series(line: Series, x: Axis, y: Axis, frame: Frame) -> str:
    inside = [point for point in line.points if x.low * 0.999 <= point[0] <= x.high * 1.001]
    places = [_place(point, x, y, frame) for point in inside]
    if not places:
        return ""
    path = "M" + " L".join(f"{left:.1f} {top:.1f}" for left, top in places)
    parts = []
    if line.area:
        closed = f"{path} L{places[-1][0]:.1f} {frame.bottom:.1f} L{places[0][0]:.1f} {frame.bottom:.1f} Z"
        parts.append(f'<path class="area {line.kind}" d="{closed}"/>')
    parts.append(f'<path class="line {line.kind}" d="{path}"/>')
    if line.dots:
        parts += [f'<circle class="dot {line.kind}" cx="{left:.1f}" cy="{top:.1f}" r="3"/>' for left, top in places]
    return "".join(parts)


def _names(series: Sequence[Series], x: Axis, y: Axis, frame: Frame, *, taken: float) -> str:
    """Each line's name above its last point inside the frame, below what is `taken` by notes of marks."""
    named = [line for line in series if line.name and line.points]
    ends = [_place(_last(line, x), x, y, frame) for line in named]
    tops = spread([top - 5 for _, top in ends], gap=12, low=max(frame.top + 8, taken), high=frame.bottom - 3)
    return "".join(
        text(min(end[0], frame.right - 1), top, line.name, kind=f"name {line.kind}", anchor="end")
        for line, end, top in zip(named, ends, tops, strict=True)
    )


def _last(line: Series, x: Axis) -> Point:
    inside = [point for point in line.points if point[0] <= x.high * 1.001]
    return inside[-1] if inside else line.points[0]


def _mark(mark: Mark, x: Axis, frame: Frame) -> str:
    left = x.at(mark.x, frame.left, frame.right)
    return f'<line class="{mark.kind}" x1="{left:.1f}" y1="{frame.top:.1f}" x2="{left:.1f}" y2="{frame.bottom:.1f}"/>'


def _note(mark: Mark, number: int, x: Axis, frame: Frame) -> str:
    left, on_right = _side(mark, x, frame)
    where = left + 4 if on_right else left - 4
    return text(where, _note_top(number, frame), mark.words, kind="note", anchor="start" if on_right else "end")


def _side(mark: Mark, x: Axis, frame: Frame) -> tuple[float, bool]:
    """Where a mark stands, and whether its words are on its right."""
    left = x.at(mark.x, frame.left, frame.right)
    return left, left < frame.left + (frame.right - frame.left) * 0.55


def _note_top(number: int, frame: Frame) -> float:
    return frame.top + 9 + number * 13


def _under_notes(series: Sequence[Series], marks: Sequence[Mark], x: Axis, frame: Frame) -> float:
    """The height from which names of lines (at the right) meet no note; the frame's top where none reaches so far."""
    longest = max((len(line.name) for line in series), default=0) * LETTER
    taken = frame.top
    for number, mark in enumerate(marks):
        left, on_right = _side(mark, x, frame)
        reach = left + 4 + len(mark.words) * LETTER if on_right else left
        if reach > frame.right - longest:
            taken = _note_top(number, frame) + 13
    return taken
