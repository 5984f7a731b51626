"""`routing suite`: prompts with checkable answers asked of candidates through a running router, and the gate."""

import math
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.config import Settings, load_settings
from localfleet.core.interval import wilson
from localfleet.core.suite import gated
from localfleet.errors import FleetError
from localfleet.suites.ask import Asker, Heard, Run
from localfleet.suites.read import Item, Suite, read_suite

__all__ = ["suite_command"]


def suite_command(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines of prompts and checks; by default the suite that ships.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A candidate; repeat. Default: every model of the file.")
    ] = None,
    against: Annotated[str, typer.Option(help="What answers today: a model, or `auto`.")] = "auto",
    prompts: Annotated[int, typer.Option(min=1, help="At most so many for each model, evenly over tasks.")] = 200,
    usd: Annotated[str, typer.Option(help="The most that all of it may cost, US dollars.")] = "1.00",
    seconds: Annotated[float, typer.Option(min=1, help="All of it takes no longer than this.")] = 1800,
    margin: Annotated[float, typer.Option(min=0, max=1, help="The loss of quality that nobody minds.")] = 0.05,
    most_cost_ratio: Annotated[float, typer.Option(min=0, help="The most it may cost, as a ratio of today.")] = 1.0,
    scores: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a table for `routing.prior`.")] = None,
    url: Annotated[str, typer.Option(help="The running router.")] = "http://127.0.0.1:8080",
    key: Annotated[
        str | None,
        typer.Option(envvar="LOCALFLEET_KEY", show_default=False, help="An API key; the variable keeps it private."),
    ] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Ask candidates a suite of prompts with checkable answers: score, cost, latency, and whether each may go on."""
    from localfleet.cli.bench import progress_bar  # noqa: PLC0415  # engines come with it

    settings, suite = load_settings(config), _suite(file)
    items = suite.cut(prompts)
    asker = Asker(url=_url(url), key=key, usd_left=_usd(usd), until=time.monotonic() + seconds)
    names = [against, *dict.fromkeys(one for one in _candidates(settings, model) if one != against)]
    runs: dict[str, Run] = {}
    with progress_bar() as told:
        for name in names:
            done = len(runs) * len(items)
            steps = iter(range(done + 1, done + len(items) + 1))
            runs[name] = asker.run(
                name,
                items,
                hosted=name in settings.hosted,
                told=lambda steps=steps, name=name: told(next(steps) / (len(names) * len(items)), name),  # type: ignore[misc]  # bound at once
            )
    rows = [_row(runs[name], runs[against], margin, most_cost_ratio) for name in names]
    if scores is not None:
        _write(scores, suite, runs)
    if as_json:
        print_json({"suite": suite.name, "prompts": len(items), "against": against, "models": rows})
    else:
        _print(suite, items, against, rows)
    raise typer.Exit(0 if all(row["gate"] in {"pass", "today"} for row in rows) else 1)


def _suite(file: Path | None) -> Suite:
    if file is not None:
        return read_suite(file)
    with as_file(files("localfleet").joinpath("data/suite.jsonl")) as shipped:
        return read_suite(shipped)


def _candidates(settings: Settings, wanted: list[str] | None) -> list[str]:
    known = [*settings.local, *settings.adapters, *settings.hosted]
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"no such model in models.yaml: {', '.join(unknown)}; it has {', '.join(known)}", param_hint="--model"
        )
    return wanted or known


def _url(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise typer.BadParameter("the router's address, such as http://127.0.0.1:8080", param_hint="--url")
    return parts


def _usd(text: str) -> Decimal:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd < 0:
        raise typer.BadParameter("a number of US dollars, such as 1.00", param_hint="--usd")
    return usd


def _row(run: Run, today: Run, margin: float, most_cost_ratio: float) -> dict[str, Any]:
    right, many = sum(one.right for one in run.heard), len(run.heard)
    low, high = wilson(right, many)
    times = sorted(one.ms for one in run.heard if not one.failed)
    answered: dict[str, int] = {}
    for one in run.heard:
        answered[one.model] = answered.get(one.model, 0) + 1
    failed: dict[str, int] = {}
    for one in run.heard:
        if one.failed:
            failed[one.failed] = failed.get(one.failed, 0) + 1
    return {
        "model": run.model, "prompts": many, "right": right, "score": right / many if many else None,
        "low": low, "high": high, "usd": None if run.usd is None else f"{run.usd:f}",
        "median_ms": _rank(times, 0.5), "p95_ms": _rank(times, 0.95), "answered_by": answered, "failed": failed,
        "not_for_it": run.kept, "stopped": run.stopped or None, "tasks": _tasks(run.heard),
        **_gate(run, today, margin, most_cost_ratio),
    }  # fmt: skip


def _gate(run: Run, today: Run, margin: float, most_cost_ratio: float) -> dict[str, Any]:
    """On the prompts that both were asked."""
    if run is today:
        return {"gate": "today", "why": "what candidates are held against"}
    before = {one.item.id: one for one in today.heard}
    both = [(one, before[one.item.id]) for one in run.heard if one.item.id in before]
    costs = [[pair[side].usd for pair in both] for side in (0, 1)]
    sums = [None if None in side else sum((usd for usd in side if usd is not None), Decimal(0)) for side in costs]
    gate = gated(
        [one.right for one, _ in both],
        [other.right for _, other in both],
        usd=sums[0],
        usd_today=sums[1],
        margin=margin,
        most_cost_ratio=most_cost_ratio,
    )
    return {
        "gate": gate.says, "why": gate.why, "compared": len(both),
        "difference_low": gate.low, "difference_high": gate.high,
    }  # fmt: skip


def _tasks(heard: list[Heard]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in heard:
        row = found.setdefault(one.item.task or "none", {"prompts": 0, "right": 0})
        row["prompts"] += 1
        row["right"] += one.right
    return found


def _rank(times: list[float], share: float) -> float | None:
    return times[max(0, math.ceil(share * len(times)) - 1)] if times else None


def _write(file: Path, suite: Suite, runs: dict[str, Run]) -> None:
    """The table that `routing.prior` reads."""
    today = datetime.now(UTC).date().isoformat()
    lines = ["model,task,score,source,date,prompts"]
    for run in runs.values():
        if run.model in {"auto", "local"}:
            continue
        for task, row in _tasks(run.heard).items():
            score = row["right"] / row["prompts"]
            lines.append(f"{run.model},{task},{score:.4f},localfleet suite {suite.name},{today},{row['prompts']}")
    try:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as exc:
        raise FleetError(f"{file} cannot be written ({exc.strerror}); choose another place") from exc


def _print(suite: Suite, items: tuple[Item, ...], against: str, rows: list[dict[str, Any]]) -> None:
    out, table = console(), Table(box=SIMPLE_HEAD, pad_edge=False)
    out.print(f"{suite.name}: {len(items)} prompts, against {against}", markup=False)
    for heading in ("model", "right", "95 % interval", "USD", "p50 ms", "p95 ms", "gate"):
        table.add_column(heading, no_wrap=heading != "gate", overflow="fold")
    for row in rows:
        score = "-" if row["score"] is None else f"{row['right']} of {row['prompts']}"
        times = ("-" if row[name] is None else f"{row[name]:.0f}" for name in ("median_ms", "p95_ms"))
        interval = f"{row['low']:.0%} to {row['high']:.0%}"
        table.add_row(row["model"], score, interval, row["usd"] or "unknown", *times, row["gate"].replace("_", " "))
    out.print(table)
    for row in rows:
        out.print(_sentence(row), markup=False)


def _sentence(row: dict[str, Any]) -> str:
    said = [row["why"]]
    if "compared" in row:
        apart = f"{row['difference_low']:+.0%} to {row['difference_high']:+.0%}"
        said.append(f"right answers minus today's {apart} on {row['compared']} prompts")
    if set(row["answered_by"]) - {row["model"]}:
        said.append("answered by " + ", ".join(f"{name} x{many}" for name, many in row["answered_by"].items()))
    if row["failed"]:
        said.append("failed: " + ", ".join(f"{name} x{many}" for name, many in row["failed"].items()))
    if row["not_for_it"]:
        said.append(f"{row['not_for_it']} prompts are not for it, by label or law")
    if row["stopped"]:
        said.append(f"stopped: {row['stopped']}")
    return f"{row['model']}: " + "; ".join(said)
