"""What `doctor` says of the GPUs themselves: asked through NVML, within a time limit, for a driver may hang."""

import threading
from collections.abc import Callable, Iterator

from localfleet.core.gpu import GpuReading
from localfleet.gpus.nvml import DriverSilent, NoDriver

__all__ = ["gpu_health"]

WAIT_S = 5.0
GIB = 2**30
HOT = {"heat_software", "heat_hardware", "hardware_slowdown"}
REBOOT = "`sudo dmesg | grep -i -e nvrm -e xid` tells why; often a restart of the machine helps"


def gpu_health(read: Callable[[], tuple[GpuReading, ...]], wait_s: float = WAIT_S) -> Iterator[tuple[bool, str, str]]:
    """Yield nothing without a driver; else: is all well, how it is, how to mend it. Waits `wait_s` at most."""
    found: list[tuple[GpuReading, ...] | NoDriver | DriverSilent] = []

    def ask() -> None:
        try:
            found.append(read())
        except (NoDriver, DriverSilent) as exc:
            found.append(exc)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(wait_s)
    if not found:
        yield False, f"the driver did not answer within {wait_s:.0f} s", REBOOT
    elif isinstance(found[0], DriverSilent):
        yield False, f"the driver answers with an error (NVML {found[0].code})", REBOOT
    elif not isinstance(found[0], NoDriver):
        yield _told(found[0])


def _told(gpus: tuple[GpuReading, ...]) -> tuple[bool, str, str]:
    says = "; ".join(map(_line, gpus)) or "the driver shows no GPU"
    if not gpus or any(gpu.lost for gpu in gpus):
        return False, says, REBOOT
    if any(HOT & set(gpu.slowed_by) for gpu in gpus):
        return False, says, "it is too hot and runs slower: look at fans, dust and the room"
    return True, says, ""


def _line(gpu: GpuReading) -> str:
    if gpu.lost:
        return f"GPU {gpu.index} is lost"
    parts = [f"GPU {gpu.index} {gpu.name}"]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes is not None:
        parts.append(f"{gpu.memory_used_bytes / GIB:.1f} of {gpu.memory_total_bytes / GIB:.1f} GiB")
    parts += [] if gpu.power_w is None else [f"{gpu.power_w:.0f} W"]
    parts += [] if gpu.temperature_c is None else [f"{gpu.temperature_c} °C"]
    parts += [f"slowed by {', '.join(gpu.slowed_by)}"] if gpu.slowed_by else []
    return ", ".join(parts)
