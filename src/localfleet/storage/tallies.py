"""How right each model was at each task, as callers said: one sum for each pair, to blend with scores."""

from dataclasses import dataclass
from pathlib import Path

from localfleet.storage.reading import all_rows

__all__ = ["ModelTally", "tallies"]

_SQL = """
WITH said AS (
    SELECT r.model AS model, r.task AS task,
        CASE WHEN f.score IS NOT NULL THEN f.score WHEN f.corrected = 1 THEN 0.0
            WHEN f.accepted IS NULL AND f.corrected IS NULL THEN NULL ELSE coalesce(f.accepted, 1) END AS quality
    FROM receipts r JOIN feedback f ON f.seq = (
        SELECT max(seq) FROM feedback WHERE request_id = r.request_id AND (key_id = r.key_id OR key_id IS NULL))
    WHERE r.action IS NULL AND r.model IS NOT NULL AND r.at >= {since!r} AND r.at < {until!r})
SELECT model, task, count(quality), sum(quality) FROM said WHERE quality IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTally:
    """Answers of one model at one task that somebody spoke of, and the sum of their qualities, each from 0 to 1."""

    model: str
    task: str | None
    count: int
    total: float


def tallies(home: Path, *, since: float, until: float) -> list[ModelTally]:
    """Of requests with `since <= at < until` (Unix seconds); of several words on one the last. Raises `LedgerFault`."""
    rows = all_rows(home, _SQL.format(since=float(since), until=float(until)))
    return [ModelTally(model=model, task=task, count=count, total=float(total)) for model, task, count, total in rows]
