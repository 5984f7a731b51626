"""
Pieces of work as callers name them: what each took and cost, over all the requests that named it (S16, N10).

A piece of work is completed where its last request was answered and nobody said that it was no use. Shadows are
nobody's work and count nowhere here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from localfleet.core.reason import Reason
from localfleet.core.routing.escalation import ESCALATIONS
from localfleet.storage.money import add_up
from localfleet.storage.reading import all_rows

__all__ = ["CallerAction", "Completed", "caller_actions", "completed"]

_UP = tuple(sorted(str(reason) for reason in ESCALATIONS))
_SQL = """
WITH named AS (
    SELECT *, request_id IN (SELECT action FROM receipts WHERE action IS NOT NULL) AS has_parts
    FROM receipts WHERE caller_action IS NOT NULL AND role IS NOT 'shadow' AND at >= {since!r} AND at < {until!r}),
whole AS (
    SELECT caller_action AS name, min(key_id) AS key_id, min(at) AS first_at, max(at) AS last_at,
        sum(action IS NULL) AS requests, sum(CASE WHEN has_parts THEN 0 ELSE attempts END) AS calls,
        sum(action IS NULL AND reason IN {up}) AS escalated, coalesce(sum(input_tokens), 0) AS tokens_in,
        coalesce(sum(output_tokens), 0) AS tokens_out, sum(cost_pico IS NULL AND attempts > 0) AS unknown,
        sum(cost_pico / 1000000) AS millions, sum(cost_pico % 1000000) AS ones, group_concat(cost_rest) AS rests
    FROM named GROUP BY caller_action)
SELECT w.name, w.key_id, w.first_at, w.last_at, w.requests, w.calls, w.escalated, w.tokens_in, w.tokens_out, w.unknown,
    w.millions, w.ones, w.rests,
    (SELECT outcome FROM named n WHERE n.caller_action = w.name AND n.action IS NULL ORDER BY n.seq DESC LIMIT 1),
    f.accepted, f.corrected, f.score
FROM whole w LEFT JOIN feedback f ON f.seq = (
    SELECT max(seq) FROM feedback WHERE request_id = w.name AND (key_id = w.key_id OR key_id IS NULL))
ORDER BY w.first_at, w.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerAction:
    """
    One piece of work; `name` is the keyed hash that answers' headers say. Times are Unix seconds.

    `calls` are tries at doors, drafts, judges and stages included; `escalated` are requests that went to a stronger or
    a later door. `usd` leaves out the `usd_unknown` calls whose price nobody knows.
    """

    name: str
    key_id: str
    first_at: float
    last_at: float
    requests: int
    calls: int
    escalated: int
    input_tokens: int
    output_tokens: int
    usd: Decimal
    usd_unknown: int
    completed: bool
    accepted: bool | None
    corrected: bool | None
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """
    Many pieces of work together. What one completed cost holds what those cost that were not completed.

    `None` where none was completed, or some money is unknown.
    """

    actions: int
    completed: int
    usd_per_completed: Decimal | None
    requests_per_action: float
    calls_per_action: float
    tokens_per_action: float
    escalated_share: float
    """Of all their requests."""


def caller_actions(home: Path, *, since: float, until: float) -> list[CallerAction]:
    """Every one with a request at `since <= at < until` (Unix seconds), oldest first. Raises `LedgerFault`."""
    sql = _SQL.format(up=_UP, since=float(since), until=float(until))
    return [_action(*row) for row in all_rows(home, sql)]


def completed(actions: Sequence[CallerAction]) -> Completed | None:
    """The sums of several; `None` of none."""
    if not actions:
        return None
    many, done = len(actions), sum(one.completed for one in actions)
    requests = sum(one.requests for one in actions)
    known = done > 0 and not any(one.usd_unknown for one in actions)
    return Completed(
        actions=many,
        completed=done,
        usd_per_completed=sum((one.usd for one in actions), Decimal(0)) / done if known else None,
        requests_per_action=requests / many,
        calls_per_action=sum(one.calls for one in actions) / many,
        tokens_per_action=sum(one.input_tokens + one.output_tokens for one in actions) / many,
        escalated_share=sum(one.escalated for one in actions) / max(requests, 1),
    )


def _action(*row: Any) -> CallerAction:
    last, accepted, corrected, score = row[13:]
    return CallerAction(
        **dict(zip(("name", "key_id", "first_at", "last_at", "requests", "calls", "escalated"), row[:7], strict=True)),
        input_tokens=row[7],
        output_tokens=row[8],
        usd_unknown=row[9],
        usd=add_up(*row[10:13]),
        completed=last == Reason.ANSWERED and accepted != 0,
        accepted=None if accepted is None else bool(accepted),
        corrected=None if corrected is None else bool(corrected),
        score=score,
    )
