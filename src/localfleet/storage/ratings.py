"""Ratings of answers by tier in the order that they came: what people said, and what shadows' judges said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from localfleet.core.feedback import Feedback
from localfleet.core.routing.drift import PEOPLE, judged_by, rating_of
from localfleet.storage.reading import reading

__all__ = ["Rating", "ratings"]

_PEOPLE = """
SELECT f.at, r.tier, r.request_id, f.accepted, f.corrected, f.score FROM receipts r JOIN feedback f
ON f.request_id = r.request_id AND (f.key_id = r.key_id OR f.key_id IS NULL)
WHERE r.action IS NULL AND r.tier IS NOT NULL AND r.at >= {since!r} AND r.at < {until!r} ORDER BY f.seq
"""
_JUDGED = """
SELECT r.at, c.body FROM receipts r JOIN chain c ON c.seq = r.seq
WHERE r.role = 'shadow' AND r.outcome = 'answered' AND r.request_id LIKE '%-shadow'
    AND r.at >= {since!r} AND r.at < {until!r} ORDER BY r.seq
"""
ROLE, TIER, SCORE, ASPECT = 1, 3, 9, 10
"""Places in a part's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One, from 0 to 1; `by` people, a judge, or a judge of one aspect (`judge:safety`); `at` Unix seconds."""

    at: float
    tier: str
    by: str
    quality: float


def ratings(home: Path, *, since: float, until: float) -> list[Rating]:
    """Of requests with `since <= at < until` (Unix seconds), oldest first. Raises `LedgerFault`."""
    times = {"since": float(since), "until": float(until)}
    with reading(home) as database:
        if database is None:
            return []
        with database.snapshot():
            said = [_said(*row) for row in database.all(_PEOPLE.format(**times))]
            judged = [one for row in database.all(_JUDGED.format(**times)) for one in _judged(*row)]
    return sorted([*(one for one in said if one is not None), *judged], key=lambda one: one.at)


def _said(at: float, tier: str, *row: Any) -> Rating | None:
    request_id, accepted, corrected, score = row
    said = Feedback(
        request_id=request_id,
        at=at,
        key_id=None,
        accepted=None if accepted is None else bool(accepted),
        corrected=None if corrected is None else bool(corrected),
        score=score,
    )
    quality = rating_of(said)
    return None if quality is None else Rating(at=at, tier=tier, by=PEOPLE, quality=quality)


def _judged(at: float, body: str) -> list[Rating]:
    parts = [part for part in orjson.loads(body).get("parts", ()) if part[ROLE] in {"control", "shadow"}]
    known = [part for part in parts if part[SCORE] is not None and part[TIER] is not None]
    return [Rating(at=at, tier=part[TIER], by=_by(part), quality=part[SCORE]) for part in known]


def _by(part: list[Any]) -> str:
    return judged_by(part[ASPECT] if len(part) > ASPECT else "quality")
