"""`cost export-router`: what a second of the box is worth, by the hour and by its line, in a file for the router."""

import json
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from localfleet.catalogue import build_models
from localfleet.cli.bench import find_calibration
from localfleet.cli.config import load_checked
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.core.cost.fit import WorkFit
from localfleet.core.cost.shadow import HOURS_PER_WEEK, Movable, shadow_prices
from localfleet.core.cost.traffic import Late, Requests, TrafficClass, requests
from localfleet.core.cost.week import demand_by_class, work_by_hour
from localfleet.core.fleet import Model
from localfleet.core.pricing import usd_for_mean
from localfleet.cost.fixed import declared_marginal_usd
from localfleet.cost.inputs import Misuse
from localfleet.cost.router_file import Exported, Listed, doubts, router_file
from localfleet.errors import FleetError
from localfleet.gpu_facts import read_gpus
from localfleet.storage.traffic import served
from localfleet.traces.arrivals import arrivals
from localfleet.traces.calibration_file import read_calibration

__all__ = ["add_export_router"]

DAY_S = 86_400.0
OLDEST_DAYS = 35
"""Weeks resemble each other for about so long."""
FIRST_DATE_S = 946_684_800.0
"""2000-01-01: a clock that begins before it counts from a beginning of its own."""
WEEK_START_S = 4 * DAY_S
"""1970-01-01 was a Thursday: the first Monday came four days later."""
Row = tuple[float, float, float, float, str]
"""Unix seconds, input, output, cached tokens, class; an empty class may not leave the box."""


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
    valid_days: Annotated[int, typer.Option(min=1, max=366, help="After so many days it has no say.")] = 35,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Write the marginal prices that routing uses: zero while the box has slack, else what is displaced."""
    settings, price_map = load_checked(config, price_file=False)
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
    today = datetime.now(UTC).date()
    rows = _of_file(traffic) if traffic else _of_ledger(home, since=now - days * DAY_S, until=now)
    hosted = [each for each in build_models(settings, price_map, today) if not each.local]
    try:
        power = declared_marginal_usd(settings, read_gpus())
    except Misuse as exc:
        raise FleetError(f"hardware.gpus: {exc}") from None
    found = _export(rows, work, hosted, replicas=replicas, busy_limit=busy_limit, usd_per_busy_hour=float(power or 0))
    age_s = now - found.until_s
    if age_s > OLDEST_DAYS * DAY_S:
        raise FleetError(
            f"the traffic ended {age_s / DAY_S:.0f} days ago and says nothing of the next weeks: give newer requests "
            "with --traffic, or let the router record some"
        )
    written = router_file(
        found, name, wait_budget_s=wait_budget_s, made=today, valid_days=valid_days, calibration=file.name
    )
    try:
        out.write_text(json.dumps(written, indent=1) + "\n")
    except OSError as exc:
        raise FleetError(f"{out} cannot be written ({exc.strerror}); name another file with -o") from exc
    if as_json:
        print_json(written)
    else:
        _show(found, name, out, today, today + timedelta(days=valid_days))


def _of_ledger(home: Path, *, since: float, until: float) -> Iterable[Row]:
    for row in served(home, since=since, until=until):
        yield row.at_s, row.input_tokens, row.output_tokens, row.cache_read_tokens, _class(row.task, row.restricted)


def _of_file(path: Path) -> Iterable[Row]:
    for row in arrivals(path):
        restricted = row.label == "restricted"
        yield row.at_s, row.input_tokens, row.output_tokens, row.cache_read_tokens, _class(row.task, restricted)


def _class(task: str, restricted: bool) -> str:
    return "" if restricted else task or "other"


def _export(
    rows: Iterable[Row],
    work: WorkFit,
    hosted: list[Model],
    *,
    replicas: int,
    busy_limit: float,
    usd_per_busy_hour: float,
) -> Exported:
    trace, begins_s = _trace(rows)
    power = usd_per_busy_hour / replicas / 3600
    demand, seen = demand_by_class(trace, first_hour_of_week=(begins_s - WEEK_START_S) % (7 * DAY_S) / 3600)
    shapes = {each.name: _mean(trace.where(trace.of(each.name))) for each in trace.classes}
    seconds = {name: _seconds(work, shape) for name, shape in shapes.items()}
    free = [each.name for each in trace.classes if not each.restricted]
    usd = {name: _cheapest(hosted, shapes[name]) for name in free}
    movable = [
        Movable(
            name=name,
            seconds=seconds[name],
            usd_hosted=found[1],
            usd_marginal=power * seconds[name],
            requests_per_hour=demand[name],
        )
        for name, found in usd.items()
        if found is not None
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
        usd_per_replica_s_marginal=power,
        cheapest={name: each[0] for name, each in usd.items() if each is not None},
        since_s=begins_s,
        until_s=begins_s + trace.span_s,
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
    if at_s[0] < FIRST_DATE_S:
        raise FleetError(
            "the times of the traffic are no dates (they begin in 1970), so they tell no hour of the week: give a "
            "trace with dates, or use the ledger"
        )
    return trace, at_s[0]


def _mean(trace: Requests) -> tuple[float, float, float]:
    return (
        float(trace.input_tokens.mean()),
        float(trace.output_tokens.mean()),
        float(trace.cache_read_tokens.mean()),
    )


def _cheapest(hosted: list[Model], shape: tuple[float, float, float]) -> tuple[Listed, float] | None:
    """The cheapest hosted model whose price is known, and the US dollars of the mean request there."""
    into, out = round(shape[0]), round(shape[1])
    known = [
        (float(usd_for_mean(each.price, input_tokens=into, output_tokens=out)), each.name, each.price)
        for each in hosted
        if each.price is not None
    ]
    if not known:
        return None
    usd, name, price = min(known, key=lambda row: row[:2])
    return Listed(model=name, price=price), usd


def _show(found: Exported, name: str, out: Path, today: date, valid_until: date) -> None:
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
        f"  {HOURS_PER_WEEK - full} of {HOURS_PER_WEEK} hours of the week have slack, where a second is free",
        markup=False,
    )
    for line in (*doubts(found, today), f"valid until {valid_until.isoformat()}; after that it has no say"):
        say.print(f"  {line}", markup=False)
    for unpriced in found.unpriced:
        say.print(f"  {unpriced}: no hosted model with a known price, so its work stays here", markup=False)
    if found.prices.short:
        say.print(
            f"  in {len(found.prices.short)} hours not even the work that must stay fits: add a replica", markup=False
        )
    say.print(f"written to {out}; name it in models.yaml: `routing.marginal_prices`", markup=False)
