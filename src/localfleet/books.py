"""What pages and start-up read of the ledger: plain values for the console, and what budgets have already spent."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from localfleet.core.budget import Purses
from localfleet.errors import LedgerClosed
from localfleet.ports import Ledger, LedgerHealth
from localfleet.storage.report import recent, totals

__all__ = ["BookReader", "seed_purses"]

By = Literal["model", "tier", "label", "task", "key", "reason", "day", "api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookReader:
    """Reads beside the writer; SQLite's WAL keeps the two out of each other's way."""

    home: Path
    ledger: Ledger

    @property
    def health(self) -> LedgerHealth:
        """From memory."""
        return self.ledger.health

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The newest receipts; an empty list while the ledger cannot be read."""
        return self._rows(lambda: recent(self.home, limit=limit))

    def summary(self, *, by: By, since: float) -> list[dict[str, Any]]:
        """Totals by one dimension; an empty list while the ledger cannot be read."""
        return self._rows(lambda: totals(self.home, by=by, since=since))

    def _rows(self, read: Callable[[], Iterable[Any]]) -> list[dict[str, Any]]:
        try:
            return [_plain(asdict(row)) for row in read()]
        except LedgerClosed:
            return []


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in row.items()}


def seed_purses(purses: Purses, ledger: Ledger, *, keys: Iterable[str], tiers: Iterable[str], now: float) -> None:
    """Book what this month's keys and today's tiers have spent already; raises `LedgerClosed`."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = [(("key", key), ledger.spent_usd(key_id=key, since=today.replace(day=1).timestamp())) for key in keys]
    spent += [(("tier", tier), ledger.spent_usd(tier=tier, since=today.timestamp())) for tier in tiers]
    for scope, usd in spent:
        purses.book(scope, usd, now)
