"""
`localfleet cost replay`: a trace against one box, two boxes and so on; who waits, what spills. Thin.

Exit code: 0 a number of boxes keeps the rule, 1 none that was tried does, 2 misuse.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from localfleet import __version__
from localfleet.cli.cost_plan import put
from localfleet.cli.cost_progress import counted
from localfleet.cli.misuse import FILES_TOO, misuse_told
from localfleet.cli.parts import Json
from localfleet.core.cost.traffic import Late
from localfleet.cost.burst_sheet import burst_json, burst_section, burst_verdict
from localfleet.cost.bursts import Played, Rules, play, trace_of
from localfleet.cost.case_of_plan import chosen_deployment, hosted_of_plan, token_work_of
from localfleet.cost.figures import Book
from localfleet.cost.inputs import number
from localfleet.cost.plan_file import read_plan
from localfleet.cost.sheet import Sheet
from localfleet.traces.arrivals import arrivals
from localfleet.traces.values import Arrival

__all__ = ["replay_command"]


def replay_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.yaml, for the speed of the box.")],
    trace: Annotated[list[Path], typer.Argument(metavar="TRACE...", help="Requests with times: may leave.")],
    *,
    must_stay: Annotated[
        list[Path] | None, typer.Option(metavar="TRACE", help="Requests that never leave; repeat for more.")
    ] = None,
    shed: Annotated[bool, typer.Option("--shed", help="What must stay and would wait too long is refused.")] = False,
    wait_s: Annotated[str, typer.Option(metavar="SECONDS", help="What a request may wait.")] = "2",
    spill: Annotated[str, typer.Option(metavar="SHARE", help="What may spill or wait too long.")] = "0.001",
    rate: Annotated[str, typer.Option(metavar="NUMBER", help="Requests come so much faster than in the trace.")] = "1",
    boxes: Annotated[list[int] | None, typer.Option(min=1, max=10_000, help="Only this number; repeat.")] = None,
    deployment: Annotated[str | None, typer.Option(metavar="ID", help="Default: the plan's first.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write one self-contained report.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Play a trace against one box, two boxes and so on: who waits, what spills, how many the bursts need."""
    with misuse_told(FILES_TOO):
        rules = Rules(
            wait_s=float(number("--wait-s", wait_s, high=86_400)),
            spill_share=float(number("--spill", spill, high=1)),
            must_stay=Late.SHED if shed else Late.QUEUE,
            rate=float(number("--rate", rate, above_low=True, high=10**6)),
        )
        asked = read_plan(plan)
        found = trace_of([_read(path) for path in trace], [_read(path) for path in must_stay or []], rules)
        price = next((model.price for model in hosted_of_plan(asked) if model.price is not None), None)
        played = play(
            found,
            token_work_of(asked, deployment),
            rules,
            boxes=sorted(set(boxes or [])),
            price=price,
            error_share=chosen_deployment(asked, deployment).calibration.mape,
        )
    put(_sheet(played, trace), burst_json(played), html=html, markdown=markdown, as_json=as_json)
    raise typer.Exit(0 if played.needed is not None else 1)


def _read(path: Path) -> list[Arrival]:
    return list(counted(arrivals(path), f"reading {path.name}"))


def _sheet(played: Played, trace: Sequence[Path]) -> Sheet:
    today = datetime.now(tz=UTC).date().isoformat()
    return Sheet(
        title=f"How many boxes do the bursts need? {', '.join(path.name for path in trace)}",
        verdict=burst_verdict(played),
        answers=(),
        sections=(burst_section(played),),
        warnings=("the replay is a fluid queue, a surrogate for an engine that batches", *played.doubts),
        book=Book(),
        made=f"localfleet {__version__}, {today}",
    )
