"""
Models that come and go, end to end: two real models that do not fit together, real clients, a tap as hosted door.

Room for one of the two: the other is loaded by whoever asks for it, in turns.
"""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from fault_rig import CHAT, ask, receipt, until
from process import Tap
from router import Router
from tap_fleet import openai_entry

WEIGHTS = "smollm2-135m-instruct"
ROOM_FOR_ONE = {"ram_gib": "0.4", "turn_s": 3}
PARIS = "What is the capital of France?"
HELD = {"x-localfleet-privacy": "restricted"}


def model(**life: Any) -> dict[str, Any]:
    """The shipped model, on one thread."""
    return {"weights": WEIGHTS, "threads": 1, "life": life}


@pytest.fixture(scope="module")
def two(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """`localfleet up` with `left` and `right`, room for one of them, and a hosted model."""
    settings = {
        "version": 1,
        "hardware": {"sharing": ROOM_FOR_ONE},
        "local": {"left": model(load="on_demand"), "right": model(load="on_demand")},
        "hosted": {"mini": openai_entry(shared_taps[1])},
        "routing": {"prefer": "local"},
    }
    router = Router.start(tmp_path_factory.mktemp("two"), settings, verb="up")
    try:
        yield router
    finally:
        router.stop()


def states(router: Router) -> dict[str, str]:
    """Each model's word in `/readyz`."""
    return {name: found["state"] for name, found in router.get("/readyz").json["models"].items()}


def engines(router: Router) -> list[int]:
    """The engine processes below the router."""
    children = Path(f"/proc/{router.pid}/task/{router.pid}/children").read_text().split()
    return [int(pid) for pid in children]


@contextlib.contextmanager
def busy(router: Router, name: str) -> Iterator[None]:
    """Somebody asks this model again and again."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            router.post(CHAT, ask(name, max_tokens=24, temperature=0), HELD, timeout_s=60)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert until(lambda: states(router)[name] == "ready", 30)
        yield
    finally:
        over.set()
        thread.join(60)


@pytest.mark.slow
def test_nothing_runs_until_somebody_asks_and_then_it_answers(two: Router) -> None:
    """A router whose models sleep is open. Who may leave goes out at once, who must stay waits and is told how long."""
    assert two.get("/readyz").status == 200
    assert states(two)["left"] == states(two)["right"] == "asleep"
    elsewhere = two.post(CHAT, ask("auto", PARIS), timeout_s=60)
    assert elsewhere.headers["x-localfleet-tier"] == "low_cost"
    assert elsewhere.headers["x-localfleet-reason"] == "local_busy"
    assert not engines(two)
    answer = two.post(CHAT, ask("left", PARIS, temperature=0), HELD, timeout_s=60)
    assert answer.status == 200
    assert "Paris" in answer.json["choices"][0]["message"]["content"]
    assert int(answer.headers["x-localfleet-queue-ms"]) > 100
    assert receipt(two, answer.headers["x-localfleet-request-id"])["queue_ms"] > 100
    assert len(engines(two)) == 1
    assert "left load" in json.loads((two.home / "engine_times.json").read_text())


@pytest.mark.slow
def test_two_clients_in_turn_both_get_on(two: Router) -> None:
    """Each is answered many times for each change of model, and neither starves."""
    done = {"left": 0, "right": 0}
    over = threading.Event()

    def client(name: str) -> None:
        while not over.is_set():
            if two.post(CHAT, ask(name, max_tokens=4), HELD, timeout_s=60).status == 200:
                done[name] += 1

    threads = [threading.Thread(target=client, args=(name,), daemon=True) for name in done]
    loads = two.output().count(b" loading")
    for thread in threads:
        thread.start()
    time.sleep(20)
    over.set()
    for thread in threads:
        thread.join(60)
    changes = two.output().count(b" loading") - loads
    assert 2 <= changes <= 8
    assert min(done.values()) >= 5
    assert sum(done.values()) > 4 * changes


@pytest.mark.slow
def test_a_stream_is_told_what_it_waits_for(two: Router) -> None:
    """Comments come while the other model has its turn; unchanged clients read the answer as if they were not there."""
    with busy(two, "left"):
        raw = two.post(CHAT, ask("right", PARIS, stream=True, temperature=0), HELD, timeout_s=60)
    assert raw.status == 200
    assert raw.body.startswith(b": localfleet right is ")
    assert raw.body.rstrip().endswith(b"data: [DONE]")
    assert raw.headers["x-localfleet-model"] == "right"
    with busy(two, "left"), openai.OpenAI(base_url=two.v1, api_key="x", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="right", messages=[{"role": "user", "content": PARIS}], stream=True, temperature=0, extra_headers=HELD
        )
        assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    asked: Any = {"model": "right", "max_tokens": 16, "messages": [{"role": "user", "content": PARIS}]}
    with (
        busy(two, "left"),
        anthropic.Anthropic(base_url=two.url, api_key="x", max_retries=0) as claude,
        claude.messages.stream(**asked, extra_headers=HELD) as told,
    ):
        assert "Paris" in told.get_final_text()


@pytest.mark.slow
def test_a_deadline_ends_the_wait_inside_the_stream(two: Router) -> None:
    """A stream that began with comments ends with a typed error event; a whole answer has its own status."""
    hurry = {**HELD, "x-localfleet-deadline-ms": "2600"}
    with busy(two, "left"):
        stream = two.post(CHAT, ask("right", PARIS, stream=True), hurry, timeout_s=60)
        whole = two.post(CHAT, ask("right", PARIS), {**HELD, "x-localfleet-deadline-ms": "300"}, timeout_s=60)
    assert b": localfleet right" in stream.body
    last = stream.body.rstrip().rsplit(b"\n\n", 1)[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["src"] == "localfleet"
    assert whole.status in {503, 504}


@pytest.mark.slow
def test_kill_9_in_a_turn(two: Router, shared_taps: tuple[Tap, Tap, Tap]) -> None:
    """The engine dies under load: who must stay waits for the next process, and nothing restricted leaves."""
    shared_taps[1].reset()
    with busy(two, "left"):
        for pid in engines(two):
            os.kill(pid, signal.SIGKILL)
        answer = two.post(CHAT, ask("left", PARIS, temperature=0), HELD, timeout_s=60)
    assert answer.status == 200
    assert not shared_taps[1].posts()


@pytest.mark.slow
def test_it_sleeps_when_idle_and_the_end_leaves_nothing(tmp_path: Path) -> None:
    """Idle time unloads an engine that cannot sleep; the next request loads it; SIGTERM leaves no process."""
    settings = {"version": 1, "local": {"small": model(sleep_after_s=1)}}
    with Router.start(tmp_path, settings, verb="up") as router:
        assert until(lambda: states(router)["small"] == "ready", 30)
        assert until(lambda: states(router)["small"] == "asleep", 30)
        assert not engines(router)
        assert router.post(CHAT, ask("small", PARIS), timeout_s=60).status == 200
        pids = engines(router)
        assert router.stop() == 0
        assert pids
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
