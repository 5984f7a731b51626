"""What pages and start-up read of the ledger: plain values for the console, and what budgets have already spent."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from localfleet.core.budget import Purses, Scope, day_of
from localfleet.core.routing.caps import Caps, plan_scope
from localfleet.core.routing.shares import ALL, Of
from localfleet.core.shadow import HOUR_S, ROLE, Hours, payer_id
from localfleet.errors import LedgerClosed
from localfleet.ports import Ledger, LedgerHealth
from localfleet.storage.day import Slot, last_day
from localfleet.storage.keys import list_keys
from localfleet.storage.report import begun, recent, totals

__all__ = ["BookReader", "Seeds"]

DAY_S = 86_400
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


@dataclass(slots=True, kw_only=True)
class Seeds:
    """
    Tells the purses what keys spent this month and tiers today before this router booked it itself: once for each.

    From then on the purses count every dollar, whether a limit holds or not, so a limit that comes later finds all.
    """

    home: Path
    ledger: Ledger
    purses: Purses
    now: Callable[[], float]
    _tiers: set[str] = field(default_factory=set)
    _has_keys: bool = False
    _has_day: bool = False
    hours: Hours = field(default_factory=Hours)
    """How many shadows began within the hour."""
    _shadows: set[str] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def sow(self, tiers: Iterable[str], caps: Caps | None = None, shadows: frozenset[str] = frozenset()) -> None:
        """Book what is not booked yet; raises `LedgerClosed` where the ledger cannot be read, and books nothing."""
        async with self._turn:
            if caps is not None and not self._has_day:
                self._fill(caps, await asyncio.to_thread(last_day, self.home, since=self.now() - DAY_S), self.now())
                self._has_day = True
            new, now = sorted(frozenset(tiers) - self._tiers), self.now()
            if new or not self._has_keys:
                for scope, usd in await asyncio.to_thread(self._spent, new, now):
                    self.purses.book(scope, usd, now)
            for name in sorted(shadows - self._shadows):
                began, usd = await asyncio.to_thread(self._shadowed, name, now)
                self.hours.book(name, began, now)
                self.purses.book((ROLE, name), usd, now)
                self._shadows.add(name)
            self._tiers.update(new)
            self._has_keys = True

    def _fill(self, caps: Caps, slots: Iterable[Slot], now: float) -> None:
        """Requests of the last day by task and plan, and what plans spent on each tier today."""
        for slot in slots:
            scopes: list[Of] = [ALL, ("task", slot.task if slot.task is not None and slot.task in caps.tasks else "")]
            if slot.plan is not None:
                scopes.append(("plan", slot.plan))
            for of in scopes:
                caps.shares.book(of, None, slot.at, slot.requests)
                if slot.tier is not None:
                    caps.shares.book(of, slot.tier, slot.at, slot.requests)
            if slot.plan is not None and slot.tier is not None and day_of(slot.at) == day_of(now):
                self.purses.book(plan_scope(slot.plan, slot.tier), slot.usd, now)

    def _shadowed(self, name: str, now: float) -> tuple[int, Decimal]:
        """How many shadows of an experiment began in this hour, and what they cost today."""
        key = payer_id(name)
        usd = self.ledger.spent_usd(key_id=key, since=_midnight(now).timestamp())
        return begun(self.home, key_id=key, since=now - now % HOUR_S), usd

    def _spent(self, tiers: Iterable[str], now: float) -> list[tuple[Scope, Decimal]]:
        today = _midnight(now)
        month = today.replace(day=1).timestamp()
        keys = [] if self._has_keys else [key.id for key in list_keys(self.home)]
        spent = [(("key", key), self.ledger.spent_usd(key_id=key, since=month)) for key in keys]
        return spent + [(("tier", tier), self.ledger.spent_usd(tier=tier, since=today.timestamp())) for tier in tiers]


def _midnight(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
