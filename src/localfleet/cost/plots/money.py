"""The plots of money, from plain numbers: bill against volume, who is cheaper where, one bill on three bases."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from localfleet.cost.paper import dollars
from localfleet.cost.plots.bars import Bar, bar_plot
from localfleet.cost.plots.canvas import Axis, short
from localfleet.cost.plots.heat import Here, heat_plot
from localfleet.cost.plots.lines import Mark, Series, line_plot
from localfleet.cost.sheet import Picture

__all__ = ["BoxSteps", "bases_picture", "border_picture", "volume_picture"]

SAMPLES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSteps:
    """The box's bill as steps: US dollars a month for each box, for staff, for each request; what one box serves."""

    name: str
    usd_per_box: float
    usd_staff: float
    usd_per_request: float
    requests_per_box: float
    spare: int = 0
    kind: str = "box"

    def usd(self, requests: float) -> float:
        """The month's bill for this many requests."""
        boxes = max(1, ceil(requests / self.requests_per_box - 1e-9)) + self.spare
        return boxes * self.usd_per_box + self.usd_staff + requests * self.usd_per_request


def volume_picture(
    boxes: Sequence[BoxSteps], hosted: Sequence[tuple[str, float]], *, here: float, flip: float | None
) -> Picture:
    """Bill against volume: steps of the box, lines of the hosted models (name, US dollars a request)."""
    most = max(here * 2, (flip or 0) * 1.6, 1.0)
    top = max([*(box.usd(most) for box in boxes), min((price for _, price in hosted), default=0) * most, 1e-9]) * 1.15
    lines = [Series(name=box.name, points=_steps(box, most), kind=box.kind) for box in boxes]
    for number, (name, price) in enumerate(hosted):
        reach = min(most, top / price) if price else most
        points = [(reach * n / SAMPLES, price * reach * n / SAMPLES) for n in range(SAMPLES + 1)]
        lines.append(Series(name=name, points=points, kind="hosted" if number == 0 else "other"))
    marks = [Mark(x=here, words=f"you: {short(here)}")]
    if flip is not None and flip <= most:
        marks.append(Mark(x=flip, words=f"flips at {short(flip)}", kind="flip"))
    says = f"At {short(here)} requests a month: " + ", ".join(
        [*(f"{box.name} {dollars(box.usd(here))}" for box in boxes), *(f"{n} {dollars(p * here)}" for n, p in hosted)]
    )
    svg = line_plot(
        lines,
        Axis(title="requests a month", low=0, high=most),
        Axis(title="USD a month, total", low=0, high=top, prefix="$"),
        name="The month's bill against volume",
        says=says,
        marks=marks,
    )
    caption = "The bill against volume. Each step is one more box. " + (
        f"The lines cross at {short(flip)} requests a month."
        if flip is not None
        else "The lines do not cross at any volume above zero."
    )
    return Picture(svg=svg, caption=caption)


def border_picture(*, usd_per_box: float, requests_when_full: float, here: tuple[float, float]) -> Picture:
    """Who is cheaper at which busy share of one box and which hosted price; `here` is (busy share, USD a request)."""
    share, price = max(here[0], 1e-4), here[1] * 1000
    even = usd_per_box / requests_when_full * 1000
    low_x, high_x = min(0.01, share / 2), 1.0
    low_y, high_y = min(even, price) / 8, max(even / low_x, price) * 1.5
    svg = heat_plot(
        lambda busy, usd: usd * busy / even,
        Axis(title="busy share of the box (1 is all it can serve)", low=low_x, high=high_x, log=True),
        Axis(title="hosted price, USD per 1,000 requests", low=low_y, high=high_y, log=True, prefix="$"),
        here=(Here(x=share, y=price, words="you"),),
        name="Who is cheaper, by busy share and hosted price",
        says=f"Full, the box costs {dollars(even)} per 1,000 requests; you: {share:.3g} busy, {dollars(price)}",
    )
    times = price * share / even
    where = f"{times:.3g} times above" if times >= 1 else f"{1 / times:.3g} times below"
    return Picture(
        svg=svg,
        caption=f"The border is the break-even; each shade is half a doubling. You are {where} it.",
    )


def bases_picture(figures: Sequence[tuple[str, float | None, str]]) -> Picture:
    """One bill on several bases: (basis in words, USD per million tokens, kind); unknown ones are left out."""
    bars = [Bar(name=name, value=value, words=dollars(value), kind=kind) for name, value, kind in figures if value]
    svg = bar_plot(
        bars,
        name="US dollars per million tokens, by basis",
        says=", ".join(f"{bar.name} {bar.words}" for bar in bars),
    )
    caption = "The same dollars per million tokens on different bases: never compare one with another."
    return Picture(svg=svg, caption=caption)


def _steps(box: BoxSteps, most: float) -> list[tuple[float, float]]:
    """Corners of the staircase: where one box more begins, both heights."""
    points = [(0.0, box.usd(0))]
    count = ceil(most / box.requests_per_box - 1e-9)
    for number in range(1, min(count, 200)):
        x = number * box.requests_per_box
        points += [(x, box.usd(x)), (x, box.usd(x * (1 + 1e-6)))]
    return [*points, (most, box.usd(most))]
