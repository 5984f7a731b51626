"""What requests paid before any door was tried, for `/metrics`: a histogram by stage, and whether it is too much."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from localfleet.core.receipt import Receipt
from localfleet.core.routing.overhead import Overhead

__all__ = ["OverheadMetrics"]

SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
BOUNDS = (*(str(float(bound)) for bound in SECONDS), "+Inf")


class OverheadMetrics:
    """Sums of one router; one thread writes them."""

    def __init__(self) -> None:
        """Nothing was counted yet, and there is no budget."""
        self.overhead = Overhead()
        self._counts = {stage: [0] * len(BOUNDS) for stage in ("classify", "route")}
        self._total_s = dict.fromkeys(self._counts, 0.0)

    def watch(self, receipt: Receipt) -> None:
        """Count one receipt."""
        self.overhead.watch(receipt)
        for stage, ms in (("classify", receipt.classify_ms), ("route", receipt.route_ms)):
            if ms is not None:
                self._counts[stage][bisect_left(SECONDS, ms / 1000)] += 1
                self._total_s[stage] += ms / 1000

    def collect(self) -> Iterator[Metric]:
        """The histogram, and the alarm."""
        family = HistogramMetricFamily(
            "localfleet_overhead_seconds", "Time before any door was tried, by stage.", labels=("stage",)
        )
        for stage, counts in self._counts.items():
            family.add_metric((stage,), list(zip(BOUNDS, accumulate(counts), strict=True)), self._total_s[stage])
        yield family
        rings = float(self.overhead.rings)
        yield GaugeMetricFamily(
            "localfleet_overhead_alarm", "1 where the latest took more than routing.overhead_ms.", value=rings
        )
