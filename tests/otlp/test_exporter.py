"""Spans are carried beside requests: a collector that is slow, full, rude or gone blocks nobody, and loss counts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from collector import collecting
from receivers import dawdles, hangs_up, is_rude, listening, says_nothing
from test_span import receipt

from localfleet.core.label import Label
from localfleet.otlp.exporter import AT_ONCE, Collector, Exporter

QUICK_S = 0.05


@contextmanager
def exporting(url: str, **changes: Any) -> Iterator[Exporter]:
    """An exporter at work, ended whatever happens."""
    facts: dict[str, Any] = {
        "headers": {},
        "every_s": QUICK_S,
        "timeout_s": 0.3,
        "most_waiting": 1000,
        "restricted": True,
    } | changes
    exporter = Exporter(Collector(url=url, **facts), back_off_s=(QUICK_S, QUICK_S))
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.close()
        exporter.join(10)
        assert not exporter.is_alive()


def until(holds: Callable[[], bool]) -> None:
    """Wait, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_receipt_becomes_one_span() -> None:
    """With the collector's headers; what waits at the end is delivered before it ends."""
    with collecting() as collector:
        with exporting(collector.url, headers={"x-key": "k"}) as exporter:
            for number in range(3):
                exporter.take(receipt(request_id=str(number)), {})
            collector.wait_for(3)
            exporter.take(receipt(request_id="last"), {})
        assert [span.attributes["localfleet.request_id"] for span in collector.spans] == ["0", "1", "2", "last"]
        assert exporter.counts == {"sent": 4, "refused": 0, "dropped": 0}
        assert {head["x-key"] for head in collector.heads} == {"k"}
    assert "x-key" not in repr(exporter._collector)  # nobody else has a reason to look


def test_restricted_requests_are_left_out_where_the_file_says_so() -> None:
    """Not even counted."""
    with collecting() as collector, exporting(collector.url, restricted=False) as exporter:
        exporter.take(receipt(label=Label.RESTRICTED), {})
        exporter.take(receipt(), {})
        assert [span.attributes["localfleet.label"] for span in collector.wait_for(1)] == ["public"]
    assert exporter.counts == {"sent": 1, "refused": 0, "dropped": 0}


def test_a_busy_collector_is_asked_again_and_one_that_refuses_is_not() -> None:
    """429 and 503 keep the spans for later; 400 drops them, counted."""
    with collecting() as collector, exporting(collector.url) as exporter:
        collector.answers = [503]
        exporter.take(receipt(request_id="kept"), {})
        until(lambda: exporter.counts["sent"] == 1)
        assert len(collector.raw) == 2
        collector.answers = [400]
        exporter.take(receipt(request_id="lost"), {})
        until(lambda: exporter.counts["refused"] == 1)
        exporter.take(receipt(request_id="next"), {})
        assert [span.attributes["localfleet.request_id"] for span in collector.wait_for(2)] == ["kept", "next"]


@pytest.mark.parametrize("serve", [dawdles, says_nothing, is_rude, hangs_up, None])
def test_a_collector_that_is_slow_full_or_gone_blocks_nobody(serve: Any) -> None:
    """A thousand receipts are taken in no time; memory is bounded, the rest is counted; the end is not held up."""
    with listening(serve or says_nothing) as receiver:
        url = f"http://{receiver.at}/v1/traces" if serve else "http://127.0.0.1:1/v1/traces"
        with exporting(url, most_waiting=100, timeout_s=0.15) as exporter:
            started = time.thread_time()
            for _ in range(1000):
                exporter.take(receipt(), {})
            assert time.thread_time() - started < 0.2
            until(lambda: exporter.counts["dropped"] == 900)
            time.sleep(QUICK_S)
        assert exporter.counts["sent"] == 0
        assert exporter.counts["dropped"] + exporter.counts["refused"] == 1000


def test_more_than_one_load_waits_for_nobody() -> None:
    """A full load goes at once, the next after it, each span once."""
    with collecting() as collector, exporting(collector.url, every_s=60.0, most_waiting=5000, timeout_s=5) as exporter:
        for number in range(2 * AT_ONCE):
            exporter.take(receipt(request_id=str(number)), {})
        until(lambda: exporter.counts["sent"] == 2 * AT_ONCE)
        assert len({span.id for span in collector.spans}) == 2 * AT_ONCE
