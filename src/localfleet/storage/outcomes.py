"""
What the ledger knows of answers and of how good they were: for thresholds that are proposed anew (S82).

For each request: what a judge said of its first door's answer, and how good that and the last door's answer were, as
far as anybody said. Callers say it of the answer that they got (`/api/feedback`); a shadow has both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from localfleet.storage.reading import reading

__all__ = ["Rated", "rated"]

_SQL = """
SELECT r.request_id, r.task, r.model, r.tier, c.body, f.accepted, f.corrected, f.score
FROM receipts r JOIN chain c ON c.seq = r.seq LEFT JOIN feedback f ON f.seq = (
    SELECT max(seq) FROM feedback WHERE request_id = r.request_id AND (key_id = r.key_id OR key_id IS NULL))
WHERE r.outcome = 'answered' AND r.model IS NOT NULL AND r.action IS NULL AND r.at >= {since!r} AND r.at < {until!r}
ORDER BY r.at
"""
_SHADOWS = """
SELECT r.action, c.body FROM receipts r JOIN chain c ON c.seq = r.seq
WHERE r.role = 'shadow' AND r.outcome = 'answered' AND r.request_id LIKE '%-shadow' AND r.at >= {since!r}
"""
ROLE, MODEL, VERDICT, SCORE = 1, 2, 8, 9
"""Places in a part's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """
    One answered request. `said` are qualities from 0 to 1 by model, of those whose answer somebody or a judge rated.

    `drafts` are the models whose answers a cascade had judged, with the score of each, `None` where there was none.
    """

    request_id: str
    task: str | None
    model: str
    local: bool
    said: Mapping[str, float]
    drafts: tuple[tuple[str, float | None], ...]


def rated(home: Path, *, since: float, until: float) -> list[Rated]:
    """Requests with `since <= at < until` (Unix seconds) of which something was said, oldest first; `LedgerFault`."""
    times = {"since": float(since), "until": float(until)}
    with reading(home) as database:
        if database is None:
            return []
        with database.snapshot():
            shadows = dict(tuple(row) for row in database.all(_SHADOWS.format(**times)))
            rows = [_rated(shadows, *row) for row in database.all(_SQL.format(**times))]
    return [row for row in rows if row.said]


def _rated(shadows: Mapping[str, str], *row: Any) -> Rated:
    request_id, task, model, tier, body, accepted, corrected, score = row
    said = dict(_pair(orjson.loads(shadows[request_id]))) if request_id in shadows else {}
    if not said and (accepted, corrected, score) != (None, None, None):
        said = {model: score if score is not None else float(accepted != 0 and not corrected)}
    parts = orjson.loads(body).get("parts", ())
    drafts = tuple((part[MODEL], part[SCORE]) for part in parts if part[ROLE] == "draft" and part[VERDICT])
    return Rated(request_id=request_id, task=task, model=model, local=tier == "local", said=said, drafts=drafts)


def _pair(body: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Both answers as the shadow's judge graded them; nothing where it failed at one."""
    both = [part for part in body.get("parts", ()) if part[ROLE] in {"control", "shadow"}]
    if len(both) == 2 and all(part[SCORE] is not None for part in both):
        yield from ((part[MODEL], part[SCORE]) for part in both)
