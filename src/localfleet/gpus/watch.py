"""
Keeps an eye on the GPUs from a thread of its own, because a driver may hang: nobody ever waits for it.

Readers get the last view from memory. A view that grew old is `silent`: the driver stopped answering. A box without a
driver is `absent`, which is a state and no trouble: it is looked for again now and then, without a word in the log.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from localfleet.core.gpu import Driver, GpuReading, GpuView, PowerSeen
from localfleet.gpus.nvml import DriverSilent, NoDriver
from localfleet.gpus.power_file import read_power, write_power

__all__ = ["GpuWatch"]

log = logging.getLogger("localfleet.gpus")

EVERY_S = 2.0
OLD_S = 10.0
"""A view older than this is not shown."""
AGAIN_S = 30.0
"""Between two tries at a driver that is absent or silent."""
SAVE_EVERY_S = 60.0
GAP_S = 10.0
"""Longer pauses between two readings (a suspended machine) count for no watts."""
GOODBYE_S = 1.0


class GpuWatch:
    """The watch over the GPUs of one box; `home` is the state folder that its watts go to."""

    def __init__(
        self,
        *,
        read: Callable[[], tuple[GpuReading, ...]],
        home: Path,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        every_s: float = EVERY_S,
        old_s: float = OLD_S,
        again_s: float = AGAIN_S,
    ) -> None:
        """`read` asks the driver: it may block, and raises `NoDriver` or `DriverSilent`."""
        self._read, self._home, self._monotonic, self._now = read, home, monotonic, now
        self._every_s, self._old_s, self._again_s = every_s, old_s, again_s
        self._seen: tuple[float, GpuView] = (monotonic(), GpuView())
        self._said: Driver = "absent"
        self._power: dict[str, PowerSeen] = {}
        self._saved_at = monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpu-watch", daemon=True)

    def start(self) -> None:
        """Begin to look, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End, and keep the watts. Blocks a second at most: a thread that hangs in the driver is left behind."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(GOODBYE_S)

    def view(self) -> GpuView:
        """The last view, from memory."""
        at, view = self._seen
        limit_s = self._old_s if view.driver == "ok" else self._again_s + self._old_s
        if self._monotonic() - at > limit_s and self._thread.is_alive():
            view = GpuView(driver="silent")
        self._tell(view.driver)
        return view

    def _tell(self, driver: Driver) -> None:
        """One line in the log for each change, and none for a box that never had a GPU."""
        if driver == self._said:
            return
        self._said = driver
        if driver == "ok":
            log.info("the NVIDIA driver answers", extra={"count": len(self._seen[1].gpus)})
        else:
            log.warning("the NVIDIA driver does not answer: GPU figures are gone until it does", extra={"why": driver})

    def _watch(self) -> None:
        self._power = read_power(self._home)
        while not self._ended.is_set():
            self._ended.wait(self._look())
        self._save()

    def _look(self) -> float:
        """One look; returns the seconds until the next."""
        before_s, before = self._seen
        try:
            gpus = self._read()
        except NoDriver:
            self._seen = (self._monotonic(), GpuView())
            return self._again_s
        except DriverSilent:
            self._seen = (self._monotonic(), GpuView(driver="silent"))
            return self._again_s
        at_s = self._monotonic()
        self._seen = (at_s, GpuView(driver="ok", gpus=gpus))
        self._count(before.gpus, gpus, at_s - before_s)
        if at_s - self._saved_at > SAVE_EVERY_S:
            self._save()
        return self._every_s

    def _count(self, before: tuple[GpuReading, ...], gpus: tuple[GpuReading, ...], seconds: float) -> None:
        if not 0 < seconds <= GAP_S:
            return
        last = {gpu.index: gpu for gpu in before}
        for gpu in gpus:
            joules = _joules(last.get(gpu.index), gpu, seconds)
            if joules is not None:
                seen = self._power.get(gpu.name) or PowerSeen(name=gpu.name, until=self._now())
                self._power[gpu.name] = seen.plus(
                    seconds=seconds, joules=joules, use_share=gpu.use_share, at=self._now()
                )

    def _save(self) -> None:
        self._saved_at = self._monotonic()
        if self._power:
            with contextlib.suppress(OSError):  # a full disk has louder witnesses; the next minute tries again
                write_power(self._home, self._power)


def _joules(before: GpuReading | None, gpu: GpuReading, seconds: float) -> float | None:
    """What a card used: by its own counter where it has one, else its watts now. `None` where it cannot be told."""
    if before is None or gpu.lost:
        return None
    if before.energy_j is not None and gpu.energy_j is not None and gpu.energy_j >= before.energy_j:
        return gpu.energy_j - before.energy_j
    return None if gpu.power_w is None else gpu.power_w * seconds
