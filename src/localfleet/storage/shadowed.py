"""Shadows as the ledger tells them: the caller's answer and the shadow's, what judges said of each and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from localfleet.core.split import TRIAL
from localfleet.storage.reading import all_rows

__all__ = ["Shadowed", "shadowed"]

_SQL = """
SELECT c.body FROM receipts r JOIN chain c ON c.seq = r.seq
WHERE r.role = 'shadow' AND r.request_id LIKE '%-shadow' AND r.at >= {since!r} AND r.at < {until!r} ORDER BY r.seq
"""
NOT_ASKED = (None, None)
ROLE, COST, SCORE = 1, 7, 9
"""Places in a part's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowed:
    """One shadow; `outcome` is `answered` where there are two answers. Quality is 0 to 1, or `None`: a judge failed."""

    experiment: str
    at: float
    outcome: str
    control_quality: float | None
    control_usd: Decimal | None
    trial_quality: float | None
    trial_usd: Decimal | None


def shadowed(home: Path, *, since: float, until: float) -> list[Shadowed]:
    """Those with `since <= at < until` (Unix seconds), oldest first. Raises `LedgerFault`."""
    rows = all_rows(home, _SQL.format(since=float(since), until=float(until)))
    return [_one(orjson.loads(body)) for (body,) in rows]


def _one(body: Mapping[str, Any]) -> Shadowed:
    parts = {part[ROLE]: (part[SCORE], part[COST]) for part in body.get("parts", ())}
    control, trial = parts.get("control", NOT_ASKED), parts.get("shadow", NOT_ASKED)
    return Shadowed(
        experiment=body["arm"].removesuffix(f":{TRIAL}"),
        at=body["at"],
        outcome=body["outcome"],
        control_quality=control[0],
        control_usd=None if control[1] is None else Decimal(control[1]),
        trial_quality=trial[0],
        trial_usd=None if trial[1] is None else Decimal(trial[1]),
    )
