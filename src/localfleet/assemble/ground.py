"""What a router keeps over every reload: books, purses, counters, residents, the conversations in memory."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localfleet.books import Seeds
from localfleet.core.rate import Bucket, TokenBucket
from localfleet.core.receipt import Receipt
from localfleet.engines.client import HttpClient
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.keeping import FeatureFile
from localfleet.otlp.exporter import Exporter
from localfleet.people.tickets import Tickets
from localfleet.readers.aside import Aside
from localfleet.readers.load import load_reader
from localfleet.redacting import Sessions
from localfleet.server.metrics import Metrics
from localfleet.server.recall import Recall
from localfleet.steering import Tracks
from localfleet.storage.ledger import SqliteLedger
from localfleet.traffic import Traffic

__all__ = ["Ground", "NameReader", "SystemClock"]


class SystemClock:
    """The real time: the functions themselves, for each request asks a dozen times."""

    now = staticmethod(time.time)
    """Unix time, seconds."""
    monotonic = staticmethod(time.monotonic)
    """Seconds, for durations."""


@dataclass(slots=True)
class NameReader:
    """The model of names, for the first file that asks for it and all after."""

    aside: Aside | None = None

    def get(self) -> Aside:
        """The reader."""
        if self.aside is None:
            self.aside = Aside(load_reader())
        return self.aside

    def close(self) -> None:
        """End its thread."""
        if self.aside is not None:
            self.aside.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Built once. Nothing here depends on `models.yaml`, but for what only a restart can change."""

    home: Path
    env: Mapping[str, str] = field(repr=False)
    clock: SystemClock
    ledger: SqliteLedger
    print_key: bytes = field(repr=False)
    documents_key: bytes = field(repr=False)
    seeds: Seeds
    residents: Residents
    recall: Recall
    start_engines: bool
    on_progress: Callable[[Progress], None]
    metrics: Metrics = field(default_factory=Metrics)
    client: HttpClient = field(default_factory=HttpClient)
    traffic: Traffic = field(default_factory=Traffic)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    token_buckets: dict[str, TokenBucket] = field(default_factory=dict)
    reader: NameReader = field(default_factory=NameReader)
    sessions: Sessions = field(default_factory=lambda: Sessions(now=time.monotonic))
    """Names that were replaced on the way out, by session."""
    tickets: Tickets
    """Requests that wait for a person."""
    features: FeatureFile
    """Where features of requests are kept, if a file asks for it."""
    exporter: Exporter | None = None
    """Carries spans to a collector, if the file names one at the start."""
    tracks: Tracks = field(default_factory=Tracks)
    """Conversations and the pace of doors, for routing strategies."""

    def spend_tokens(self, receipt: Receipt) -> None:
        """Take what a request used from its key's tokens of the minute, where its plan limits them."""
        bucket = self.token_buckets.get(receipt.key_id)
        if bucket is not None and receipt.usage is not None:
            bucket.spend(receipt.usage.input_tokens + receipt.usage.output_tokens)
