"""What a router that starts must know of the last day: requests and money by plan, task, tier and hour."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Integer, case, cast, func, select

from localfleet.storage.money import add_up
from localfleet.storage.reading import all_rows
from localfleet.storage.report import split_sums
from localfleet.storage.schema import receipts

__all__ = ["Slot", "last_day"]

HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Requests that reached a decision within one hour; `at` is its beginning, Unix seconds."""

    plan: str | None
    task: str | None
    tier: str | None
    at: float
    requests: int
    usd: Decimal


def last_day(home: Path, *, since: float) -> list[Slot]:
    """By plan, task, tier and hour since a time; money that is unknown counts with what was reserved for it."""
    hour = cast(receipts.c.at / HOUR_S, Integer)
    # The parts of an action hold its money; the action itself is the one request.
    whole = func.sum(case((receipts.c.action.is_(None), 1), else_=0), type_=Integer)
    owed = func.coalesce(receipts.c.cost_pico, 0) + func.coalesce(receipts.c.reserved_pico, 0)
    by = (receipts.c.plan, receipts.c.task, receipts.c.tier, hour)
    query = (
        select(*by, whole, *split_sums(owed), func.group_concat(receipts.c.cost_rest))
        .where(receipts.c.at >= since)
        .group_by(*by)
    )
    rows = all_rows(home, query)
    return [
        Slot(plan=plan, task=task, tier=tier, at=float(of * HOUR_S), requests=many, usd=add_up(*money))
        for plan, task, tier, of, many, *money in rows
    ]
