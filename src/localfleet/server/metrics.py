"""`/metrics`: counted from the receipts that the ledger keeps, so the two cannot disagree. Labels are never text."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from localfleet.core.feedback import Feedback
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.gpu import GpuView
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.routing.drift import Drift
from localfleet.core.routing.escalation import Alarm, escalated
from localfleet.ports import LedgerHealth
from localfleet.server.gpu_metrics import GpuMetrics
from localfleet.server.overhead_metrics import OverheadMetrics
from localfleet.server.work_metrics import Works

__all__ = ["Metrics"]

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
WHERE = ("model", "tier", "label")
NO_GPUS = GpuView()
TOGETHER = 32
"""Receipts summed in one go: one by one, each would find this code pushed out of the processor's caches."""
Labels = tuple[str, ...]


@dataclass(slots=True)
class Times:
    """One histogram: requests by the first bound of `SECONDS` that holds them, the last for longer ones."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


class Sums(dict[Labels, float]):
    """Totals by labels. A plain dictionary: one per router, written by one thread, read when somebody looks."""

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Add to one series."""
        self[labels] = self.get(labels, 0) + amount


class Metrics(Collector):
    """The sums of one router, and how Prometheus sees them; nothing global."""

    def __init__(self) -> None:
        """Nothing was counted yet."""
        self.requests, self.refused, self.attempts = Sums(), Sums(), Sums()
        self.tokens, self.usd, self.unpriced = Sums(), Sums(), Sums()
        self.feedback, self.shadows = Sums(), Sums()
        self.escalations, self.alarm = Sums(), Alarm()
        self.drift = Drift()
        self.spans: Mapping[str, int] = {}
        """Spans for a collector by what became of them, counted by who carries them."""
        self.works = Works()
        self.before = OverheadMetrics()
        self.first_byte: dict[str, Times] = {}
        self.total: dict[str, Times] = {}
        self.task_usd, self.by_task = Sums(), dict[str, Times]()
        self._uncounted: list[Receipt] = []

    def count(self, receipt: Receipt) -> None:
        """Count one receipt. What somebody may act on is counted at once, sums for the page a few dozen together."""
        self.alarm.watch(receipt)
        self.drift.watch(receipt)
        self.works.watch(receipt)
        self.before.watch(receipt)
        self._uncounted.append(receipt)
        if len(self._uncounted) >= TOGETHER:
            self._catch_up()

    def _catch_up(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        for receipt in uncounted:
            self._sum(receipt)

    def _sum(self, receipt: Receipt) -> None:
        model, tier, label = receipt.model or "none", receipt.tier or "none", receipt.label.word
        if receipt.action is None:  # a part of an action is no request of its own
            task = receipt.task or "none"
            self.requests.add((receipt.api, model, tier, label, task, receipt.reason, receipt.outcome))
        elif receipt.role == "shadow" and receipt.arm is not None and receipt.request_id.endswith("-shadow"):
            self.shadows.add((receipt.arm.partition(":")[0], receipt.outcome))
        if escalated(receipt):
            self.escalations.add((receipt.task or "none", receipt.reason))
        if not receipt.parts:
            for attempt in receipt.attempts:
                self.attempts.add((attempt.model, attempt.tier, attempt.reason))
        if receipt.usage is not None:
            source = "measured" if receipt.usage.measured else "estimated"
            self.tokens.add((model, tier, label, "in", source), receipt.usage.input_tokens)
            self.tokens.add((model, tier, label, "out", source), receipt.usage.output_tokens)
        self._money(receipt, model, tier)
        if receipt.first_byte_ms is not None and receipt.action is None:
            self._time(tier, receipt.first_byte_ms / 1000, receipt.total_ms / 1000)
            self.by_task.setdefault(receipt.task or "none", Times()).add(receipt.total_ms / 1000)

    def _money(self, receipt: Receipt, model: str, tier: str) -> None:
        if receipt.cost_usd is None:
            self.unpriced.add((model,))
        elif receipt.cost_usd:
            self.usd.add((model, tier), float(receipt.cost_usd))
            if receipt.role != "shadow":
                self.task_usd.add((receipt.task or "none",), float(receipt.cost_usd))

    def _time(self, tier: str, first_byte_s: float, total_s: float) -> None:
        if tier not in self.total:
            self.first_byte[tier], self.total[tier] = Times(), Times()
        self.first_byte[tier].add(first_byte_s)
        self.total[tier].add(total_s)

    def count_refused(self, reason: Reason) -> None:
        """Count a request refused at the porch."""
        self.refused.add((reason,))

    def count_feedback(self, said: Feedback) -> None:
        """Count what somebody said of an answer."""
        self.drift.hear(said)
        self.works.hear(said)
        if said.accepted is not None:
            self.feedback.add(("accepted" if said.accepted else "rejected",))
        if said.corrected:
            self.feedback.add(("corrected",))
        if said.score is not None:
            self.feedback.add(("scored",))

    def collect(self) -> Iterator[Metric]:
        """Every series that receipts make, as prometheus_client asks for them."""
        self._catch_up()
        yield _counter(
            "requests", "Requests by where they went, why, and how they ended.",
            ("api", *WHERE, "task", "reason", "outcome"), self.requests,
        )  # fmt: skip
        yield _counter("refused", "Requests refused before they were read, by reason.", ("reason",), self.refused)
        yield _counter("attempts", "Doors tried, by how it went.", ("model", "tier", "reason"), self.attempts)
        yield _counter(
            "escalations", "Requests that went to a stronger or a later door.", ("task", "reason"), self.escalations
        )
        yield from _escalating(self.alarm)
        yield from _drifting(self.drift)
        yield from self.works.collect()
        yield from self.before.collect()
        yield _counter("tokens", "Tokens, measured or estimated.", (*WHERE, "direction", "source"), self.tokens)
        yield _counter("cost_usd", "Marginal hosted cost, USD.", ("model", "tier"), self.usd)
        yield _counter("task_cost_usd", "Marginal hosted cost, USD, with drafts and judges.", ("task",), self.task_usd)
        yield _counter("feedback", "What callers said of answers.", ("said",), self.feedback)
        yield _counter("shadows", "Mirrored requests by how they ended.", ("experiment", "outcome"), self.shadows)
        spans = Sums({(became,): number for became, number in dict(self.spans).items()})
        yield _counter("spans", "Spans for the collector of `traces.url`, by what became of them.", ("became",), spans)
        yield _counter("unpriced_requests", "Answers whose price is unknown.", ("model",), self.unpriced)
        yield _histogram("first_byte_seconds", "Arrival to first byte.", self.first_byte)
        yield _histogram("total_seconds", "Arrival to last byte.", self.total)
        yield _histogram("task_seconds", "Arrival to last byte, by task.", self.by_task, "task")

    def page(self, states: Mapping[str, EngineState], ledger: LedgerHealth, gpus: GpuView = NO_GPUS) -> bytes:
        """The exposition text, with the gauges as of now."""
        registry = CollectorRegistry()
        registry.register(self)
        registry.register(_Now(states, ledger))
        registry.register(GpuMetrics(gpus))
        return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class _Now(Collector):
    """The gauges: how engines and ledger are while the page is made."""

    states: Mapping[str, EngineState]
    health: LedgerHealth

    def collect(self) -> Iterator[Metric]:
        """Readiness, load and line by model, and the ledger's health."""
        ready = GaugeMetricFamily("localfleet_engine_ready", "1 while a model takes work.", labels=("model",))
        in_flight = GaugeMetricFamily("localfleet_in_flight", "Requests under way.", labels=("model",))
        waiting = GaugeMetricFamily("localfleet_waiting", "Requests in the line of a model.", labels=("model",))
        oldest = GaugeMetricFamily(
            "localfleet_oldest_wait_seconds", "How long the first in the line has waited.", labels=("model",)
        )
        for name, state in self.states.items():
            ready.add_metric((name,), float(state.readiness.takes_work))
            in_flight.add_metric((name,), state.in_flight)
            waiting.add_metric((name,), state.waiting)
            oldest.add_metric((name,), state.oldest_wait_s)
        yield from (ready, in_flight, waiting, oldest)
        yield from _lives(self.states)
        ok = float(self.health.ok)
        yield GaugeMetricFamily("localfleet_ledger_ok", "1 while records can be made durable.", value=ok)
        unwritten = self.health.unwritten
        yield GaugeMetricFamily("localfleet_ledger_unwritten", "Receipts waiting for the disk.", value=unwritten)


def _lives(states: Mapping[str, EngineState]) -> Iterator[Metric]:
    life = GaugeMetricFamily("localfleet_engine_state", "1 for the state a model is in.", labels=("model", "state"))
    coming = GaugeMetricFamily(
        "localfleet_engine_ready_in_seconds", "Learned time until a model takes work.", labels=("model",)
    )
    for name, state in states.items():
        for word in Readiness:
            life.add_metric((name, word), float(state.readiness is word))
        if state.ready_in_s is not None:
            coming.add_metric((name,), state.ready_in_s)
    yield life
    yield coming


def _drifting(drift: Drift) -> Iterator[Metric]:
    """The quality of each tier's latest rated answers, what it was before, and whether that is a fall."""
    labels = ("tier", "by")
    latest = GaugeMetricFamily("localfleet_quality", "Of a tier's latest 200 rated answers, 0 to 1.", labels=labels)
    before = GaugeMetricFamily("localfleet_quality_before", "Of all rated answers before those.", labels=labels)
    ringing = GaugeMetricFamily(
        "localfleet_quality_alarm", "1 where it fell by limits.quality_drift or more, for sure.", labels=labels
    )
    for of, fall in drift.falls().items():
        latest.add_metric(of, fall.latest)
        before.add_metric(of, fall.before)
        ringing.add_metric(of, float(fall.rings))
    yield from (latest, before, ringing)


def _escalating(alarm: Alarm) -> Iterator[Metric]:
    """The share of each task's latest requests that escalated, and whether that is too much."""
    share = GaugeMetricFamily(
        "localfleet_escalation_share", "Of a task's latest requests, those that escalated.", labels=("task",)
    )
    ringing = GaugeMetricFamily(
        "localfleet_escalation_alarm", "1 where that share reaches limits.escalation_alarm.", labels=("task",)
    )
    rings = alarm.ringing()
    for task, figure in alarm.shares().items():
        share.add_metric((task,), figure)
        ringing.add_metric((task,), float(task in rings))
    yield from (share, ringing)


def _counter(name: str, text: str, labels: Labels, sums: Sums) -> Metric:
    family = CounterMetricFamily(f"localfleet_{name}", text, labels=labels)
    for values, amount in list(sums.items()):
        family.add_metric(values, amount)
    return family


def _histogram(name: str, text: str, times: dict[str, Times], label: str = "tier") -> Metric:
    family = HistogramMetricFamily(f"localfleet_{name}", text, labels=(label,))
    for of, held in list(times.items()):
        bounds = (*(str(float(bound)) for bound in SECONDS), "+Inf")
        family.add_metric((of,), list(zip(bounds, accumulate(held.counts), strict=True)), held.total_s)
    return family
