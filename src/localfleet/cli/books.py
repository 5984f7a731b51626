"""`keys` and `report`: the commands over the books."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.actions import actions_command
from localfleet.cli.aims import aim_rows, aim_words
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.cli.quality import quality_command
from localfleet.cli.review import review_command
from localfleet.core.cost.box_states import box_spans, wakes
from localfleet.core.label import Label
from localfleet.storage.keys import Key, create_key, list_keys, revoke_key
from localfleet.storage.report import Total, totals
from localfleet.storage.states import state_changes

if TYPE_CHECKING:
    from localfleet.config import Settings

__all__ = ["keys_app", "report_command"]

By = Literal["model", "tier", "label", "task", "key", "reason", "day", "api", "arm", "action", "all"]

keys_app = typer.Typer(no_args_is_help=True)


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for lists and reports.")],
    label: Annotated[str | None, typer.Option(help="Default label: public, internal or restricted.")] = None,
    plan: Annotated[str | None, typer.Option(help="A plan of models.yaml.")] = None,
    budget: Annotated[str | None, typer.Option("--usd-per-month", help="Most hosted money a month.")] = None,
    rate: Annotated[int | None, typer.Option("--requests-per-minute", min=1)] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Models it may use; repeat for several. Default: all.")
    ] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Create an API key. The token is shown once."""
    if not name.strip():
        raise typer.BadParameter("give it a name, such as the team's: lists and reports show it", param_hint="NAME")
    settings = _settings(config)
    key, token = create_key(
        state_home(),
        name=name,
        label=_label(label, settings),
        at=time.time(),
        plan=_plan(plan, settings),
        usd_per_month=_usd(budget),
        requests_per_minute=rate,
        models=_models(model, settings),
    )
    if as_json:
        print_json({"id": key.id, "name": key.name, "label": key.label.word, "token": token})
        return
    out = console()
    out.print(f"key {key.id} for {key.name}: default label {key.label.word}", markup=False)
    out.print(f"token (shown once): {token}", markup=False)
    out.print("a running router takes it within a second; from now on every caller needs a key", markup=False)


def _settings(config: str) -> "Settings | None":
    if not Path(config).exists():
        return None
    from localfleet.config import load_settings  # noqa: PLC0415  # heavy, and only this command reads the file

    return load_settings(config)


def _label(word: str | None, settings: "Settings | None") -> Label:
    if word is None:
        return settings.default_label if settings is not None else Label.INTERNAL
    try:
        return Label.read(word)
    except ValueError as exc:
        raise typer.BadParameter(f"{exc}", param_hint="--label") from None


def _plan(plan: str | None, settings: "Settings | None") -> str | None:
    if plan is not None and (settings is None or plan not in settings.plans):
        raise typer.BadParameter("no such plan in models.yaml", param_hint="--plan")
    return plan


def _usd(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd < 0:
        raise typer.BadParameter("a number of US dollars, such as 25.00", param_hint="--usd-per-month")
    return usd


def _models(names: list[str] | None, settings: "Settings | None") -> frozenset[str] | None:
    if not names:
        return None
    unknown = frozenset(names) - settings.names if settings is not None else frozenset()
    if unknown:
        raise typer.BadParameter(f"no such model in models.yaml: {', '.join(sorted(unknown))}", param_hint="--model")
    return frozenset(names)


@keys_app.command("list")
def list_command(config: Config = "models.yaml", as_json: Json = False) -> None:
    """List the keys; tokens are not kept and cannot be shown."""
    keys = list_keys(state_home())
    if as_json:
        print_json([_key_row(key) for key in keys])
        return
    if not keys:
        console().print("no keys: callers on this machine need none. `localfleet keys create NAME` makes one.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("id", "name", "label", "plan", "USD/month", "req/min", "models", "created", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"id", "label", "state"})
    for key in keys:
        row = _key_row(key)
        names = ", ".join(row["models"]) if row["models"] else "all"
        state = "revoked" if key.revoked_at else "active"
        texts = (row["id"], row["name"], row["label"], row["plan"], row["usd_per_month"], row["requests_per_minute"])
        table.add_row(*(str(text) if text is not None else "-" for text in texts), names, row["created"], state)
    console().print(table)


def _key_row(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "label": key.label.word,
        "plan": key.plan,
        "usd_per_month": None if key.usd_per_month is None else f"{key.usd_per_month:f}",
        "requests_per_minute": key.requests_per_minute,
        "models": None if key.models is None else sorted(key.models),
        "created": _day(key.created_at),
        "revoked": None if key.revoked_at is None else _day(key.revoked_at),
    }


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")], config: Config = "models.yaml"
) -> None:
    """Revoke a key; a running router forgets it within a second."""
    home = state_home()
    revoke_key(home, key_id, at=time.time())
    console().print(f"key {key_id} is revoked", markup=False)
    if all(key.revoked_at is not None for key in list_keys(home)):
        console().print("no key is left: the router lets nobody in until `localfleet keys create NAME` makes one")


def report_command(
    by: Annotated[By, typer.Option(help="One line per ...")] = "model",
    days: Annotated[float, typer.Option(help="How far back.", min=0)] = 30,
    quality: Annotated[
        bool, typer.Option("--quality", help="By week: escalated, tried again, cost of an action, feedback, drift.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="What routing reached, what changed, what to change, when to look again.")
    ] = False,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """What happened: requests, tokens, marginal cost by model, tier, label, task, key, reason, day, API or action."""
    if review:
        review_command(days=days, config=config, as_json=as_json)
        return
    if quality:
        settings = _settings(config)
        most = 0.05 if settings is None else settings.limits.quality_drift
        quality_command(by, days=days, as_json=as_json, most=most)
        return
    if by == "action":
        actions_command(days=days, as_json=as_json)
        return
    rows = totals(state_home(), by=by, since=time.time() - days * 86_400)
    aims = _aims(rows, config) if by == "task" else {}
    if as_json:
        print_json([report_row(row) | ({"aims": aims[row.group]} if row.group in aims else {}) for row in rows])
    elif not rows:
        console().print(f"no requests in the last {days:g} days")
        _print_box(days)
    else:
        _print_report(by, rows)
        for task, held in aims.items():
            for one in held:
                console().print(aim_words(task, one), markup=False)
        _print_box(days)


def _aims(rows: list[Total], config: str) -> dict[str, list[dict[str, Any]]]:
    """Task -> its aims, met or missed; nothing where the file writes none."""
    settings = _settings(config)
    tasks = {} if settings is None else settings.tasks
    found = {row.group: aim_rows(tasks[row.group], row) for row in rows if row.group in tasks}
    return {task: held for task, held in found.items() if held}


def report_row(row: Total) -> dict[str, Any]:
    """Plain values: money as text, so that no digit is lost."""
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(asdict(row), default=lambda usd: f"{usd:f}"))
    return loaded


def _print_report(by: str, rows: list[Total]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(by, overflow="fold")
    for heading in ("requests", "failed", "tok in", "tok out", "USD", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cost = f"{row.cost_usd:f}" + (f" + {row.cost_unknown} unknown" if row.cost_unknown else "")
        tokens = (
            _tokens(row.input_tokens, row.estimated_input_tokens),
            _tokens(row.output_tokens, row.estimated_output_tokens),
        )
        times = (f"{ms:.0f}" if ms is not None else "-" for ms in (row.median_ms, row.p95_ms))
        table.add_row(row.group, str(row.requests), str(row.failed), *tokens, cost, *times)
    console().print(table)
    shadows, spent = sum(row.shadows for row in rows), sum((row.shadow_usd for row in rows), Decimal(0))
    if shadows:
        console().print(f"with {shadows} shadows, whose answers nobody got: {spent:f} USD of it", markup=False)
    total = sum((row.cost_usd for row in rows), Decimal(0))
    console().print(f"hosted, marginal: {total:f} USD; the box itself: `localfleet cost compare`", markup=False)


def _print_box(days: float) -> None:
    """How long the box slept and woke, where a router recorded it."""
    until = time.time()
    changes = state_changes(state_home(), until=until)
    if not changes:
        return
    since = max(until - days * 86_400, changes[0].at)
    spans = box_spans(changes, since_s=since, until_s=until)
    woke = wakes(spans)
    asleep_s = sum(span.end_us - span.start_us for span in spans) / 1e6 - sum(woke)
    often = "once" if len(woke) == 1 else f"{len(woke)} times"
    console().print(
        f"the box since {_day(since)} UTC: asleep {asleep_s / 3600:,.1f} h, loaded {often} in "
        f"{sum(woke) / 3600:,.2f} h, awake the rest of {(until - since) / 3600:,.1f} h; in dollars: "
        "`localfleet cost chargeback`",
        markup=False,
    )


def _tokens(measured: int, estimated: int) -> str:
    """Measured, with what was only estimated marked by a tilde."""
    return f"{measured:,} ~{estimated:,}" if estimated else f"{measured:,}"
