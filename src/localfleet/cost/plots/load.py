"""The plots of load: what spills at each number of boxes, and the price of a busy hour."""

from collections.abc import Sequence

from localfleet.cost.paper import percent
from localfleet.cost.plots.bars import Swing, tornado_plot
from localfleet.cost.plots.canvas import Axis
from localfleet.cost.plots.lines import Series, line_plot
from localfleet.cost.sheet import Picture

__all__ = ["hours_picture", "spill_picture", "swings_picture"]

FLOOR_PERCENT = 0.001
"""Nothing has no place on a log scale: it stands at the bottom, and the caption says so."""
KINDS = ("box", "hosted", "spare", "other")


def spill_picture(spills: Sequence[tuple[str, Sequence[tuple[int, float]]]], *, wait_s: float) -> Picture:
    """For each traffic (name): the share of requests (0 to 1) that waited too long, by number of boxes."""
    lines = [
        Series(
            name=name,
            points=[(boxes, max(share * 100, FLOOR_PERCENT)) for boxes, share in points],
            kind=KINDS[number % len(KINDS)],
            dots=True,
        )
        for number, (name, points) in enumerate(spills)
    ]
    counts = sorted({boxes for _, points in spills for boxes, _ in points})
    svg = line_plot(
        lines,
        Axis(title="boxes", low=counts[0] - 0.15, high=counts[-1] + 0.15, marks=tuple(float(n) for n in counts)),
        Axis(title=f"requests that wait over {wait_s:g} s", low=FLOOR_PERCENT, high=100, log=True, suffix=" %"),
        name="Requests that wait too long, by number of boxes",
        says="; ".join(f"{name}: {', '.join(f'{n}: {percent(s)}' for n, s in points)}" for name, points in spills),
    )
    caption = f"Share of requests that would wait over {wait_s:g} s, by number of boxes (log; none at the bottom)."
    return Picture(svg=svg, caption=caption)


def hours_picture(demand: Sequence[float], price: Sequence[float]) -> Picture:
    """By hour: the busy share that was asked for, and the shadow price as a share of its highest; equal lengths."""
    highest = max(price, default=0.0)
    top = max([1.0, *demand]) * 1.05
    hours = len(demand)
    lines = [
        Series(name="work asked for", points=list(enumerate(demand)), kind="other", area=True),
        Series(
            name="shadow price",
            points=[(hour, value / highest if highest else 0.0) for hour, value in enumerate(price)],
            kind="box",
        ),
    ]
    marks = tuple(float(hour) for hour in range(0, hours, 6 if hours <= 24 else 24))
    svg = line_plot(
        lines,
        Axis(title="hour", low=0, high=max(hours - 1, 1), marks=marks),
        Axis(title="share of capacity; price, share of its highest", low=0, high=top),
        name="The price of a busy second, by hour",
        says=f"highest price {highest:.3g} USD per second of a box",
    )
    caption = (
        f"While work fits, one more request is free; where not, a second of the box is worth up to ${highest:.3g}."
        if highest
        else "Work fits in every hour: one more request is free at any time (shadow price zero)."
    )
    return Picture(svg=svg, caption=caption)


def swings_picture(swings: Sequence[Swing], *, middle: float) -> Picture:
    """The tornado: what each uncertain input does to the saving when it alone moves from its P10 to its P90."""
    widest = max(swings, key=lambda swing: abs(swing.at_high - swing.at_low))
    flips = [swing.name for swing in swings if min(swing.at_low, swing.at_high) < 0 < max(swing.at_low, swing.at_high)]
    svg = tornado_plot(
        swings,
        middle=middle,
        axis="what the box saves, USD a month (left of 0 it loses)",
        name="What moves the answer most",
        says=f"widest: {widest.name}",
    )
    names = " or ".join(flips)
    told = f"{names[:1].upper()}{names[1:]} alone can flip the answer." if flips else "No input alone flips the answer."
    return Picture(svg=svg, caption=f"Each input from its 10th to its 90th percentile, the others held. {told}")
