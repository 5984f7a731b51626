"""What a GPU was seen to do, and the watts it was seen to draw. Values only: `gpus/` asks the driver."""

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Driver", "GpuProcess", "GpuReading", "GpuView", "PowerSeen"]

Driver = Literal["absent", "silent", "ok"]
BUSY_SHARE = 0.8
"""In use for this share of the time a GPU counts as busy: its watts then are those of full load."""
ENOUGH_S = 60.0
"""Seconds that a mean must rest on before anybody reckons with it."""
REMEMBERED_S = 30 * 86400.0
"""Of what is older, half is forgotten: the watts of last year's models say little about today's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process on a GPU. The driver does not always tell its memory (`None`)."""

    pid: int
    memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """One GPU at one moment. `None` is what this card or driver does not tell. `lost`: it fell off the bus."""

    index: int
    name: str
    use_share: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: int | None = None
    energy_j: float | None = None
    """Joules since the driver was loaded."""
    slowed_by: tuple[str, ...] = ()
    """Why its clock is held down, in the words of `gpus/nvml.py`; idleness is no reason."""
    processes: tuple[GpuProcess, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """All GPUs as last seen. `absent`: there is no driver. `silent`: there is one and it does not answer."""

    driver: Driver = "absent"
    gpus: tuple[GpuReading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSeen:
    """Joules and seconds of one kind of GPU, for one card: at all times, while busy, while nobody asked."""

    name: str
    until: float
    """Unix time of the last one."""
    seconds: float = 0.0
    joules: float = 0.0
    busy_s: float = 0.0
    busy_j: float = 0.0
    idle_s: float = 0.0
    idle_j: float = 0.0

    @property
    def mean_w(self) -> float | None:
        """Watts over all of the time."""
        return self.joules / self.seconds if self.seconds >= ENOUGH_S else None

    @property
    def busy_w(self) -> float | None:
        """Watts under full load."""
        return self.busy_j / self.busy_s if self.busy_s >= ENOUGH_S else None

    @property
    def idle_w(self) -> float | None:
        """Watts while nothing ran on it."""
        return self.idle_j / self.idle_s if self.idle_s >= ENOUGH_S else None

    def plus(self, *, seconds: float, joules: float, use_share: float | None, at: float) -> "PowerSeen":
        """With one more stretch of time."""
        busy = use_share is not None and use_share >= BUSY_SHARE
        idle = use_share == 0
        past = self._faded() if self.seconds > REMEMBERED_S else self
        return replace(
            past,
            until=at,
            seconds=past.seconds + seconds,
            joules=past.joules + joules,
            busy_s=past.busy_s + seconds * busy,
            busy_j=past.busy_j + joules * busy,
            idle_s=past.idle_s + seconds * idle,
            idle_j=past.idle_j + joules * idle,
        )

    def _faded(self) -> "PowerSeen":
        return replace(
            self,
            seconds=self.seconds / 2,
            joules=self.joules / 2,
            busy_s=self.busy_s / 2,
            busy_j=self.busy_j / 2,
            idle_s=self.idle_s / 2,
            idle_j=self.idle_j / 2,
        )
