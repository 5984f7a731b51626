"""`report --review`: what routing reached and cost, what changed, what to change and why, and when to look again."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import console, print_json, state_home
from localfleet.config import Settings, load_settings
from localfleet.core.review import Aims, Figures, due_dates, figures, findings
from localfleet.storage.overhead import overhead
from localfleet.storage.review import reviewed

__all__ = ["review_command"]


def review_command(*, days: float, config: str, as_json: bool) -> None:
    """Print the review; aims come from the file, where there is one."""
    now = time.time()
    seen = reviewed(state_home(), since=now - days * 86_400, until=now)
    aims = _aims(load_settings(config)) if Path(config).exists() else Aims()
    found = findings(seen.cells, seen.reached, aims)
    tables = {by: figures(seen.cells, by=by) for by in ("tier", "task")}
    today = datetime.fromtimestamp(now, UTC).date()
    first = today if seen.first_at is None else datetime.fromtimestamp(seen.first_at, UTC).date()
    due = due_dates(first, today)
    before = overhead(state_home(), since=now - days * 86_400, until=now)
    if as_json:
        rows = {by: [_plain(row) for row in table] for by, table in tables.items()}
        told: dict[str, Iterable[object]] = {"weeks": seen.cells, "findings": found, "due": due, "overhead": before}
        print_json({**rows, **{name: [_plain(one) for one in some] for name, some in told.items()}})
        return
    if not seen.cells:
        console().print(f"no requests in the last {days:g} days")
    for by, table in tables.items():
        if table:
            _print(by, table)
    for stage in before:
        times = f"{stage.median_ms:.2f} ms in the median, {stage.p95_ms:.2f} ms at the 95th percentile"
        console().print(f"  overhead: to {stage.name} took {times} of {stage.requests} requests", markup=False)
    for one in found:
        mark = "!" if one.bad else " "
        console().print(f"{mark} {one.about}: {one.seen}; {one.advice}", markup=False)
    for what in due:
        console().print(f"due {what.on}: {what.what}", markup=False)


def _aims(settings: Settings) -> Aims:
    tiers = settings.tiers
    quality = {name: tier.quality for name, tier in tiers.items() if isinstance(tier.quality, float)}
    hosted = {model.tier for model in settings.hosted.values()}
    levels = {name: tiers[name].level or 5 for name in hosted if name in tiers}
    return Aims(
        tier_ms={name: tier.latency_ms for name, tier in tiers.items() if tier.latency_ms is not None},
        tier_quality=quality,
        task_ms={name: task.latency_ms for name, task in settings.tasks.items() if task.latency_ms is not None},
        alarm=settings.limits.escalation_alarm,
        top=max(levels, key=lambda name: levels[name]) if levels else "premium",
    )


def _plain(value: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(asdict(value), default=lambda usd: f"{usd:f}"))
    return loaded


def _print(by: str, rows: list[Figures]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(by, no_wrap=True)
    for heading in ("requests", "share", "escalated", "USD/answer"):
        table.add_column(heading, justify="right")
    for row in rows:
        usd = "unknown" if row.usd_per_answer is None else f"{row.usd_per_answer:.6f}"
        table.add_row(row.group, str(row.requests), f"{row.share:.0%}", f"{row.escalated:.0%}", usd)
    console().print(table)
