"""`report --by action`: what pieces of work took and cost, as callers name them in `x-localfleet-action`."""

import time
from dataclasses import asdict
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import console, print_json, state_home
from localfleet.storage.actions import CallerAction, Completed, caller_actions, completed

__all__ = ["actions_command"]

SHOWN, SHOWN_DIGITS = 20, 12
"""Rows, and digits of a name: all of both with --json."""
NOBODY = "no request named an action in the last {days:g} days: send `x-localfleet-action` with your name for the work"


def actions_command(*, days: float, as_json: bool) -> None:
    """Print the dearest pieces of work, and what one completed cost."""
    now = time.time()
    found = caller_actions(state_home(), since=now - days * 86_400, until=now)
    together = completed(found)
    if as_json:
        print_json(
            {"together": None if together is None else _plain(together), "actions": [_plain(one) for one in found]}
        )
    elif together is None:
        console().print(NOBODY.format(days=days), markup=False)
    else:
        _print(sorted(found, key=lambda one: (-one.usd, -one.calls, one.name))[:SHOWN], len(found))
        console().print(_told(together), markup=False)


def _plain(value: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(asdict(value), default=lambda usd: f"{usd:f}"))
    return loaded


def _print(rows: list[CallerAction], many: int) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("action", no_wrap=True)
    for heading in ("requests", "calls", "escalated", "tokens", "USD", "completed"):
        table.add_column(heading, justify="right")
    for row in rows:
        usd = f"{row.usd:f}" + (f" + {row.usd_unknown} unknown" if row.usd_unknown else "")
        figures = (row.requests, row.calls, row.escalated, f"{row.input_tokens + row.output_tokens:,}")
        table.add_row(row.name[:SHOWN_DIGITS], *map(str, figures), usd, "yes" if row.completed else "no")
    console().print(table)
    if many > len(rows):
        console().print(f"the {len(rows)} dearest of {many}; all of them with --json", markup=False)


def _told(together: Completed) -> str:
    usd = together.usd_per_completed
    cost = "at a cost that is unknown" if usd is None else f"{usd:.6f} USD for each completed"
    return (
        f"{together.completed} of {together.actions} actions completed, {cost}; for each action "
        f"{together.requests_per_action:.1f} requests, {together.calls_per_action:.1f} calls, "
        f"{together.tokens_per_action:,.0f} tokens; {together.escalated_share:.0%} of requests escalated"
    )
