"""
Money is reserved before it is spent and settled after (law 9).

`Purses` is a plain object used from one event loop: a reservation is one synchronous step, so N concurrent requests
cannot overspend a limit by more than what was reserved. Limits are per key and month, and per tier and day, in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

__all__ = ["NO_LIMIT", "Purses", "Scope", "day_of", "month_of"]

_DAY_S = 86_400
_NOTHING = Decimal(0)
NO_LIMIT = Decimal("Infinity")
"""Of a purse that only counts."""
Scope = tuple[str, str]
"""`("key", key_id)` or `("tier", tier)`."""


def month_of(now: float) -> str:
    """The UTC month of a Unix time, such as `2026-11`."""
    return _dates(now // _DAY_S)[0]


def day_of(now: float) -> str:
    """The UTC day of a Unix time, such as `2026-11-22`."""
    return _dates(now // _DAY_S)[1]


@lru_cache(maxsize=64)
def _dates(day: float) -> tuple[str, str]:
    """Month and day. Asked several times a request, and to write a date takes longer than to add up money."""
    date = f"{datetime.fromtimestamp(day * _DAY_S, UTC):%Y-%m-%d}"
    return date[:7], date


@dataclass(slots=True)
class Purses:
    """Spent and reserved money by scope and period. Amounts are USD."""

    spent: dict[tuple[Scope, str], Decimal] = field(default_factory=dict)
    reserved: dict[Scope, Decimal] = field(default_factory=dict)

    def left(self, scope: Scope, limit: Decimal, now: float) -> Decimal:
        """What may still be reserved; never negative."""
        taken = self.spent.get((scope, _period(scope, now)), _NOTHING) + self.reserved.get(scope, _NOTHING)
        return max(limit - taken, _NOTHING)

    def reserve(self, limits: Mapping[Scope, Decimal], usd: Decimal, now: float) -> bool:
        """Take `usd` from every scope, or from none."""
        for scope, limit in limits.items():
            if limit is not NO_LIMIT and self.left(scope, limit, now) < usd:
                return False
        for scope in limits:
            self.reserved[scope] = self.reserved.get(scope, _NOTHING) + usd
        return True

    def settle(self, scopes: Mapping[Scope, Decimal], *, reserved: Decimal, spent: Decimal, now: float) -> None:
        """Give a reservation back and book what was really spent."""
        for scope in scopes:
            self.reserved[scope] = max(self.reserved.get(scope, _NOTHING) - reserved, _NOTHING)
            self.book(scope, spent, now)

    def book(self, scope: Scope, usd: Decimal, now: float) -> None:
        """Book money spent: after an answer, or at start from the ledger."""
        slot = (scope, _period(scope, now))
        self.spent[slot] = self.spent.get(slot, _NOTHING) + usd


def _period(scope: Scope, now: float) -> str:
    return _dates(now // _DAY_S)[scope[0] != "key"]
