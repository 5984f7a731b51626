"""Bars that lie: the tornado (what moves the answer most), and one figure on several bases."""

from collections.abc import Sequence
from dataclasses import dataclass

from localfleet.cost.plots.canvas import WIDTH, Axis, Frame, axis_x, picture, short, text

__all__ = ["Bar", "Swing", "bar_plot", "tornado_plot"]

ROW = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure: its name, its value, and how it is written."""

    name: str
    value: float
    words: str
    kind: str = "box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """One input of the tornado: the result at its low and at its high end, and what those ends are."""

    name: str
    at_low: float
    at_high: float
    low_words: str
    high_words: str


def bar_plot(bars: Sequence[Bar], *, name: str, says: str) -> str:
    """One bar under the other, names above them, values at their ends."""
    top, most = 6.0, max((bar.value for bar in bars), default=1.0) or 1.0
    parts = []
    for number, bar in enumerate(bars):
        y = top + number * (ROW + 4)
        width = max(bar.value / most * (WIDTH - 90), 1.5)
        parts.append(text(2, y + 9, bar.name, kind="label"))
        parts.append(f'<rect class="bar {bar.kind}" x="2" y="{y + 13:.1f}" width="{width:.1f}" height="13" rx="2"/>')
        parts.append(text(width + 7, y + 23.5, bar.words, kind="value"))
    return picture(parts, name=name, says=says, height=top + len(bars) * (ROW + 4))


def tornado_plot(swings: Sequence[Swing], *, middle: float, axis: str, name: str, says: str) -> str:
    """Widest first; the line at zero is where the decision flips, the thin line is the middle case."""
    order = sorted(swings, key=lambda swing: abs(swing.at_high - swing.at_low), reverse=True)
    ends = [end for swing in order for end in (swing.at_low, swing.at_high)]
    low, high = min([*ends, middle, 0.0]), max([*ends, middle, 0.0])
    pad = (high - low) * 0.08 or 1.0
    bottom = 8 + len(order) * ROW
    frame = Frame(left=10, right=390, top=4, bottom=bottom, height=bottom + 42)
    x = Axis(title=axis, low=low - pad, high=high + pad, prefix="$")
    parts = [_swing(swing, number, x, frame, middle) for number, swing in enumerate(order)]
    parts += [_upright(x.at(0, frame.left, frame.right), frame, "flip")]
    parts += [_upright(x.at(middle, frame.left, frame.right), frame, "mark"), axis_x(x, frame)]
    # Words last: their halo keeps them free of the lines.
    parts += [
        text(frame.left, _top(number) + 9, f"{swing.name}: {swing.low_words} to {swing.high_words}")
        for number, swing in enumerate(order)
    ]
    return picture(parts, name=name, says=says, height=frame.height)


def _swing(swing: Swing, number: int, x: Axis, frame: Frame, middle: float) -> str:
    y, parts = _top(number), []
    for end, kind in ((swing.at_low, "low"), (swing.at_high, "high")):
        left, right = sorted((x.at(middle, frame.left, frame.right), x.at(end, frame.left, frame.right)))
        parts.append(
            f'<rect class="bar {kind}" x="{left:.1f}" y="{y + 13:.1f}" width="{max(right - left, 0.5):.1f}" '
            f'height="10"><title>{kind} end: ${short(end)}</title></rect>'
        )
    return "".join(parts)


def _top(number: int) -> float:
    return 6 + number * ROW


def _upright(left: float, frame: Frame, kind: str) -> str:
    return f'<line class="{kind}" x1="{left:.1f}" y1="{frame.top:.1f}" x2="{left:.1f}" y2="{frame.bottom:.1f}"/>'
