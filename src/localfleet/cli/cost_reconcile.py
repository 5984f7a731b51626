"""
`cost reconcile`: the ledger against an engine's counters and a provider's export; exit 1 on a large gap or drift.

Here are the clock, the state folder and the words.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.config import load_checked
from localfleet.cli.cost_calibrate import show_calibration
from localfleet.cli.parts import Json, console, print_json, state_home
from localfleet.config import Settings
from localfleet.core.cost.calibration import Calibration, calibrate
from localfleet.core.cost.counters import Counted, counted, points_between
from localfleet.core.cost.points import Point
from localfleet.core.cost.reconcile import MEASURES, Book, Drift, Gap, drifts, gaps, in_one_sum, matched
from localfleet.storage.traffic import Worked, worked
from localfleet.traces.calibration_file import read_calibration, write_calibration
from localfleet.traces.counter_pages import readings
from localfleet.traces.providers import buckets
from localfleet.traces.values import Bucket

__all__ = ["add_reconcile"]

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """Everything that was held against each other. `alarms` are sentences; none: all is well."""

    gaps: tuple[Gap, ...]
    drifts: tuple[Drift, ...]
    counted: Counted | None
    refit: Calibration | None
    notes: tuple[str, ...]
    alarms: tuple[str, ...]


def add_reconcile(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("reconcile")(reconcile_command)


def reconcile_command(
    metrics: Annotated[list[Path] | None, typer.Option(help="Saved /metrics pages of an engine; repeat.")] = None,
    model: Annotated[str | None, typer.Option(help="The local model that --metrics belong to.")] = None,
    invoice: Annotated[list[Path] | None, typer.Option(help="Usage or cost export of a provider; repeat.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="What the box was calibrated to.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="The largest gap that is no alarm.")] = 0.02,
    drift: Annotated[float, typer.Option(min=0, max=10, help="The largest drift that is no alarm.")] = 0.15,
    days: Annotated[float, typer.Option(min=0.01, help="How far back, where no file says a period.")] = 30,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the calibration fitted again.")] = None,
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="The models.yaml to use.")] = "models.yaml",
    as_json: Json = False,
) -> None:
    """Hold the ledger, an engine's token counters and a provider's export against each other; every gap is a number."""
    home, now = state_home(), time.time()
    settings = load_checked(config)[0] if Path(config).exists() else None
    if not (metrics or invoice):
        raise typer.BadParameter("give what to hold the ledger against: --metrics or --invoice", param_hint="--metrics")
    found: list[Gap] = []
    notes: list[str] = []
    moved: list[Drift] = []
    total: Counted | None = None
    refit: Calibration | None = None
    if metrics:
        seen = readings(metrics)
        try:
            total, live = counted(seen), points_between(seen)
        except ValueError as exc:
            raise typer.BadParameter(str(exc), param_hint="--metrics") from None
        name = model or _only_local(settings)
        ledger = [each for each in worked(home, since=total.from_s, until=total.to_s) if each.model == name]
        found += _engine_gaps(name, ledger, total)
        notes += _engine_notes(ledger, total)
        before = None if calibration is None else read_calibration(calibration)
        moved, refit = _moved(before, live)
    if invoice:
        billed = [each for path in invoice for each in buckets(path)]
        since, until = _period(billed, now, days)
        found_here, notes_here = _bill_gaps(billed, worked(home, since=since, until=until), settings)
        found, notes = [*found, *found_here], [*notes, *notes_here]
    result = Reconciled(
        gaps=tuple(found),
        drifts=tuple(moved),
        counted=total,
        refit=refit,
        notes=tuple(notes),
        alarms=_alarms(found, moved, tolerance=tolerance, drift=drift),
    )
    if as_json:
        print_json(_json(result))
    else:
        _show(result, tolerance)
    if out is not None and refit is not None:
        write_calibration(out, refit, made=datetime.now(UTC).date(), source="localfleet cost reconcile")
    raise typer.Exit(1 if result.alarms else 0)


def _only_local(settings: Settings | None) -> str:
    names = [] if settings is None else list(settings.local)
    if len(names) != 1:
        raise typer.BadParameter("say which local model these counters belong to", param_hint="--model")
    return names[0]


def _engine_gaps(name: str, ledger: Sequence[Worked], total: Counted) -> list[Gap]:
    ours = Book(
        input_tokens=float(sum(each.input_tokens for each in ledger)),
        output_tokens=float(sum(each.output_tokens for each in ledger)),
    )
    theirs = Book(input_tokens=total.input_tokens, output_tokens=total.output_tokens)
    return gaps({name: ours}, {name: theirs}, source="engine")


def _engine_notes(ledger: Sequence[Worked], total: Counted) -> list[str]:
    notes = []
    if total.restarts:
        notes.append(
            f"the engine restarted {total.restarts} time(s); what it did in up to {total.blind_s:.0f} s before that is "
            "in no counter, so it may show less than the ledger"
        )
    if estimated := sum(each.estimated for each in ledger):
        notes.append(f"{estimated} request(s) of the ledger have no count of the engine's; their tokens are left out")
    return notes


def _moved(before: Calibration | None, live: Sequence[Point]) -> tuple[list[Drift], Calibration | None]:
    """How far the live points are from the calibration, and what fits both."""
    if before is None:
        return [], calibrate("counters", live) if live else None
    moved = drifts(live, work=before.work, steps=[fit for _, fit in before.steps])
    return moved, calibrate(before.name, [*before.points, *live], slo=before.slo) if live else before


def _period(billed: Sequence[Bucket], now: float, days: float) -> tuple[float, float]:
    if not billed:
        return now - days * DAY_S, now
    return min(each.start_s for each in billed), max(each.end_s for each in billed)


def _bill_gaps(
    billed: Sequence[Bucket], ledger: Sequence[Worked], settings: Settings | None
) -> tuple[list[Gap], list[str]]:
    """By our model's name; a provider's model that nobody declares keeps its own."""
    found: list[Gap] = []
    notes: list[str] = []
    for provider in sorted({each.provider for each in billed}):
        hosted = {} if settings is None else settings.hosted
        ours = [(name, model.model) for name, model in hosted.items() if model.provider == provider]
        mine = [each for each in billed if each.provider == provider]
        theirs = _books((matched(each.model, ours) or each.model, each) for each in mine)
        strangers = sorted(set(theirs) - {name for name, _ in ours} - {""})
        if strangers:
            shown = ", ".join(strangers[:5])
            notes.append(
                f"{provider} counts {shown}, which no entry of models.yaml is: work that did not pass the router"
            )
        named = {each.model: each for each in ledger if each.model in dict(ours)}
        books = {
            name: Book(
                requests=float(each.requests),
                input_tokens=float(each.input_tokens),
                output_tokens=float(each.output_tokens),
                cache_read_tokens=float(each.cache_read_tokens),
                usd=each.usd,
            )
            for name, each in named.items()
        }
        nameless = [each for each in MEASURES if getattr(theirs.get("", Book()), each) is not None]
        if nameless:
            called = f"all of {provider}"
            theirs = in_one_sum(theirs, nameless, called=called)
            books = in_one_sum(books, nameless, called=called)
            notes.append(
                f"{provider} names no model for {', '.join(nameless).replace('_', ' ')}, so the sums are compared: "
                "group the export by model (a bill: by line item or description) to tell them apart"
            )
        found += gaps(books, theirs, source=provider)
    return found, notes


def _books(rows: Iterable[tuple[str, Bucket]]) -> dict[str, Book]:
    sums: dict[str, dict[str, Any]] = {}
    for name, row in rows:
        into = sums.setdefault(name, {})
        for measure in MEASURES:
            value = getattr(row, measure)
            if value is not None:
                into[measure] = into.get(measure, 0) + value
    return {name: Book(**values) for name, values in sums.items()}


def _alarms(found: Sequence[Gap], moved: Sequence[Drift], *, tolerance: float, drift: float) -> tuple[str, ...]:
    lines = [
        f"{gap.model}: {gap.source} has {abs(gap.share):.1%} {'more' if gap.share > 0 else 'fewer'} "
        f"{gap.measure.replace('_', ' ')} than the ledger"
        for gap in found
        if abs(gap.share) > tolerance
    ]
    lines += [
        f"{each.what}: the box takes {each.ratio:.2f} times what it was calibrated to; calibrate again"
        for each in moved
        if abs(each.ratio - 1) > drift
    ]
    if not found and not moved:
        lines.append("nothing was compared: neither the ledger nor the files name a request in this period")
    return tuple(lines)


def _json(result: Reconciled) -> dict[str, Any]:
    total = result.counted
    return {
        "gaps": [
            {
                "model": gap.model,
                "measure": gap.measure,
                "source": gap.source,
                "ledger": _plain(gap.ledger),
                "other": _plain(gap.other),
                "difference": _plain(gap.difference),
                "share": gap.share,
            }
            for gap in result.gaps
        ],
        "drift": [{"what": each.what, "ratio": each.ratio, "points": each.points} for each in result.drifts],
        "engine": None if total is None else {"restarts": total.restarts, "blind_s": total.blind_s},
        "notes": list(result.notes),
        "alarms": list(result.alarms),
    }


def _plain(number: Decimal | float) -> float:
    return float(number)


def _show(result: Reconciled, tolerance: float) -> None:
    out = console()
    if result.gaps:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for heading in ("model", "measure", "against"):
            table.add_column(heading, no_wrap=True)
        for heading in ("ledger", "other", "gap", "share"):
            table.add_column(heading, justify="right")
        for gap in result.gaps:
            numbers = [
                f"{float(each):,.4f}".rstrip("0").rstrip(".") for each in (gap.ledger, gap.other, gap.difference)
            ]
            measure = gap.measure.replace("_", " ")
            table.add_row(gap.model, measure, gap.source, *numbers, f"{gap.share:+.2%}")
        out.print(table)
    for each in result.drifts:
        out.print(f"{each.what}: {each.ratio:.3f} of what was calibrated, over {each.points} stretches", markup=False)
    if result.refit is not None and result.refit.points:
        show_calibration(result.refit)
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    for alarm in result.alarms:
        out.print(f"alarm: {alarm}", markup=False, style="red")
    if not result.alarms:
        out.print(f"all gaps are within {tolerance:.1%}", markup=False)
