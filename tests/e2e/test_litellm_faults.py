"""The worst faults once more through litellm's SDK, which stands between a chat request and Anthropic's API."""

import json
import time
from collections.abc import Iterator

import pytest
from fault_rig import CHAT, Stream, ask, receipt, until
from process import Tap
from router import Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import anthropic_entry, local_entry

pytestmark = pytest.mark.slow
NUMBERS = range(8)


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """One router; each test takes an Anthropic model of its own, so that no breaker of another stands open."""
    settings = {
        "version": 1,
        "local": {"box": local_entry(shared_taps[0])},
        "hosted": {f"c{number}": anthropic_entry(shared_taps[2]) for number in NUMBERS},
    }
    with Router.start(tmp_path_factory.mktemp("litellm"), settings) as started:
        assert until(lambda: started.post(CHAT, ask("c0", max_tokens=5)).status == 200, 60)
        yield started


@pytest.mark.parametrize(("model", "stream"), [("c1", False), ("c2", True)])
def test_a_deadline_holds(router: Router, anthropic_tap: Tap, model: str, *, stream: bool) -> None:
    """504 no later than the deadline and a little, and the call is cut."""
    anthropic_tap.always(Behaviour(delay_s=30))
    began = time.monotonic()
    answer = router.post(CHAT, ask(model, stream=stream), {"x-localfleet-deadline-ms": "500"})
    assert time.monotonic() - began < 0.8
    assert answer.status == 504
    assert anthropic_tap.wait_for("cut", timeout_s=1)
    assert len(anthropic_tap.posts()) == 1


@pytest.mark.parametrize(("model", "stream"), [("c3", False), ("c4", True)])
def test_a_caller_that_leaves(router: Router, anthropic_tap: Tap, model: str, *, stream: bool) -> None:
    """The call is cut within a second, and the receipt holds what it may cost."""
    anthropic_tap.always(Behaviour(delay_s=30))
    with Stream(router, ask(model, stream=stream, max_tokens=20)):
        assert until(lambda: anthropic_tap.counters()["in_flight"] == 1)
    assert anthropic_tap.wait_for("cut", timeout_s=1)
    assert until(lambda: receipt(router)["wanted"] == model)
    assert (receipt(router)["outcome"], receipt(router)["cost_usd"]) == ("client_left", None)


def test_a_death_in_mid_stream(router: Router, anthropic_tap: Tap) -> None:
    """The last event is a typed error, without an end mark."""
    anthropic_tap.always(Behaviour(fault=Fault.DIE, after=5))
    answer = router.post(CHAT, ask("c5", stream=True))
    last = [line for line in answer.body.split(b"\n\n") if line][-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "died_midstream"
    assert b"[DONE]" not in answer.body
    assert len(anthropic_tap.posts()) == 1


def test_a_caller_that_leaves_in_mid_stream(router: Router, anthropic_tap: Tap) -> None:
    """The stream is cut within a second."""
    anthropic_tap.always(Behaviour(chunk_delay_s=0.2, text="word " * 50))
    with Stream(router, ask("c6", stream=True)) as stream:
        seen = b""
        while seen.count(b"word") < 2:
            seen += stream.read()
    assert anthropic_tap.wait_for("cut", timeout_s=1)
    assert until(lambda: receipt(router)["outcome"] == "client_left")
    assert receipt(router)["output_tokens"] > 0
