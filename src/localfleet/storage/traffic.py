"""
The ledger's receipts as traffic: request by request for a replay, and summed by model for a reconciliation.

Streams: a million receipts take the memory of one. Reads beside a running router.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import case, func, select

from localfleet.core.label import Label
from localfleet.storage.money import add_up
from localfleet.storage.reading import all_rows, each_row
from localfleet.storage.report import split_sums
from localfleet.storage.schema import receipts

__all__ = ["Served", "Worked", "served", "worked"]

RESTRICTED = Label.RESTRICTED.value


class Served(NamedTuple):
    """One request that reached a model. `at_s` is Unix time; tokens are 0 where nobody counted them."""

    at_s: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    restricted: bool
    model: str
    task: str
    local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """
    What one model did in a period: all its requests, and tokens as the engine counted them.

    `estimated` requests have tokens that the router guessed; they are not in the tokens here.
    """

    model: str
    tier: str
    requests: int
    estimated: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    usd: Decimal


def served(home: Path, *, since: float, until: float) -> Iterator[Served]:
    """Requests with `since <= at < until` that have tokens, in the order of time. Raises `LedgerFault`."""
    # Numbers of our own, no text of anybody's.
    query = f"""
        SELECT at, input_tokens, output_tokens, coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0),
               label = {RESTRICTED:d}, coalesce(model, ''), coalesce(task, ''), tier = 'local'
        FROM receipts
        WHERE at >= {since!r} AND at < {until!r} AND input_tokens IS NOT NULL AND output_tokens IS NOT NULL
        ORDER BY at
    """  # noqa: S608  # see above
    yield from map(Served._make, each_row(home, query))


def worked(home: Path, *, since: float, until: float) -> list[Worked]:
    """Sums by model of the requests with `since <= at < until` that reached one. Raises `LedgerFault`."""
    guessed = func.coalesce(receipts.c.measured, 1) == 0
    counted = case((guessed, 0), else_=1)
    query = (
        select(
            receipts.c.model,
            func.max(func.coalesce(receipts.c.tier, "")),
            func.count(),
            func.sum(1 - counted),
            func.coalesce(func.sum(receipts.c.input_tokens * counted), 0),
            func.coalesce(func.sum(receipts.c.output_tokens * counted), 0),
            func.coalesce(func.sum(receipts.c.cache_read_tokens * counted), 0),
            *split_sums(receipts.c.cost_pico),
            func.group_concat(receipts.c.cost_rest),
        )
        .where(receipts.c.model.is_not(None), receipts.c.at >= since, receipts.c.at < until)
        .group_by(receipts.c.model)
        .order_by(receipts.c.model)
    )
    rows = all_rows(home, query)
    return [
        Worked(
            model=row[0],
            tier=row[1],
            requests=row[2],
            estimated=row[3],
            input_tokens=row[4],
            output_tokens=row[5],
            cache_read_tokens=row[6],
            usd=add_up(*row[7:10]),
        )
        for row in rows
    ]
