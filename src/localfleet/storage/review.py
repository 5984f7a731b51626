"""Receipts as a review looks at them: by week, task and tier, with 95th percentiles and what callers said."""

from dataclasses import dataclass
from pathlib import Path

from localfleet.core.review import Cell, Reached
from localfleet.core.routing.escalation import ESCALATIONS
from localfleet.storage.database import Database
from localfleet.storage.money import add_up
from localfleet.storage.reading import reading

__all__ = ["Reviewed", "reviewed"]

_UP = tuple(sorted(str(reason) for reason in ESCALATIONS))
_CELLS = """
WITH spent AS (
    SELECT coalesce(action, request_id) AS id, sum(cost_pico / 1000000) AS millions, sum(cost_pico % 1000000) AS ones,
        group_concat(cost_rest) AS rests, sum(cost_pico IS NULL AND attempts > 0) AS unknown,
        sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out
    FROM receipts WHERE at >= {since!r} AND at < {until!r} AND role IS NOT 'shadow' GROUP BY 1)
SELECT date(r.at, 'unixepoch', 'weekday 0', '-6 days'), coalesce(r.task, 'none'), r.tier, count(*),
    sum(r.outcome = 'answered'), sum(r.reason IN {up}), coalesce(sum(s.tokens_in), 0), coalesce(sum(s.tokens_out), 0),
    sum(s.unknown), sum(s.millions), sum(s.ones), group_concat(s.rests)
FROM receipts r JOIN spent s ON s.id = r.request_id
WHERE r.action IS NULL AND r.tier IS NOT NULL AND r.at >= {since!r} AND r.at < {until!r}
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_RANKED = """
SELECT g, max(CASE WHEN n = (many * 95 + 99) / 100 THEN ms END) FROM (
    SELECT coalesce({group}, 'none') AS g, {ms} AS ms, row_number() OVER (PARTITION BY {group} ORDER BY {ms}) AS n,
        count(*) OVER (PARTITION BY {group}) AS many
    FROM receipts WHERE action IS NULL AND {ms} IS NOT NULL AND at >= {since!r} AND at < {until!r})
GROUP BY g
"""
_SAID = """
SELECT r.tier, count(f.accepted), avg(f.accepted) FROM receipts r JOIN feedback f ON f.seq = (
    SELECT max(seq) FROM feedback WHERE request_id = r.request_id AND (key_id = r.key_id OR key_id IS NULL))
WHERE r.action IS NULL AND r.tier IS NOT NULL AND r.at >= {since!r} AND r.at < {until!r} GROUP BY r.tier
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """`reached` by `tier NAME` and `task NAME`; `first_at` is the first receipt ever, Unix seconds."""

    cells: list[Cell]
    reached: dict[str, Reached]
    first_at: float | None


def reviewed(home: Path, *, since: float, until: float) -> Reviewed:
    """Requests with `since <= at < until` (Unix seconds) that reached a door. Raises `LedgerFault`."""
    times = {"since": float(since), "until": float(until)}
    with reading(home) as database:
        if database is None:
            return Reviewed(cells=[], reached={}, first_at=None)
        with database.snapshot():
            cells = [_cell(*row) for row in database.all(_CELLS.format(up=_UP, **times))]
            said = {tier: (many, share) for tier, many, share in database.all(_SAID.format(**times))}
            reached = {
                f"{kind} {name}": Reached(
                    group=name,
                    p95_first_byte_ms=first,
                    p95_total_ms=_ranked(database, kind, "total_ms", times).get(name),
                    accepted=said.get(name, (0, None))[1] if kind == "tier" else None,
                    said=said.get(name, (0, None))[0] if kind == "tier" else 0,
                )
                for kind in ("tier", "task")
                for name, first in _ranked(database, kind, "first_byte_ms", times).items()
            }
            first_at = database.all("SELECT min(at) FROM receipts")[0][0]
    return Reviewed(cells=cells, reached=reached, first_at=first_at)


def _ranked(database: Database, group: str, ms: str, times: dict[str, float]) -> dict[str, float]:
    """The nearest-rank 95th percentile of a time, by group."""
    return dict(tuple(row) for row in database.all(_RANKED.format(group=group, ms=ms, **times)))


def _cell(*row: object) -> Cell:
    monday, task, tier, requests, answered, escalated, tokens_in, tokens_out, unknown, *money = row
    return Cell(
        monday=str(monday),
        task=str(task),
        tier=str(tier),
        requests=int(requests),  # type: ignore[call-overload]  # SQLite's integers have no types here
        answered=int(answered),  # type: ignore[call-overload]  # the same
        escalated=int(escalated),  # type: ignore[call-overload]  # the same
        input_tokens=int(tokens_in),  # type: ignore[call-overload]  # the same
        output_tokens=int(tokens_out),  # type: ignore[call-overload]  # the same
        usd=None if unknown else add_up(*money),  # type: ignore[arg-type]  # the same
    )
