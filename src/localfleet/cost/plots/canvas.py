"""
What every plot is made of: scales, ticks, short numbers, escaped text, and the frame with its axes.

Coordinates are units of a 400 wide view box, so that a plot reads on a phone. Colours are CSS classes of the page
(`cost/page.py`), which knows light, dark and print; nothing here depends on colour alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

__all__ = ["Axis", "Frame", "axis_x", "axis_y", "log_ticks", "picture", "short", "spread", "text", "ticks"]

WIDTH = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The plotting area inside the picture, in view box units; y grows downwards."""

    left: float = 52.0
    right: float = 388.0
    top: float = 22.0
    bottom: float = 222.0
    height: float = 264.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its title. `low` < `high`; on a log scale both are above zero. `prefix` is `$` for money."""

    title: str
    low: float
    high: float
    log: bool = False
    prefix: str = ""
    suffix: str = ""
    marks: tuple[float, ...] = ()

    def at(self, value: float, start: float, end: float) -> float:
        """Where a value falls between `start` and `end`; values outside are held at the edge."""
        held = min(max(value, self.low), self.high)
        if self.log:
            share = (log10(held) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            share = (held - self.low) / (self.high - self.low)
        return start + share * (end - start)

    @property
    def labels(self) -> tuple[tuple[float, str], ...]:
        """Each tick with its words."""
        found = self.marks or (log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high))
        return tuple((value, f"{'-' * (value < 0)}{self.prefix}{short(abs(value))}{self.suffix}") for value in found)


def ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Round values from `low` to `high`: steps of 1, 2 or 5 times a power of ten, at most `most` of them."""
    span = high - low
    power = 10.0 ** floor(log10(span / most))
    step = next(power * nice for nice in (1, 2, 5, 10, 20) if span / (power * nice) <= most)
    first = ceil(low / step - 1e-9)
    return tuple((first + n) * step for n in range(int((high - first * step) / step + 1e-9) + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten, with 2 and 5 times them where there are few."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    wide = last - first
    nice = (1,) if wide > 3 else (1, 3) if wide > 1 else (1, 2, 5)
    step = max(1, wide // 6)
    found = (digit * 10.0**power for power in range(first, last + 1, step) for digit in nice)
    return tuple(value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9))


def short(value: float) -> str:
    """A number in few characters: 1.5M, 320k, 42, 0.05."""
    size = abs(value)
    for least, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= least * 0.9995:
            return f"{_three(value / least)}{unit}"
    return "0" if value == 0 else _three(value)


def _three(value: float) -> str:
    """Three significant digits, without an exponent and without trailing zeros."""
    digits = max(0, 2 - floor(log10(abs(value))))
    shown = f"{value:.{min(digits, 9)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def text(x: float, y: float, words: str, *, kind: str = "label", anchor: str = "start", turn: float = 0) -> str:
    """One line of text; `anchor` is start, middle or end."""
    around = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{around}>{escape(words)}</text>'


def axis_x(axis: Axis, frame: Frame) -> str:
    """The horizontal axis below the frame, with ticks, labels that do not collide, and its title."""
    parts = [_line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    free = -1e9
    for value, words in axis.labels:
        x = axis.at(value, frame.left, frame.right)
        half = len(words) * 3.1
        parts.append(_line(x, frame.bottom, x, frame.bottom + 4, "axis"))
        if x - half > free:
            parts.append(text(min(x, WIDTH - half), frame.bottom + 15, words, anchor="middle"))
            free = x + half + 3
    parts.append(text((frame.left + frame.right) / 2, frame.bottom + 32, axis.title, kind="title", anchor="middle"))
    return "".join(parts)


def axis_y(axis: Axis, frame: Frame, *, grid: bool = True) -> str:
    """The vertical axis: grid lines, labels on the left, the title above."""
    parts = []
    for value, words in axis.labels:
        y = axis.at(value, frame.bottom, frame.top)
        if grid:
            parts.append(_line(frame.left, y, frame.right, y, "grid"))
        parts.append(text(frame.left - 5, y + 3.5, words, anchor="end"))
    parts.append(text(2, frame.top - 12, axis.title, kind="title"))
    return "".join(parts)


def picture(parts: Iterable[str], *, name: str, says: str, height: float) -> str:
    """The whole SVG; `name` and `says` are read to those who cannot see it."""
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(name)}</title><desc>{escape(says)}</desc>{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places near those wanted, in their order, `gap` apart or more, between `low` and `high` as far as they fit."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    last = low - gap
    for index in order:
        placed[index] = last = max(wanted[index], last + gap)
    last = high + gap
    for index in reversed(order):
        placed[index] = last = min(placed[index], last - gap)
    return placed
