"""`cost export-router`: what a second of the box is worth, by the hour and by its line, in a file for the router."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from localfleet.catalogue import build_models
from localfleet.cli.bench import find_calibration
from localfleet.cli.config import load_checked
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.core.cost.fit import WorkFit
from localfleet.core.cost.shadow import HOURS_PER_WEEK, Movable, ShadowPrices, shadow_prices
from localfleet.core.cost.traffic import Late, Requests, TrafficClass, requests
from localfleet.core.cost.week import demand_by_class, work_by_hour
from localfleet.core.fleet import Model
from localfleet.core.pricing import usd_for_mean
from localfleet.errors import FleetError
from localfleet.storage.traffic import served
from localfleet.traces.arrivals import arrivals
from localfleet.traces.calibration_file import read_calibration
from localfleet.wire.router_prices import FORMAT

__all__ = ["add_export_router"]

DAY_S = 86_400.0
WEEK_START_S = 4 * DAY_S
"""1970-01-01 was a Thursday: the first Monday came four days later."""
Row = tuple[float, float, float, float, str]
"""Unix seconds, input, output, cached tokens, class; an empty class may not leave the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What is written, and what to say about it."""

    movable: tuple[Movable, ...]
    prices: ShadowPrices
    seconds_per_request: float
    hours_seen: int
    unpriced: tuple[str, ...]


def add_export_router(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("export-router")(export_command)


def export_command(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write the prices.")],
    model: Annotated[str | None, typer.Option(help="The local model; default: the only one of models.yaml.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Default: the newest that `bench` wrote.")] = None,
    traffic: Annotated[Path | None, typer.Option(help="A file of requests; default: the ledger.")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="How far back to read the ledger.")] = 28,
    replicas: Annotated[int, typer.Option(min=1, max=1024, help="Copies of the model that serve.")] = 1,
    busy_limit: Annotated[float, typer.Option(min=0.01, max=1, help="Busy share allowed in an hour.")] = 0.85,
    wait_budget_s: Annotated[float, typer.Option(min=0.01, help="How long a request may wait.")] = 2.0,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Write the marginal prices that routing uses: zero while the box has slack, else what is displaced."""
    settings, price_map = load_checked(config)
    name = model or next(iter(settings.local), "")
    if name not in settings.local or (model is None and len(settings.local) != 1):
        raise typer.BadParameter(
            f"say which local model: {', '.join(settings.local) or 'there is none'}", param_hint="--model"
        )
    now, home = time.time(), state_home()
    file = calibration or find_calibration(home)
    work = read_calibration(file).work
    if work is None:
        raise FleetError(f"{file.name} has no token-work fit: measure four shapes or more with `localfleet bench`")
    rows = _of_file(traffic) if traffic else _of_ledger(home, since=now - days * DAY_S, until=now)
    hosted = [each for each in build_models(settings, price_map, datetime.now(UTC).date()) if not each.local]
    found = _export(rows, work, hosted, replicas=replicas, busy_limit=busy_limit)
    written = _json(found, name, wait_budget_s=wait_budget_s, made=datetime.now(UTC).date(), calibration=file.name)
    try:
        out.write_text(json.dumps(written, indent=1) + "\n")
    except OSError as exc:
        raise FleetError(f"{out} cannot be written ({exc.strerror}); name another file with -o") from exc
    if as_json:
        print_json(written)
    else:
        _show(found, name, out)


def _of_ledger(home: Path, *, since: float, until: float) -> Iterable[Row]:
    for row in served(home, since=since, until=until):
        yield row.at_s, row.input_tokens, row.output_tokens, row.cache_read_tokens, _class(row.task, row.restricted)


def _of_file(path: Path) -> Iterable[Row]:
    for row in arrivals(path):
        restricted = row.label == "restricted"
        yield row.at_s, row.input_tokens, row.output_tokens, row.cache_read_tokens, _class(row.task, restricted)


def _class(task: str, restricted: bool) -> str:
    return "" if restricted else task or "other"


def _export(rows: Iterable[Row], work: WorkFit, hosted: list[Model], *, replicas: int, busy_limit: float) -> Exported:
    trace, begins_s = _trace(rows)
    demand, seen = demand_by_class(trace, first_hour_of_week=(begins_s - WEEK_START_S) % (7 * DAY_S) / 3600)
    shapes = {each.name: _mean(trace.where(trace.of(each.name))) for each in trace.classes}
    seconds = {name: _seconds(work, shape) for name, shape in shapes.items()}
    free = [each.name for each in trace.classes if not each.restricted]
    usd = {name: _cheapest(hosted, shapes[name]) for name in free}
    movable = [
        Movable(name=name, seconds=seconds[name], usd_hosted=each, requests_per_hour=demand[name])
        for name, each in usd.items()
        if each is not None
    ]
    stays = {name: hours for name, hours in demand.items() if usd.get(name) is None}
    prices = shadow_prices(
        movable, replicas=replicas, must_stay_s_per_hour=work_by_hour(stays, seconds), busy_limit=busy_limit
    )
    return Exported(
        movable=tuple(movable),
        prices=prices,
        seconds_per_request=_seconds(work, _mean(trace)),
        hours_seen=seen,
        unpriced=tuple(name for name, each in usd.items() if each is None),
    )


def _seconds(work: WorkFit, shape: tuple[float, float, float]) -> float:
    return work.box_s(shape[0], shape[1], cached_share=min(1.0, shape[2] / shape[0]) if shape[0] else 0.0)


def _trace(rows: Iterable[Row]) -> tuple[Requests, float]:
    """Columns with a class for each task, and one that stays; and when the first request came."""
    names: dict[str, int] = {}
    at_s, into, out, cached, kind = [], [], [], [], []
    for at, tokens_in, tokens_out, tokens_cached, name in rows:
        at_s.append(at)
        into.append(tokens_in)
        out.append(tokens_out)
        cached.append(tokens_cached)
        kind.append(names.setdefault(name, len(names)))
    if len(at_s) < 2 or at_s[0] == at_s[-1]:
        raise FleetError("there is too little traffic to tell an hour's demand: give --traffic FILE, or more --days")
    classes = [
        TrafficClass(name=name or "restricted", restricted=not name, late=Late.SPILL if name else Late.QUEUE)
        for name in names
    ]
    trace = requests(
        at_s=at_s, input_tokens=into, output_tokens=out, cache_read_tokens=cached, kind=kind, classes=classes
    )
    return trace, at_s[0]


def _mean(trace: Requests) -> tuple[float, float, float]:
    return (
        float(trace.input_tokens.mean()),
        float(trace.output_tokens.mean()),
        float(trace.cache_read_tokens.mean()),
    )


def _cheapest(hosted: list[Model], shape: tuple[float, float, float]) -> float | None:
    """US dollars of the mean request at the cheapest hosted model whose price is known."""
    into, out = round(shape[0]), round(shape[1])
    known = [
        usd_for_mean(each.price, input_tokens=into, output_tokens=out) for each in hosted if each.price is not None
    ]
    return float(min(known)) if known else None


def _json(found: Exported, name: str, *, wait_budget_s: float, made: date, calibration: str) -> Mapping[str, Any]:
    values = {each.name: each.usd_per_replica_s_value for each in found.movable}
    body = {
        "format": FORMAT,
        "made": made.isoformat(),
        "model": name,
        "calibration": calibration,
        "replicas": found.prices.replicas,
        "wait_budget_s": wait_budget_s,
        "seconds_per_request": found.seconds_per_request,
        "usd_per_request_marginal": 0.0,
        "usd_per_replica_s_highest": max([0.0, *values.values()]),
        "classes": {
            each.name: {
                "usd_per_replica_s_value": each.usd_per_replica_s_value,
                "seconds_per_request": each.seconds,
                "usd_per_request_hosted": each.usd_hosted,
            }
            for each in found.movable
        },
        "hours_seen": found.hours_seen,
        "usd_per_replica_s_shadow": [float(each) for each in found.prices.usd_per_replica_s_shadow],
        "hours_too_short_for_what_must_stay": list(found.prices.short),
    }
    return {**body, "sha256": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


def _show(found: Exported, name: str, out: Path) -> None:
    say = console()
    full = int((found.prices.usd_per_replica_s_shadow > 0).sum())
    say.print(f"{name}: {found.seconds_per_request:.3g} s of the box for the mean request", markup=False)
    for each in sorted(found.movable, key=lambda each: -each.usd_per_replica_s_value):
        say.print(
            f"  {each.name:<16} a second of the box saves ${each.usd_per_replica_s_value:.3g} "
            f"(${each.usd_hosted:.3g} a request elsewhere, {each.seconds:.3g} s here)",
            markup=False,
        )
    say.print(
        f"  {HOURS_PER_WEEK - full} of {HOURS_PER_WEEK} hours of the week have slack, where a second is free; "
        f"{found.hours_seen} hours were seen, the others are taken for the mean",
        markup=False,
    )
    for unpriced in found.unpriced:
        say.print(f"  {unpriced}: no hosted model with a known price, so its work stays here", markup=False)
    if found.prices.short:
        say.print(
            f"  in {len(found.prices.short)} hours not even the work that must stay fits: add a replica", markup=False
        )
    say.print(f"written to {out}; name it in models.yaml: `routing.marginal_prices`", markup=False)
