"""By volume: work in bulk stays on the box that is paid for anyway (S49)."""

from dataclasses import dataclass

from localfleet.core.ask import Priority
from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["Volume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The strategy. `an_hour`: requests of one task from which on it counts as volume; `None`: no number does."""

    an_hour: int | None = None
    name: str = "volume"

    def speaks(self, asked: Asked) -> bool:
        """Batch work, a task that says so, or one that comes often."""
        often = self.an_hour is not None and asked.moment.requests_an_hour >= self.an_hour
        return often or asked.row.volume or asked.ask.priority is Priority.BATCH

    def rank(self, _asked: Asked, model: Model) -> float:
        """The box first."""
        return 0 if model.local else 1

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.VOLUME_STAYS_LOCAL

    def why(self, asked: Asked) -> str:
        """In words."""
        if asked.ask.priority is Priority.BATCH:
            return "batch work; this box first"
        if asked.row.volume:
            return "the task's row says that it comes in volume; this box first"
        return f"{asked.moment.requests_an_hour} requests of this task within an hour; this box first"
