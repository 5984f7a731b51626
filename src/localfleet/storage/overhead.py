"""What requests paid before any door was tried, from the ledger: time to classify, time to order doors (S80)."""

from dataclasses import dataclass
from pathlib import Path

from localfleet.storage.reading import reading

__all__ = ["Stage", "overhead"]

STAGES = ("classify", "route")
_SQL = """
SELECT ms, n, many FROM (
    SELECT ms, row_number() OVER (ORDER BY ms) AS n, count(*) OVER () AS many FROM (
        SELECT json_extract(c.body, '$.{stage}_ms') AS ms FROM receipts r JOIN chain c ON c.seq = r.seq
        WHERE r.at >= {since!r} AND r.at < {until!r}) WHERE ms IS NOT NULL)
WHERE n IN ((many + 1) / 2, (many * 95 + 99) / 100) ORDER BY n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage over many requests: the median and the 95th percentile (nearest rank)."""

    name: str
    requests: int
    median_ms: float
    p95_ms: float


def overhead(home: Path, *, since: float, until: float) -> list[Stage]:
    """Of requests with `since <= at < until` (Unix seconds) whose time was taken. Raises `LedgerFault`."""
    found = []
    with reading(home) as database:
        for stage in STAGES if database is not None else ():
            assert database is not None, "the line above looked"
            rows = database.all(_SQL.format(stage=stage, since=float(since), until=float(until)))
            if rows:
                half, most = rows[0], rows[-1]
                found.append(Stage(name=stage, requests=most[2], median_ms=half[0], p95_ms=most[0]))
    return found
