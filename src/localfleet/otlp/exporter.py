"""
One thread that carries spans to a collector. No request waits for it: what has no room is dropped and counted.

A collector that is busy or gone (429, 502, 503, 504, no connection) is asked again after a pause that doubles; one that
refuses (any other status) does not get the same spans again. Its words are never read.
"""

import logging
import secrets
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from localfleet.core.label import Label
from localfleet.core.receipt import Receipt
from localfleet.otlp.span import request_of, span_of
from localfleet.posting import Posted, post

__all__ = ["Collector", "Exporter"]

AT_ONCE = 512
AGAIN = frozenset({429, 502, 503, 504})
BACK_OFF_S = (1.0, 60.0)

_log = logging.getLogger("localfleet.traces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where spans go, and how patiently. `headers` may hold a key of the collector's."""

    url: str
    headers: Mapping[str, str]
    every_s: float
    timeout_s: float
    most_waiting: int
    restricted: bool
    """Whether restricted requests have spans at all."""

    def __repr__(self) -> str:
        """Without its headers."""
        return f"Collector({self.url})"


class Exporter(threading.Thread):
    """Takes receipts on the event loop, and delivers spans beside it."""

    def __init__(self, collector: Collector, *, back_off_s: tuple[float, float] = BACK_OFF_S) -> None:
        """`back_off_s` bounds the pauses after failures: the first, and the longest."""
        super().__init__(name="localfleet-traces", daemon=True)
        self.counts = Counter(sent=0, refused=0, dropped=0)
        """`sent`, `refused` by the collector, `dropped` for want of room or time."""
        self._collector, self._back_off_s = collector, back_off_s
        self._key = secrets.token_bytes(32)
        self._waiting: deque[tuple[Receipt, Mapping[str, str]]] = deque()
        self._changed = threading.Condition()
        self._closing, self._ok = False, True

    def take(self, receipt: Receipt, providers: Mapping[str, str]) -> None:
        """Queue the span of a receipt. Never blocks."""
        if receipt.label is Label.RESTRICTED and not self._collector.restricted:
            return
        if len(self._waiting) >= self._collector.most_waiting:
            self.counts["dropped"] += 1
            return
        self._waiting.append((receipt, providers))
        # The thread looks again by itself; only a full load is worth a word.
        if len(self._waiting) == AT_ONCE and self._changed.acquire(blocking=False):
            self._changed.notify()
            self._changed.release()

    def close(self) -> None:
        """Try once more what waits, then end. Does not wait: `join` does."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def run(self) -> None:
        """Deliver until closed, and once more then."""
        pause_s, closing = 0.0, False
        while not closing:
            closing = self._rested(pause_s)
            pause_s = self._deliver_all(pause_s)
        self.counts["dropped"] += len(self._waiting)
        self._waiting.clear()

    def _rested(self, pause_s: float) -> bool:
        """Wait for the next time to deliver; whether it is the last."""
        with self._changed:
            if pause_s:
                self._changed.wait_for(lambda: self._closing, pause_s)
            else:
                self._changed.wait_for(self._is_due, self._collector.every_s)
            return self._closing

    def _is_due(self) -> bool:
        return self._closing or len(self._waiting) >= AT_ONCE

    def _deliver_all(self, pause_s: float) -> float:
        """Deliver what waits; how long to rest before the next try, zero where all went well."""
        while self._waiting:
            load = [self._waiting[at] for at in range(min(AT_ONCE, len(self._waiting)))]
            asked_s = self._deliver(load)
            if asked_s is not None:
                return max(asked_s, min(self._back_off_s[1], pause_s * 2 or self._back_off_s[0]))
            for _ in load:
                self._waiting.popleft()
        return 0.0

    def _deliver(self, load: list[tuple[Receipt, Mapping[str, str]]]) -> float | None:
        """Send one load; seconds that the collector asks to be left alone where it must be tried again."""
        spans = [span_of(receipt, providers=providers, key=self._key) for receipt, providers in load]
        try:
            said = self._post(orjson.dumps(request_of(spans)))
        except (OSError, ValueError):
            self._say("it cannot be reached, or does not answer in time")
            return 0.0
        if said.status in AGAIN:
            self._say("it asks to be left alone for a while")
            return said.retry_after_s or 0.0
        self.counts["sent" if said.taken else "refused"] += len(load)
        self._say("" if said.taken else "it refuses them; check its address and `traces.headers_env`")
        return None

    def _post(self, body: bytes) -> Posted:
        return post(self._collector.url, body, self._collector.timeout_s, self._collector.headers)

    def _say(self, why: str) -> None:
        """One line in the log for each change."""
        before, self._ok = self._ok, not why
        if why and before:
            _log.error("Spans do not reach the collector of `traces.url`: %s.", why)
        elif not why and not before:
            _log.info("Spans reach the collector of `traces.url` again.")
