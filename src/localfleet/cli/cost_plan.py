"""
`localfleet cost plan | breakeven | mc | explain`: a `plan.yaml` worked out, on the terminal, as JSON, Markdown or HTML.

Here are the clock, the files and the exit code: 0 answered, 1 no price to compare with, 2 misuse.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localfleet.cli.misuse import FILES_TOO, misuse_told
from localfleet.cli.parts import Json, console, print_json
from localfleet.cost.as_html import as_html
from localfleet.cost.as_markdown import as_markdown
from localfleet.cost.as_text import as_text
from localfleet.cost.case_of_plan import case_of_plan
from localfleet.cost.doubts import spread_words
from localfleet.cost.figures import Book, Figure
from localfleet.cost.inputs import Misuse
from localfleet.cost.limits import limit_warnings
from localfleet.cost.outcome import Outcome, work_out
from localfleet.cost.outcome_json import outcome_json
from localfleet.cost.paper import measured
from localfleet.cost.plan_file import PlanFile, example_plan, read_plan
from localfleet.cost.sheet import Section, Sheet
from localfleet.cost.sheets import sheet_of
from localfleet.errors import FleetError
from localfleet.gpu_facts import read_gpus

if TYPE_CHECKING:
    from localfleet.cli.cost_traffic import Seen

__all__ = ["PLAN_COMMANDS", "put", "tell_figure", "write_html"]

PlanFileArg = Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.yaml; docs/concepts/cost.md lists its keys.")]
Deployment = Annotated[
    str | None, typer.Option(metavar="ID", help="Which of the plan's deployments; default: the first.")
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write one self-contained HTML report.")]


def plan_command(
    plan: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="A plan.yaml; docs/concepts/cost.md lists its keys.")
    ] = None,
    *,
    example: Annotated[bool, typer.Option("--example", help="Print a commented plan.yaml to start from.")] = False,
    deployment: Deployment = None,
    html: Html = None,
    markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """The month's bill of each way to do it: which, for how much, from which volume, how likely, resting on what."""
    if example:
        typer.echo(example_plan(), nl=False)
        return
    if plan is None:
        typer.echo("name a plan.yaml; `localfleet cost plan --example > plan.yaml` writes one to start from", err=True)
        raise typer.Exit(2)
    outcome, sheet = _worked_out(plan, deployment)
    put(sheet, outcome_json(outcome, sheet), html=html, markdown=markdown, as_json=as_json)
    _leave(outcome)


def breakeven(plan: PlanFileArg, *, deployment: Deployment = None, as_json: Json = False) -> None:
    """Where boxes and hosted models cost the same: volume, busy share, hosted price, GPU price, payback."""
    outcome, sheet = _worked_out(plan, deployment)
    _figures(sheet, ("breakeven",), as_json=as_json)
    _leave(outcome)


def mc(plan: PlanFileArg, *, deployment: Deployment = None, as_json: Json = False) -> None:
    """How sure: the chance that the box is cheaper, P10, P50 and P90 of what it saves, and what moves it most."""
    outcome, sheet = _worked_out(plan, deployment)
    if as_json:
        told = outcome_json(outcome, sheet)
        print_json(
            {
                **_json_of(sheet.book, ("chance", "saving")),
                **{name: told[name] for name in ("tornado", "waiting", "certain")},
            }
        )
    else:
        _figures(sheet, ("chance", "saving"), as_json=False)
        for reach in outcome.chances.reaches if outcome.chances else ():
            ends = f"{measured(reach.at_low, 'USD')} to {measured(reach.at_high, 'USD')} a month"
            typer.echo(f"{reach.name} alone, x {reach.low:.2f} to x {reach.high:.2f}: the box saves {ends}")
        for line in spread_words(outcome.case.sigmas, outcome.chances) if outcome.chances else ():
            typer.echo(line)
    _leave(outcome)


def explain(
    figure: Annotated[str, typer.Argument(metavar="ID", help="A figure's id, or the beginning or a part of one.")],
    plan: PlanFileArg,
    *,
    deployment: Deployment = None,
    as_json: Json = False,
) -> None:
    """How a number of a report was made: formula, inputs, and who states them."""
    tell_figure(_worked_out(plan, deployment)[1].book, figure, as_json=as_json)


def tell_figure(book: Book, wanted: str, *, as_json: bool) -> None:
    """Print the figures of an id or of a part of one; leaves with exit code 2 where there are none."""
    found = book.find(wanted)
    if not found:
        near = ", ".join(book.near(wanted)) or ", ".join(sorted({name.split(".")[0] for name in book.figures}))
        typer.echo(
            f"no figure has this id or part of one; near it: {near or 'nothing, for there is no traffic'}", err=True
        )
        raise typer.Exit(2)
    if as_json:
        print_json({item.id: book.as_json()[item.id] for item in found})
        return
    for item in found:
        for line in explained(item):
            console().print(line, markup=False)


def explained(figure: Figure) -> list[str]:
    """One figure in a few lines."""
    basis = f" ({figure.basis})" if figure.basis else ""
    lines = [f"{figure.id}{basis} = {measured(figure.value, figure.unit)}", f"  = {figure.formula}"]
    lines += [f"  {item.name} = {measured(item.value, item.unit)} [{item.source}]" for item in figure.inputs]
    return [*lines, *([f"  {figure.note}"] if figure.note else [])]


def put(sheet: Sheet, value: dict[str, Any], *, html: Path | None, markdown: bool, as_json: bool) -> None:
    """Write the report where it was asked for."""
    if html is not None:
        write_html(sheet, html)
    if as_json:
        print_json(value)
    elif markdown:
        typer.echo(as_markdown(sheet), nl=False)
    else:
        for line in as_text(sheet):
            console().print(line, markup=False)


def write_html(sheet: Sheet, path: Path) -> None:
    """One self-contained file; raises `FleetError` where it cannot be written."""
    try:
        path.write_text(as_html(sheet), encoding="utf-8")
    except OSError as exc:
        raise FleetError(f"--html: {path} cannot be written ({exc.strerror})") from exc


def _figures(sheet: Sheet, beginnings: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(_json_of(sheet.book, beginnings))
        return
    for name, figure in sheet.book.figures.items():
        if name.split(".")[0] in beginnings:
            told = figure.note if figure.value is None and figure.note else measured(figure.value, figure.unit)
            typer.echo(f"{name} = {told}")
    typer.echo(sheet.verdict)


def _json_of(book: Book, beginnings: tuple[str, ...]) -> dict[str, Any]:
    return {name: figure for name, figure in book.as_json().items() if name.split(".")[0] in beginnings}


def _worked_out(path: Path, deployment: str | None) -> tuple[Outcome, Sheet]:
    today = datetime.now(tz=UTC).date()
    with misuse_told(FILES_TOO):
        plan = read_plan(path)
        seen = _seen(plan, path, deployment)
        played = {} if seen is None else _as_options(seen)
        case = case_of_plan(plan, read_gpus(), today=today, deployment=deployment, **played)
        outcome = work_out(case)
    doubts = (*limit_warnings(plan, outcome), *(() if seen is None else seen.played.doubts))
    return outcome, sheet_of(outcome, more=(*_bursts(seen), *_hours(plan, outcome, seen)), doubts=doubts)


def _seen(plan: PlanFile, path: Path, deployment: str | None) -> "Seen | None":
    """The plan's trace, played at its volume; `None` where the plan states a peak, or asks for nothing."""
    if plan.traffic.kind == "rate_profile" or not sum(row.monthly_requests for row in plan.workflows):
        return None
    from localfleet.cli.cost_traffic import seen_traffic  # noqa: PLC0415  # numpy is loaded where there is a trace
    from localfleet.cost.burst_sheet import burst_verdict  # noqa: PLC0415  # the same

    seen = seen_traffic(plan, path, deployment)
    if seen.played.needed is None:
        raise Misuse(f"traffic: {burst_verdict(seen.played)}")
    return seen


def _as_options(seen: "Seen") -> dict[str, Any]:
    spills = tuple((burst.boxes, burst.left_share) for burst in seen.played.bursts)
    return {"needed": seen.played.needed, "spills": spills}


def _bursts(seen: "Seen | None") -> tuple[Section, ...]:
    if seen is None:
        return ()
    from localfleet.cost.burst_sheet import burst_section  # noqa: PLC0415  # numpy is loaded where there is a trace

    return (burst_section(seen.played),)


def _hours(plan: PlanFile, outcome: Outcome, seen: "Seen | None") -> tuple[Section, ...]:
    """Prices by hour, where the plan says how demand goes by the hour, or its trace has seen a day of it."""
    if not outcome.bills or (seen is None and not plan.traffic.day_shape):
        return ()
    from localfleet.cost.hours import hours_section  # noqa: PLC0415  # numpy is loaded where hours are told

    if plan.traffic.day_shape:
        return hours_section(outcome, plan.traffic.day_shape, origin="stated in the plan")
    assert seen is not None
    shape, hours = seen.by_hour
    return hours_section(outcome, shape, origin=f"{seen.name}, {hours} of 168 hours seen") if hours >= 24 else ()


def _leave(outcome: Outcome) -> None:
    if outcome.bills and outcome.against is None:
        raise typer.Exit(1)


PLAN_COMMANDS: Mapping[str, Callable[..., None]] = {
    "plan": plan_command,
    "breakeven": breakeven,
    "mc": mc,
    "explain": explain,
}
"""By the name to type."""
