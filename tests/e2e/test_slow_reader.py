"""A caller that reads slowly: the answer waits at the upstream, not in the router's memory."""

import time
from pathlib import Path

import pytest
from fault_rig import CHAT, Stream, ask, memory_mb, receipt
from flood import Flood
from process import Tap
from router import Router
from tap_fleet import local_entry

SOCKETS_HOLD = 22_000_000
"""Bytes that the kernel may take into its buffers on both legs of the way; 8 to 12 MB were seen."""


def _flooded(router: Router, flood: Flood, *, wait_s: float, mb_per_s: float) -> tuple[int, int, float]:
    """Read a flood slowly: bytes the upstream got rid of before the first read, bytes read, and MB of growth."""
    assert router.post(CHAT, ask("flood", stream=False, max_tokens=1)).status == 200
    before = memory_mb(router.pid)
    most = before
    with Stream(router, ask("flood", stream=True)) as stream:
        time.sleep(wait_s)
        early, read = flood.sent, 0
        while piece := stream.read(1_048_576):
            read += len(piece)
            most = max(most, memory_mb(router.pid))
            time.sleep(len(piece) / (mb_per_s * 1e6))
    return early, read, most - before


@pytest.mark.slow  # daily: tests/engines/test_http_engine.py::test_a_slow_reader_does_not_fill_the_memory
@pytest.mark.parametrize(("megabytes", "wait_s", "mb_per_s"), [(40, 0.5, 60), (200, 3, 25)])
def test_a_slow_reader_slows_the_upstream(
    tmp_path: Path, local_tap: Tap, megabytes: int, wait_s: float, mb_per_s: float
) -> None:
    """What the caller does not read waits at the upstream, not in the router's memory; nothing is lost."""
    with Flood(megabytes * 1_000_000) as flood:
        entry = {**local_entry(local_tap), "url": f"http://127.0.0.1:{flood.port}/v1"}
        with Router.start(tmp_path, {"version": 1, "local": {"flood": entry}}) as router:
            early, read, grown = _flooded(router, flood, wait_s=wait_s, mb_per_s=mb_per_s)
            written = receipt(router)
    print(f"\n{megabytes} MB: {early / 1e6:.1f} MB before the first read, {grown:.1f} MB more memory")
    assert read >= megabytes * 1_000_000
    assert early < SOCKETS_HOLD
    assert grown < min(50, megabytes / 3)
    assert written["outcome"] == "answered"
