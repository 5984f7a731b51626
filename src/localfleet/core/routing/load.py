"""By load: among local models, the one with more of its places free (a quarter's difference counts)."""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["Load"]

STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The strategy; whether a door is open at all is told by the ladder, whatever stands here."""

    name: str = "load"

    def speaks(self, asked: Asked) -> bool:
        """Where a local model is at work."""
        fleet = asked.fleet
        return any(model.local and fleet.state(model.name).in_flight for model in fleet.models)

    def rank(self, asked: Asked, model: Model) -> float:
        """Quarters of its places that are taken; hosted doors have room as far as anybody knows."""
        if not model.local or not model.queue_limit:
            return 0
        state = asked.fleet.state(model.name)
        return min((state.in_flight + state.waiting) * STEPS // model.queue_limit, STEPS)

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_LOAD

    def why(self, _asked: Asked) -> str:
        """In words."""
        return "local models with more places free come first"
