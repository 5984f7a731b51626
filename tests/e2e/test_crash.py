"""A router that dies in the middle of its work leaves neither a core nor a word."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from canary import new_canary, traces
from process import Tap
from router import Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import fleet

CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT)
LABELS = ("public", "restricted")


@pytest.fixture
def router(local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap, tmp_path: Path) -> Iterator[Router]:
    """A router whose limits allow a core, in front of taps as new."""
    settings = fleet(local=local_tap, openai=openai_tap, anthropic=anthropic_tap)
    with Router.start(tmp_path, settings) as started:
        yield started


def asked(canary: str, *, stream: bool) -> dict[str, Any]:
    """A chat with a canary."""
    return {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": f"Remember {canary}."}]}


@pytest.mark.slow
@pytest.mark.parametrize("number", CRASHES, ids=lambda number: number.name)
def test_a_crash_leaves_no_words(router: Router, local_tap: Tap, openai_tap: Tap, number: signal.Signals) -> None:
    """With answers given, streams half sent and requests that wait upstream, a crash writes nothing of them."""
    canaries = {
        label: new_canary() for label in LABELS
    }  # the same words would be one conversation, restricted for good
    for label, canary in canaries.items():
        assert router.post(CHAT, asked(canary, stream=False), {PRIVACY: label}).status == 200
    for tap in (local_tap, openai_tap):
        tap.clear()
        tap.script(Behaviour(fault=Fault.DIE, end="hang"), Behaviour(fault=Fault.HANG))

    def wait(label: str, stream: bool) -> int:
        return router.post(CHAT, asked(canaries[label], stream=stream), {PRIVACY: label}).status

    with ThreadPoolExecutor(4) as callers:
        waiting = [callers.submit(wait, label, stream) for label in LABELS for stream in (True, False)]
        assert all(tap.wait_for("data", number=2) for tap in (local_tap, openai_tap))
        assert router.signal(number) == -number
        assert {one.result() for one in waiting} <= {0, 200}
    assert not router.cores()
    left = router.at_rest()
    assert not [name for name, data in left.items() for canary in canaries.values() if traces(data, canary)]


CHAT = "/v1/chat/completions"
PRIVACY = "x-localfleet-privacy"
