"""
How good the answers were, week by week: what was escalated, tried again, accepted, corrected, and what one cost.

Read from `receipts` and `feedback`. A request counts once, with the money of all its parts: the cost of a completed
action. SQL does the adding.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from localfleet.core.reason import Reason
from localfleet.storage.money import add_up
from localfleet.storage.reading import all_rows

__all__ = ["Grouping", "Week", "quality"]

Grouping = Literal["task", "tier", "model", "arm", "key", "label", "all"]
_COLUMN: dict[Grouping, str] = {
    "task": "r.task",
    "tier": "r.tier",
    "model": "r.model",
    "arm": "r.arm",
    "key": "r.key_id",
    "label": "r.label",
    "all": "'all'",
}
_JUDGED = tuple(str(reason) for reason in (Reason.ANSWER_UNSURE, Reason.ANSWER_INVALID, Reason.ANSWER_POOR))
_SQL = """
WITH spent AS (
    SELECT coalesce(action, request_id) AS id, sum(cost_pico / 1000000) AS millions, sum(cost_pico % 1000000) AS ones,
        group_concat(cost_rest) AS rests, sum(cost_pico IS NULL AND attempts > 0) AS unknown
    FROM receipts WHERE at >= {since!r} AND at < {until!r} AND role IS NOT 'shadow' GROUP BY 1)
SELECT coalesce({group}, 'none'), date(r.at, 'unixepoch', 'weekday 0', '-6 days'), count(*),
    sum(r.outcome = 'answered'), sum(r.reason IN {judged}), sum(r.attempts > 1), sum(max(r.attempts - 1, 0)),
    sum(s.millions), sum(s.ones), group_concat(s.rests), sum(s.unknown),
    sum(f.request_id IS NOT NULL), sum(f.accepted IS NOT NULL), sum(f.accepted), sum(f.corrected IS NOT NULL),
    sum(f.corrected), count(f.score), sum(f.score), sum(f.score * f.score)
FROM receipts r JOIN spent s ON s.id = r.request_id
LEFT JOIN feedback f ON f.seq = (
    SELECT max(seq) FROM feedback WHERE request_id = r.request_id AND (key_id = r.key_id OR key_id IS NULL))
WHERE r.action IS NULL AND r.at >= {since!r} AND r.at < {until!r}
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """
    One group in one week (`monday`, UTC). Rates are from 0 to 1, `None` where nothing was said.

    `completed` were answered; `escalated` went on because of a judge; `fell_back` went to more than one door for any
    reason; `retries` are attempts beyond each first. `usd_per_action` is the money of all calls, drafts and judges
    included, for each completed request; `None` where some of it is unknown. `score_sd` is the standard deviation of
    the scores.
    """

    group: str
    monday: str
    requests: int
    completed: int
    escalated: int
    fell_back: int
    retries: int
    usd: Decimal
    usd_unknown: int
    usd_per_action: Decimal | None
    feedback: int
    accepted_rate: float | None
    corrected_rate: float | None
    score: float | None
    score_sd: float | None
    scored: int


def quality(home: Path, *, by: Grouping = "task", since: float, until: float) -> list[Week]:
    """Requests with `since <= at < until` (Unix seconds), by group and week, oldest first. Raises `LedgerFault`."""
    sql = _SQL.format(group=_COLUMN[by], judged=_JUDGED, since=float(since), until=float(until))
    return [_week(*row) for row in all_rows(home, sql)]


def _week(*row: Any) -> Week:
    group, monday, requests, completed, escalated, fell_back, retries = row[:7]
    usd, unknown = add_up(*row[7:10]), row[10] or 0
    told, accept_told, accepted, correct_told, corrected, scored, total, squares = row[11:]
    mean = None if not scored else total / scored
    return Week(
        group=str(group),
        monday=monday,
        requests=requests,
        completed=completed,
        escalated=escalated or 0,
        fell_back=fell_back,
        retries=retries,
        usd=usd,
        usd_unknown=unknown,
        usd_per_action=None if unknown or not completed else usd / completed,
        feedback=told,
        accepted_rate=accepted / accept_told if accept_told else None,
        corrected_rate=corrected / correct_told if correct_told else None,
        score=mean,
        score_sd=None if mean is None or scored < 2 else max((squares - scored * mean**2) / (scored - 1), 0) ** 0.5,
        scored=scored,
    )
