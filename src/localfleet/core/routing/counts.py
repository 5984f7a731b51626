"""How many requests of a task came within the last hour, in steps of five minutes."""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["Counts"]

STEP_S = 300.0
STEPS = 12


@dataclass(slots=True)
class Counts:
    """Used from one event loop; times are seconds of a clock that never goes back."""

    by_task: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    """Task -> (step, how many), the oldest first."""

    def note(self, task: str, now: float) -> int:
        """Count one more; how many there were within the last hour, this one included."""
        steps, step = self.by_task.setdefault(task, deque(maxlen=STEPS)), int(now // STEP_S)
        many = steps.pop()[1] + 1 if steps and steps[-1][0] == step else 1
        steps.append((step, many))
        return sum(count for at, count in steps if at > step - STEPS)
