"""`/metrics`, the part about GPUs: gauges as last seen. A box without a driver has none of these series."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from localfleet.core.gpu import GpuReading, GpuView

__all__ = ["GpuMetrics"]

Ask = Callable[[GpuReading], float | None]
WHERE = ("gpu", "name")
GAUGES: tuple[tuple[str, str, Ask], ...] = (
    ("use_ratio", "Share of the time in which something ran, 0 to 1.", lambda gpu: gpu.use_share),
    ("memory_used_bytes", "Memory in use.", lambda gpu: gpu.memory_used_bytes),
    ("memory_total_bytes", "Memory of the card.", lambda gpu: gpu.memory_total_bytes),
    ("power_watts", "Power drawn now.", lambda gpu: gpu.power_w),
    ("power_limit_watts", "The most it may draw.", lambda gpu: gpu.power_limit_w),
    ("temperature_celsius", "Temperature of the chip.", lambda gpu: gpu.temperature_c),
    ("processes", "Processes that compute on it.", lambda gpu: None if gpu.lost else len(gpu.processes)),
    ("lost", "1 when the card fell off the bus or wants a reset.", lambda gpu: float(gpu.lost)),
)


@dataclass(frozen=True, slots=True, eq=False)
class GpuMetrics(Collector):
    """What one view of the GPUs gives; figures that a card does not tell are left out, never zero."""

    view: GpuView

    def collect(self) -> Iterator[Metric]:
        """The driver, then one family for each figure."""
        if self.view.driver == "absent":
            return
        ok = float(self.view.driver == "ok")
        yield GaugeMetricFamily("localfleet_gpu_driver_ok", "1 while the NVIDIA driver answers.", value=ok)
        for name, text, ask in GAUGES:
            yield self._filled(GaugeMetricFamily(f"localfleet_gpu_{name}", text, labels=WHERE), ask)
        energy = CounterMetricFamily("localfleet_gpu_energy_joules", "Since the driver was loaded.", labels=WHERE)
        yield self._filled(energy, lambda gpu: gpu.energy_j)
        yield self._memory_of_processes()
        yield self._slowed()

    def _filled(self, family: GaugeMetricFamily | CounterMetricFamily, ask: Ask) -> Metric:
        for gpu in self.view.gpus:
            value = ask(gpu)
            if value is not None:
                family.add_metric((str(gpu.index), gpu.name), value)
        return family

    def _memory_of_processes(self) -> Metric:
        """One sum for a card: process ids as labels would make a new series at each restart."""

        def held(gpu: GpuReading) -> float | None:
            told = [one.memory_bytes for one in gpu.processes if one.memory_bytes is not None]
            return float(sum(told)) if told else None

        text = "Memory that computing processes hold, as far as the driver tells."
        return self._filled(GaugeMetricFamily("localfleet_gpu_process_memory_bytes", text, labels=WHERE), held)

    def _slowed(self) -> Metric:
        text = "1 for each reason that holds the clock down."
        family = GaugeMetricFamily("localfleet_gpu_slowed", text, labels=(*WHERE, "reason"))
        for gpu in self.view.gpus:
            for reason in gpu.slowed_by:
                family.add_metric((str(gpu.index), gpu.name, reason), 1)
        return family
