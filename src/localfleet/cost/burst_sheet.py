"""A replay on paper: a table by number of boxes and class, the plot of what spills, and the sentence that sums up."""

from collections.abc import Sequence
from typing import Any

from localfleet.core.cost.replay import ClassReplay
from localfleet.cost.bursts import Burst, Played
from localfleet.cost.paper import dollars, percent, plain
from localfleet.cost.plots.load import spill_picture
from localfleet.cost.sheet import Grid, Section

__all__ = ["burst_json", "burst_section", "burst_verdict"]

HEAD = (
    "boxes",
    "class",
    "requests",
    "busy",
    "spilled",
    "shed",
    "too late",
    "wait P50, s",
    "wait P99, s",
    "longest, s",
    "usd_spill_month",
)
SURROGATE = "A fluid queue stands for the engine: hold it against a measured burst before it decides about money."


def burst_section(played: Played) -> Section:
    """The section of a report."""
    rows = [row for burst in played.bursts for row in _rows(burst)]
    best = next((number for number, row in enumerate(rows) if row[0] == str(played.needed)), None)
    seen = (
        f"{played.requests:,} requests in {played.span_s / 60:,.1f} minutes, {played.load:.3g} boxes busy on average; "
        f"one may wait {played.rules.wait_s:g} s."
    )
    return Section(
        title="Bursts",
        prose=[seen, _how_bursty(played), _how_exact(played), SURROGATE],
        grids=[Grid(head=HEAD, rows=rows, first_number=2, strong=best)],
        pictures=[spill_picture(_curves(played), wait_s=played.rules.wait_s)],
    )


def burst_verdict(played: Played) -> str:
    """How many boxes it takes."""
    if played.needed is None:
        most = played.bursts[-1]
        return (
            f"{most.boxes} boxes are not enough: {percent(most.left_share + most.late_share)} of the requests still "
            "leave or wait too long."
        )
    burst = next(item for item in played.bursts if item.boxes == played.needed)
    missed = burst.left_share + burst.late_share
    one = "box keeps" if played.needed == 1 else "boxes keep"
    kept = f"all but {percent(missed)} of the requests" if missed else "every request"
    return (
        f"{played.needed} {one} {kept} within {played.rules.wait_s:g} s, busy {percent(burst.busy_share)} on average; "
        "add one for a failure."
    )


def _how_bursty(played: Played) -> str:
    """The trace beside a steady stream of the same mean."""
    facts = played.facts
    peaks = ", ".join(f"{peak:.3g} times in {window:g} s" for window, peak in facts.peak_to_mean)
    uneven = f"the deviation of the gaps is {facts.interarrival_cv:.3g} times their mean (1 is chance)"
    bursts = f"The busiest stretch over the mean: {peaks}; {uneven}."
    if played.steady is None:
        return bursts
    return f"{bursts} A steady stream of the same mean would need {_boxes(played.steady)}."


def _how_exact(played: Played) -> str:
    """What the error of the speed does to the number of boxes."""
    if played.error_share is None:
        return "Nobody measured the error of the box's speed, so how sure the number of boxes is, is unknown."
    if played.needed is None:
        return f"The speed of the box is known to {percent(played.error_share)}."
    slower = played.needed_if_slower
    then = "no number of boxes that was tried" if slower is None else _boxes(slower)
    same = "the same" if slower == played.needed else then
    return f"Were the box slower by the error of its speed ({percent(played.error_share)}), it would take {same}."


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"


def burst_json(played: Played) -> dict[str, Any]:
    """Every number of boxes with its classes; shares are 0 to 1, waits seconds."""
    return {
        "answer": burst_verdict(played),
        "boxes_needed": played.needed,
        "requests": played.requests,
        "span_s": played.span_s,
        "busy_boxes_mean": played.load,
        "wait_budget_s": played.rules.wait_s,
        "boxes_for_a_steady_stream": played.steady,
        "speed_error_share": played.error_share,
        "boxes_needed_if_slower": played.needed_if_slower,
        "doubts": list(played.doubts),
        "trace": plain(played.facts),
        "bursts": [
            {
                "boxes": burst.boxes,
                "busy_share": burst.busy_share,
                "left_share": burst.left_share,
                "late_share": burst.late_share,
                "usd_spill_month": burst.usd_spill_month,
                "classes": [{**plain(item), "spill_share": item.spill_share} for item in burst.classes],
            }
            for burst in played.bursts
        ],
    }


def _rows(burst: Burst) -> list[list[str]]:
    return [_row(burst, item, first=number == 0) for number, item in enumerate(burst.classes)]


def _row(burst: Burst, item: ClassReplay, *, first: bool) -> list[str]:
    return [
        str(burst.boxes),
        item.name,
        f"{item.requests:,}",
        percent(burst.busy_share),
        f"{item.spill_share:.2%}",
        f"{item.shed / item.requests:.2%}",
        f"{item.over_budget / item.requests:.2%}",
        f"{item.wait_p50_s:.3g}",
        f"{item.wait_p99_s:.3g}",
        f"{item.wait_max_s:.3g}",
        ("unknown" if burst.usd_spill_month is None else dollars(burst.usd_spill_month)) if first else "",
    ]


def _curves(played: Played) -> Sequence[tuple[str, Sequence[tuple[int, float]]]]:
    """By class: the share that left or waited too long, by number of boxes."""
    names = list(dict.fromkeys(item.name for burst in played.bursts for item in burst.classes))
    return [
        (
            name,
            [
                (burst.boxes, (item.spilled + item.shed + item.over_budget) / item.requests)
                for burst in played.bursts
                for item in burst.classes
                if item.name == name
            ],
        )
        for name in names
    ]
