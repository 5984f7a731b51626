"""`experiments:`, a share of a task's requests by another row of the table, or in the shadow of it."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from localfleet.config.cascade import Judges, ModelJudge
from localfleet.config.shape import Shape, Usd

__all__ = ["Experiment", "Shadow"]


class Shadow(Shape):
    """The requests go to `first` as well, and nobody gets its answers: what that may cost, and who judges them."""

    usd_per_day: Usd = Decimal(1)
    """Of hosted money, in UTC."""
    requests_per_hour: int = Field(default=60, ge=0)
    judge: Judges = Judges(model=ModelJudge())
    """For both answers; a model that judges is one of this box."""


class Experiment(Shape):
    """A split of one task: sticky, by the law, until `routing promote` or `routing rollback`."""

    task: str
    first: str
    fallback: tuple[str, ...] = ()
    share: float = Field(default=0.1, ge=0, le=1)
    """Of its sessions, keys or requests that go by this row."""
    by: Literal["session", "key", "request"] = "session"
    """What keeps its side; a request without a session goes by its key. `request`, for a shadow: each by itself."""
    margin: float = Field(default=0.02, ge=0, le=1)
    """The loss of quality, 0 to 1, that the gate lets pass."""
    most_cost_ratio: float = Field(default=1.0, ge=0)
    """The most that an action of the trial may cost, as a multiple of what one costs without it."""
    shadow: Shadow | None = None
    """Mirror them in place of sending them there."""
