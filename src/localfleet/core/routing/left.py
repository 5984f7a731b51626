"""By budget left: a tier or a key that has nearly used its money is spared for the requests that need it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["BudgetLeft"]

HARD = 4
"""From this level on a request is one of those that the rest is spared for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """`spare` is the share of a budget that is kept for hard requests; `usd_per_day` the limits by tier."""

    spare: Decimal
    usd_per_day: Mapping[str, Decimal] = field(default_factory=dict)
    name: str = "budget"

    def speaks(self, asked: Asked) -> bool:
        """Where a budget applies and the request is not a hard one."""
        if (asked.level or 0) >= HARD:
            return False
        return bool(self.usd_per_day) or asked.ask.caller.usd_per_month is not None

    def rank(self, asked: Asked, model: Model) -> float:
        """1 for a hosted door whose money is nearly gone."""
        if model.local:
            return 0
        fleet, of_key, of_tier = asked.fleet, asked.ask.caller.usd_per_month, self.usd_per_day.get(model.tier)
        low_key = self._low(fleet.usd_left_for_key, of_key)
        return 1 if low_key or self._low(fleet.usd_left_by_tier.get(model.tier), of_tier) else 0

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_BUDGET

    def why(self, _asked: Asked) -> str:
        """In words."""
        return f"less than {self.spare:.0%} of a budget is kept for hard requests; doors that it pays for come later"

    def _low(self, left: Decimal | None, limit: Decimal | None) -> bool:
        return left is not None and limit is not None and left < self.spare * limit
