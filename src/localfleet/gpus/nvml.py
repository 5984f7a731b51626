"""
Asks the NVIDIA driver through NVML, by NVIDIA's own bindings (`nvidia-ml-py`). The only file that knows them.

A call can hang as long as the driver does: never from the event loop. What one card does not tell is `None`; a card
that is gone is `lost`; a driver that is gone is `DriverSilent`; none at all is `NoDriver`.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from localfleet.core.gpu import GpuProcess, GpuReading

__all__ = ["DriverSilent", "NoDriver", "Nvml"]

LIBRARY = "libnvidia-ml.so.1"
SLOWED = {
    0x004: "power_cap",
    0x008: "hardware_slowdown",
    0x020: "heat_software",
    0x040: "heat_hardware",
    0x080: "power_brake",
    0x200: "board_limit",
    0x400: "reliability",
}
"""Bits of `nvmlDeviceGetCurrentClocksEventReasons` that mean held down; idle, fixed clocks and displays do not."""


class NoDriver(Exception):
    """There is no NVIDIA driver here."""


class DriverSilent(Exception):
    """There is a driver, and it answers with an error. `code` is NVML's."""

    def __init__(self, code: int) -> None:
        """The number is all that is kept of it."""
        super().__init__(f"NVML error {code}")
        self.code = code


class Nvml:
    """A line to the driver: opened at the first reading, opened anew after an error."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._nvml: Any = None

    def read(self) -> tuple[GpuReading, ...]:
        """Every GPU now. Raises `NoDriver` or `DriverSilent`."""
        if self._nvml is None:
            self._nvml = _open()
        try:
            count = self._nvml.nvmlDeviceGetCount()
            readings = tuple(_reading(self._nvml, index) for index in range(count))
        except self._nvml.NVMLError as exc:
            self.close()
            raise DriverSilent(exc.value) from None
        return readings

    def close(self) -> None:
        """Hang up; the next reading opens again."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError:
                return  # it is gone: there is nobody to say goodbye to


def _open() -> Any:
    try:
        # Before the bindings, which cost 5 MB that a box without a driver need not spend.
        ctypes.CDLL(LIBRARY)
    except OSError:
        raise NoDriver from None
    import pynvml  # noqa: PLC0415  # only where there is a driver

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as exc:
        raise DriverSilent(exc.value) from None
    return pynvml


def _reading(nvml: Any, index: int) -> GpuReading:
    try:
        return _told(nvml, index, nvml.nvmlDeviceGetHandleByIndex(index))
    except (nvml.NVMLError_GpuIsLost, nvml.NVMLError_Unknown, nvml.NVMLError_ResetRequired):
        return GpuReading(index=index, name="unknown", lost=True)


def _told(nvml: Any, index: int, card: Any) -> GpuReading:
    def ask(question: Callable[..., Any], *rest: Any) -> Any:
        """The answer, or `None` where this card, driver or container does not tell."""
        try:
            return question(card, *rest)
        except (
            nvml.NVMLError_NotSupported,
            nvml.NVMLError_FunctionNotFound,
            nvml.NVMLError_NoPermission,
            nvml.NVMLError_NotFound,
            nvml.NVMLError_NoData,
            nvml.NVMLError_ArgumentVersionMismatch,
        ):
            return None

    use, memory = ask(nvml.nvmlDeviceGetUtilizationRates), ask(nvml.nvmlDeviceGetMemoryInfo)
    temperature = ask(nvml.nvmlDeviceGetTemperatureV, nvml.NVML_TEMPERATURE_GPU)
    if temperature is None:
        temperature = ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
    return GpuReading(
        index=index,
        name=_plain(ask(nvml.nvmlDeviceGetName)),
        use_share=None if use is None else use.gpu / 100,
        memory_used_bytes=None if memory is None else memory.used,
        memory_total_bytes=None if memory is None else memory.total,
        power_w=_thousandth(ask(nvml.nvmlDeviceGetPowerUsage)),
        power_limit_w=_thousandth(ask(nvml.nvmlDeviceGetEnforcedPowerLimit)),
        temperature_c=temperature,
        energy_j=_thousandth(ask(nvml.nvmlDeviceGetTotalEnergyConsumption)),
        slowed_by=_reasons(ask(nvml.nvmlDeviceGetCurrentClocksEventReasons)),
        processes=_processes(ask(nvml.nvmlDeviceGetComputeRunningProcesses)),
    )


def _plain(name: str | None) -> str:
    """A name that means the same in a metric, a page and YAML."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in " .-_/()") else "-" for c in name or "").strip() or "unknown"
    )


def _thousandth(thousandths: int | None) -> float | None:
    return None if thousandths is None else thousandths / 1000


def _reasons(bits: int | None) -> tuple[str, ...]:
    return tuple(word for bit, word in SLOWED.items() if bit & (bits or 0))


def _processes(found: list[Any] | None) -> tuple[GpuProcess, ...]:
    return tuple(GpuProcess(pid=one.pid, memory_bytes=one.usedGpuMemory) for one in found or ())
