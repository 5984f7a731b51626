"""By quality: doors whose quality at this task reaches the bar come before those that nobody measured, and the rest."""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["QualityBar"]

UNMEASURED = 1
TOO_LOW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityBar:
    """The strategy; the bar is the task's `quality` (S37), what a door reaches is its own or its tier's (S5)."""

    name: str = "quality"

    def speaks(self, asked: Asked) -> bool:
        """Where the task has a bar."""
        return asked.row.quality is not None

    def rank(self, asked: Asked, model: Model) -> float:
        """0 good enough, 1 unknown, from 2 on too low: the least low first."""
        reached, bar = asked.quality(model), asked.row.quality or 0.0
        if reached is None:
            return UNMEASURED
        return 0 if reached >= bar else TOO_LOW + bar - reached

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_QUALITY

    def why(self, asked: Asked) -> str:
        """In words."""
        return f"the task wants {asked.row.quality:.0%} right; doors below it come last, unmeasured ones before them"
