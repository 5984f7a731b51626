"""By a tier's own objective: among doors of one tier, the cheapest, the fastest or the best (S6)."""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked, Objective
from localfleet.core.routing.marginal import measure

__all__ = ["TierAim"]

REASONS = {Objective.COST: Reason.BY_COST, Objective.LATENCY: Reason.BY_LATENCY, Objective.QUALITY: Reason.BY_QUALITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class TierAim:
    """The strategy; it comes after the objective of all, which sets the tiers apart, and sorts inside of each."""

    name: str = "tier"

    def speaks(self, asked: Asked) -> bool:
        """Where the task has no objective of its own, and some tier has."""
        return asked.row.objective is None and any(trait.objective for trait in asked.traits.values())

    def rank(self, asked: Asked, model: Model) -> float:
        """Comparable inside one tier only."""
        objective = asked.trait(model).objective
        return 0 if objective is None else measure(objective, asked, model)

    def reason(self, asked: Asked) -> Reason:
        """Why."""
        named = {trait.objective for trait in asked.traits.values() if trait.objective is not None}
        return REASONS[named.pop()] if len(named) == 1 else Reason.BY_COST

    def why(self, _asked: Asked) -> str:
        """In words."""
        return "inside a tier, by the tier's own objective"
