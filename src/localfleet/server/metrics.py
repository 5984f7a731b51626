"""`/metrics`: counted from the receipts that the ledger keeps, so the two cannot disagree. Labels are never text."""

from collections.abc import Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.ports import LedgerHealth

__all__ = ["Metrics"]

Family = TypeVar("Family", Counter, Histogram)
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """One registry per router; nothing global."""

    def __init__(self) -> None:
        """Declare every series."""
        self.registry = CollectorRegistry()
        self._found: dict[tuple[object, ...], Counter | Histogram] = {}
        where = ("model", "tier", "label")
        self.requests = Counter(
            "localfleet_requests",
            "Requests by where they went, why, and how they ended.",
            ("api", *where, "task", "reason", "outcome"),
            registry=self.registry,
        )
        self.refused = Counter(
            "localfleet_refused",
            "Requests refused before they were read, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.attempts = Counter(
            "localfleet_attempts", "Doors tried, by how it went.", ("model", "tier", "reason"), registry=self.registry
        )
        self.tokens = Counter(
            "localfleet_tokens",
            "Tokens, measured or estimated.",
            (*where, "direction", "source"),
            registry=self.registry,
        )
        self.usd = Counter(
            "localfleet_cost_usd", "Marginal hosted cost, USD.", ("model", "tier"), registry=self.registry
        )
        self.unpriced = Counter(
            "localfleet_unpriced_requests", "Answers whose price is unknown.", ("model",), registry=self.registry
        )
        self.first_byte = Histogram(
            "localfleet_first_byte_seconds",
            "Arrival to first byte.",
            ("tier",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.total = Histogram(
            "localfleet_total_seconds", "Arrival to last byte.", ("tier",), buckets=SECONDS, registry=self.registry
        )
        self.ready = Gauge("localfleet_engine_ready", "1 while a model takes work.", ("model",), registry=self.registry)
        self.in_flight = Gauge("localfleet_in_flight", "Requests under way.", ("model",), registry=self.registry)
        self.ledger = Gauge("localfleet_ledger_ok", "1 while records can be made durable.", registry=self.registry)
        self.unwritten = Gauge("localfleet_ledger_unwritten", "Receipts waiting for the disk.", registry=self.registry)

    def count(self, receipt: Receipt) -> None:
        """Count one receipt."""
        model, tier = receipt.model or "none", receipt.tier or "none"
        where = (model, tier, receipt.label.word)
        task = receipt.task or "none"
        series = self._series
        series(self.requests, receipt.api, *where, task, receipt.reason, receipt.outcome).inc()
        for attempt in receipt.attempts:
            series(self.attempts, attempt.model, attempt.tier, attempt.reason).inc()
        if receipt.usage is not None:
            source = "measured" if receipt.usage.measured else "estimated"
            series(self.tokens, *where, "in", source).inc(receipt.usage.input_tokens)
            series(self.tokens, *where, "out", source).inc(receipt.usage.output_tokens)
        if receipt.cost_usd is None:
            series(self.unpriced, model).inc()
        elif receipt.cost_usd:
            series(self.usd, model, tier).inc(float(receipt.cost_usd))
        if receipt.first_byte_ms is not None:
            series(self.first_byte, tier).observe(receipt.first_byte_ms / 1000)
            series(self.total, tier).observe(receipt.total_ms / 1000)

    def _series(self, family: Family, *values: str) -> Family:
        """One labelled series, kept, for prometheus_client's own look-up costs more than counting."""
        key = (family, *values)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = family.labels(*values)
        return found  # type: ignore[return-value]  # `labels` gives the class it was called on

    def count_refused(self, reason: Reason) -> None:
        """Count a request refused at the porch."""
        self.refused.labels(reason).inc()

    def page(self, states: Mapping[str, EngineState], ledger: LedgerHealth) -> bytes:
        """The exposition text, with the gauges as of now."""
        for name, state in states.items():
            self.ready.labels(name).set(state.readiness is Readiness.READY)
            self.in_flight.labels(name).set(state.in_flight)
        self.ledger.set(ledger.ok)
        self.unwritten.set(ledger.unwritten)
        return generate_latest(self.registry)
