"""
`localfleet cost sleep`: a trace on a box that goes away when nobody asks; what it costs, saves, makes wait. Thin.

Exit code: 0 answered, 2 misuse.
"""

import statistics
import time
from pathlib import Path
from typing import Annotated

import typer

from localfleet.cli.cost_given import utc_today
from localfleet.cli.cost_progress import counted
from localfleet.cli.misuse import FILES_TOO, misuse_told
from localfleet.cli.parts import Json, console, home_path, print_json
from localfleet.core.cost.box_states import box_spans, wakes
from localfleet.core.cost.replay import work_s
from localfleet.cost.bursts import Rules, trace_of
from localfleet.cost.case_of_plan import case_of_plan, token_work_of
from localfleet.cost.inputs import maybe, number
from localfleet.cost.paper import aligned, dollars, percent, plain
from localfleet.cost.plan_file import read_plan
from localfleet.cost.sleeping import Sleeping, sleeping
from localfleet.gpu_facts import read_gpus
from localfleet.storage.states import state_changes
from localfleet.traces.arrivals import arrivals

__all__ = ["sleep_command"]

DAY_HOURS = 24
WAKE_S = 30.0
RECORDED_DAYS = 90
COLUMNS = ("sleeps after", "asleep", "wakes", "requests that wake it", "usd_flex_total", "usd_power_saved_marginal")


def sleep_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.yaml: price and speed of the box.")],
    trace: Annotated[list[Path], typer.Argument(metavar="TRACE...", help="Requests with times.")],
    *,
    wake_s: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="To wake; default: as the ledger recorded it, else 30.")
    ] = None,
    after_s: Annotated[
        list[str] | None, typer.Option(metavar="SECONDS", help="Sleep after so long idle; repeat. Break-even is tried.")
    ] = None,
    flex: Annotated[
        str | None, typer.Option("--flex-usd-per-gpu-hour", metavar="USD", help="Billed by the second (serverless).")
    ] = None,
    asleep_w: Annotated[str | None, typer.Option(metavar="WATTS", help="What a bought box draws asleep.")] = None,
    deployment: Annotated[str | None, typer.Option(metavar="ID", help="Default: the plan's first.")] = None,
    as_json: Json = False,
) -> None:
    """Play a trace on a box that sleeps when idle: cost by the second against always on, and who waits for waking."""
    with misuse_told(FILES_TOO):
        rent, watts = maybe("--flex-usd-per-gpu-hour", flex, above_low=True), maybe("--asleep-w", asleep_w)
        waking, told = _waking(wake_s)
        after = [float(number("--after-s", text)) for text in after_s or ("60", "600", "3600")]
        asked = read_plan(plan)
        box = case_of_plan(asked, read_gpus(), today=utc_today(), deployment=deployment).box.box
        found = trace_of([list(counted(arrivals(path), f"reading {path.name}")) for path in trace], [], Rules())
        done = sleeping(
            found,
            work_s(found, token_work_of(asked, deployment)),
            box,
            wake_s=waking,
            after_s=after,
            usd_per_gpu_hour_flex=None if rent is None else float(rent),
            asleep_w=None if watts is None else float(watts),
        )
    if as_json:
        print_json({**plain(done), "wake_s": waking, "wake_s_from": told, "sentence": done.sentence})
    else:
        console().print(f"waking takes {waking:.3g} s ({told})", markup=False)
        _show(done)


def _waking(stated: str | None) -> tuple[float, str]:
    """Seconds, and who says so: the option, the middle of what the router saw in 90 days, or nobody."""
    if stated is not None:
        return float(number("--wake-s", stated, high=86_400)), "stated"
    until = time.time()
    changes = state_changes(home_path(), until=until)
    seen = wakes(box_spans(changes, since_s=until - RECORDED_DAYS * 86_400, until_s=until))
    if not seen:
        return WAKE_S, "assumed: no wake is recorded; say --wake-s"
    return statistics.median(seen), f"the middle of {len(seen)} wakes that the router recorded"


def _show(done: Sleeping) -> None:
    rows = [
        (
            f"{way.seen.after_s:g} s",
            percent(way.asleep_share),
            f"{way.seen.wakes:,}",
            f"{way.seen.woken_share:.2%}",
            "unknown" if way.usd_flex_total is None else dollars(way.usd_flex_total),
            "unknown" if way.usd_power_saved_marginal is None else dollars(way.usd_power_saved_marginal),
        )
        for way in done.ways
    ]
    out = console()
    for line in aligned([COLUMNS, *rows], right=range(1, 6)):
        out.print(line, markup=False)
    out.print(f"always on: {dollars(done.usd_on_total)} a month, one box, staff left out", markup=False)
    hours = done.ways[0].seen.span_s / 3600
    if hours < DAY_HOURS:
        out.print(f"note: a month is read off {hours:.1f} hours: they know nothing of the night", markup=False)
    if done.flex_break_even_share is not None:
        share = percent(min(done.flex_break_even_share, 1.0))
        out.print(f"always on is cheaper from a paid share of {share} of the time", markup=False)
    out.print(done.sentence, markup=False)
