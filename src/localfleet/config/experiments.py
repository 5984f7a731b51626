"""`experiments:`, a share of a task's requests by another row of the table."""

from typing import Literal

from pydantic import Field

from localfleet.config.shape import Shape

__all__ = ["Experiment"]


class Experiment(Shape):
    """A split of one task: sticky, by the law, until `routing promote` or `routing rollback`."""

    task: str
    first: str
    fallback: tuple[str, ...] = ()
    share: float = Field(default=0.1, ge=0, le=1)
    """Of its sessions or keys that go by this row."""
    by: Literal["session", "key"] = "session"
    """What keeps its side; a request without a session goes by its key."""
    margin: float = Field(default=0.02, ge=0, le=1)
    """The loss of quality, 0 to 1, that the gate lets pass."""
    most_cost_ratio: float = Field(default=1.0, ge=0)
    """The most that an action of the trial may cost, as a multiple of what one costs without it."""
