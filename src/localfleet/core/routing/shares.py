"""
Which share of requests a tier had within the last day, by task, by plan and over all (S52, S57).

A plain object used from one event loop: `take` looks and counts in one synchronous step, so N concurrent requests
cannot go over a share together. It is filled from the ledger at start.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["ALL", "Cap", "Of", "Shares"]

HOUR_S = 3600
HOURS = 24
ANY = ""
Of = tuple[str, str]
"""`("task", name)`, `("plan", name)` or `ALL`."""
ALL: Of = ("all", "")
Cap = tuple[Of, str, float]
"""Of which requests, which tier, and its most share of them, 0 to 1."""


@dataclass(slots=True)
class Shares:
    """Requests by scope, tier and hour of the last day; times are Unix seconds."""

    by_hour: dict[int, dict[tuple[Of, str], int]] = field(default_factory=dict)
    sums: dict[tuple[Of, str], int] = field(default_factory=dict)

    def arrived(self, scopes: Iterable[Of], now: float) -> None:
        """One more request."""
        for of in scopes:
            self.book(of, None, now, 1)

    def full(self, caps: Iterable[Cap], now: float) -> frozenset[str]:
        """The tiers that may not get this request, which was counted as arrived."""
        self._forget(now)
        return frozenset(tier for of, tier, most in caps if not self._room(of, tier, most))

    def take(self, caps: Iterable[Cap], tier: str, now: float) -> bool:
        """Count a request to a tier under every cap that holds for it, or under none."""
        self._forget(now)
        held = [(of, most) for of, capped, most in caps if capped == tier]
        if not all(self._room(of, tier, most) for of, most in held):
            return False
        for of, _ in held:
            self.book(of, tier, now, 1)
        return True

    def give_back(self, caps: Iterable[Cap], tier: str, now: float) -> None:
        """The door gave no answer."""
        for of, capped, _ in caps:
            if capped == tier:
                self.book(of, tier, now, -1)

    def book(self, of: Of, tier: str | None, at: float, many: int) -> None:
        """Count requests of some time: of a tier, or for `None` all that arrived."""
        slot, hour = (of, ANY if tier is None else tier), int(at // HOUR_S)
        counts = self.by_hour.setdefault(hour, {})
        counts[slot] = counts.get(slot, 0) + many
        self.sums[slot] = self.sums.get(slot, 0) + many

    def share(self, of: Of, tier: str) -> float:
        """The share that a tier had."""
        return self.sums.get((of, tier), 0) / max(self.sums.get((of, ANY), 0), 1)

    def _room(self, of: Of, tier: str, most: float) -> bool:
        """Whether one more fits; a share above nothing lets the first one in, however few there are."""
        taken, all_ = self.sums.get((of, tier), 0), self.sums.get((of, ANY), 0)
        return taken + 1 <= max(most * all_, 1 if most > 0 else 0)

    def _forget(self, now: float) -> None:
        for hour in [hour for hour in self.by_hour if hour <= int(now // HOUR_S) - HOURS]:
            for slot, many in self.by_hour.pop(hour).items():
                self.sums[slot] -= many
