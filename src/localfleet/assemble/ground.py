"""What a router keeps over every reload: books, purses, counters, residents, the conversations in memory."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localfleet.books import Seeds
from localfleet.core.rate import Bucket
from localfleet.engines.client import HttpClient
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.server.data_plane import Traffic
from localfleet.server.metrics import Metrics
from localfleet.server.recall import Recall
from localfleet.storage.ledger import SqliteLedger

__all__ = ["Ground", "SystemClock"]


class SystemClock:
    """The real time."""

    def now(self) -> float:
        """Unix time, seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds, for durations."""
        return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Built once. Nothing here depends on `models.yaml`, but for what only a restart can change."""

    home: Path
    env: Mapping[str, str] = field(repr=False)
    clock: SystemClock
    ledger: SqliteLedger
    print_key: bytes = field(repr=False)
    seeds: Seeds
    residents: Residents
    recall: Recall
    start_engines: bool
    on_progress: Callable[[Progress], None]
    metrics: Metrics = field(default_factory=Metrics)
    client: HttpClient = field(default_factory=HttpClient)
    traffic: Traffic = field(default_factory=Traffic)
    buckets: dict[str, Bucket] = field(default_factory=dict)
