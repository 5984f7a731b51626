"""Requests that somebody judged: by which kind of door each was answered, and how well, for training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localfleet.storage.reading import all_rows

__all__ = ["Judged", "judged"]

_SQL = """
SELECT r.request_id, r.model, r.tier, r.task, f.accepted, f.corrected, f.score
FROM receipts r JOIN feedback f ON f.seq = (
    SELECT max(seq) FROM feedback WHERE request_id = r.request_id AND (key_id = r.key_id OR key_id IS NULL))
WHERE r.outcome = 'answered' AND r.model IS NOT NULL AND r.action IS NULL
ORDER BY r.at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One answered request; `score` from 0 to 1, the last word said of it."""

    request_id: str
    model: str
    local: bool
    task: str | None
    score: float


def judged(home: Path) -> list[Judged]:
    """All judged requests, the oldest first; none where there is no ledger. Raises `LedgerFault`."""
    return [_judged(*row) for row in all_rows(home, _SQL)]


def _judged(*row: Any) -> Judged:
    request_id, model, tier, task, accepted, corrected, score = row
    return Judged(
        request_id=request_id, model=model, local=tier == "local", task=task, score=_score(accepted, corrected, score)
    )


def _score(accepted: int | None, corrected: int | None, score: float | None) -> float:
    """A score as given; else 1 for an answer that was used as it was, 0 for one that was not, or had to be changed."""
    if score is not None:
        return score
    return float(accepted != 0 and not corrected)
