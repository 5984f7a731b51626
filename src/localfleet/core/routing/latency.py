"""By latency: doors that are usually fast enough for the task, or for the caller's deadline, come first (S36, S4)."""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["LatencyAim", "usual_ms"]


def usual_ms(asked: Asked, model: Model) -> float | None:
    """Milliseconds to the first byte: as seen, else the tier's aim; with the wait in its line. `None`: unknown."""
    seen = asked.moment.ms_by_model.get(model.name)
    ms = asked.trait(model).latency_ms if seen is None else seen
    return None if ms is None else ms + 1000 * asked.fleet.state(model.name).wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyAim:
    """The strategy; the aim is the task's `latency_ms`, or the request's own deadline where that is sooner."""

    name: str = "latency"

    def speaks(self, asked: Asked) -> bool:
        """Where somebody has an aim."""
        return self._aim(asked) is not None

    def rank(self, asked: Asked, model: Model) -> float:
        """0 for what is fast enough, and for what nobody knows."""
        ms, aim = usual_ms(asked, model), self._aim(asked)
        return 1 if ms is not None and aim is not None and ms > aim else 0

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_LATENCY

    def why(self, asked: Asked) -> str:
        """In words."""
        return f"the first byte is wanted within {self._aim(asked)} ms; doors that are usually slower come later"

    def _aim(self, asked: Asked) -> int | None:
        aims = [ms for ms in (asked.row.latency_ms, asked.ask.deadline_ms) if ms is not None]
        return min(aims) if aims else None
