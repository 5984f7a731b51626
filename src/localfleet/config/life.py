"""`local.<name>.life:`, when a model is in memory: from the start or when somebody asks, and when it sleeps."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator

from localfleet.config.shape import Shape
from localfleet.core.schedule import Window, read_window

__all__ = ["Life"]

Gib = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class Life(Shape):
    """When a model that localfleet runs is in memory."""

    load: Literal["at_start", "on_demand", "always"] = "at_start"
    """`always` is loaded at start and never put away to make room for another."""
    memory_gib: Gib | None = None
    """What it takes of each of its GPUs (llama.cpp: of main memory) while it works."""
    sleep_after_s: Seconds | None = None
    """Without work for so long it sleeps, where the engine can; else it is unloaded."""
    unload_after_s: Seconds | None = None
    """Without work, or asleep, for so long it is unloaded."""
    sleep_times: tuple[str, ...] = ()
    """Windows of the week in local time, such as `mon-fri 20:00-07:00`. Whoever asks wakes it all the same."""

    @field_validator("sleep_times")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            read_window(text)
        return value

    @property
    def windows(self) -> tuple[Window, ...]:
        """`sleep_times`, read."""
        return tuple(map(read_window, self.sleep_times))
