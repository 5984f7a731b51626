"""By plan: which tiers a caller's plan goes to first (S34)."""

from collections.abc import Mapping
from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["PlanTiers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTiers:
    """Plan -> its tiers in order; tiers that it does not name come after them."""

    tiers: Mapping[str, tuple[str, ...]]
    name: str = "plan"

    def speaks(self, asked: Asked) -> bool:
        """Where the caller's plan names tiers."""
        return asked.ask.caller.plan in self.tiers

    def rank(self, asked: Asked, model: Model) -> float:
        """The place of the door's tier."""
        wanted = self.tiers[asked.ask.caller.plan or ""]
        return wanted.index(model.tier) if model.tier in wanted else len(wanted)

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_PLAN

    def why(self, asked: Asked) -> str:
        """In words."""
        plan = asked.ask.caller.plan or ""
        return f"the plan {plan} goes to {', '.join(self.tiers[plan])} first"
