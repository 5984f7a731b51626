"""By task: the doors that the task's row names, in its order. Other hosted doors were left out before."""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked

__all__ = ["TaskRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """The strategy; `local` stands for every local model."""

    name: str = "task"

    def speaks(self, asked: Asked) -> bool:
        """Where the row names doors."""
        return bool(asked.row.doors)

    def rank(self, asked: Asked, model: Model) -> float:
        """The place in the row; a local model that it does not name comes last."""
        doors = asked.row.doors
        if model.name in doors:
            return doors.index(model.name)
        return doors.index("local") if model.local and "local" in doors else len(doors)

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.TASK_RULE

    def why(self, asked: Asked) -> str:
        """In words."""
        return f"the row of the task {asked.ask.task} says {', '.join(asked.row.doors)}"
