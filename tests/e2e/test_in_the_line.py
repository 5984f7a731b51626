"""The line of a local model in the running router: who goes first, who goes elsewhere, who is told to come back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from counting_model import CountingModel
from fault_rig import CHAT, Stream, ask, receipt, records, until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key

CANARY = "bluebird-4711"
RESTRICTED = {"x-localfleet-privacy": "restricted"}
Start = Callable[..., AbstractContextManager[Router]]


@pytest.fixture
def model() -> Iterator[CountingModel]:
    """A model server of one millisecond for each weighted token."""
    with CountingModel(seconds_each=0.001) as served:
        yield served


@pytest.fixture
def start(tmp_path: Path, model: CountingModel, openai_tap: Tap) -> Start:
    """Start a router whose model `box` is the counting one, with these limits, and whose `mini` is a hosted tap."""

    def started(routing: Mapping[str, Any] | None = None, **limits: Any) -> Router:
        settings = {
            "version": 1,
            "local": {"box": {**model.entry, **limits}},
            "hosted": {"mini": openai_entry(openai_tap)},
            "routing": {"prefer": "local", **(routing or {})},
            "plans": {"double": {"weight": 2}},
        }
        return Router.start(tmp_path, settings)

    return started


def words(who: str, count: int) -> str:
    """A prompt of so many words, the first of which says whose it is."""
    return " ".join([who, *["word"] * (count - 1)])


def post(router: Router, who: str, *, size: int = 10, out: int = 1, model: str = "auto", **headers: str) -> Response:
    """One request."""
    named = {f"x-localfleet-{name.replace('_', '-')}": value for name, value in headers.items()}
    return router.post(CHAT, ask(model, words(who, size), max_tokens=out), named)


def bearer(router: Router, name: str, plan: str | None = None) -> dict[str, str]:
    """A key of its own, as a header; waits until the router knows it, and nobody without one."""
    _, token = create_key(router.home, name=name, label=Label.INTERNAL, at=time.time(), plan=plan)
    headers = {"authorization": f"Bearer {token}"}
    assert until(lambda: [router.get("/v1/models", each).status for each in ({}, headers)] == [401, 200])
    return headers


class Crowd:
    """Callers of one key that ask again as soon as they are answered, so that some of them always wait."""

    def __init__(self, router: Router, headers: Mapping[str, str], *, callers: int, body: dict[str, Any]) -> None:
        """Start them."""
        self._router, self._headers, self._body = router, headers, body
        self._over = threading.Event()
        self.statuses: set[int] = set()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._over.is_set():
            self.statuses.add(self._router.post(CHAT, self._body, self._headers).status)

    def stop(self) -> None:
        """No further requests; waits for those under way."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "share"), [(None, 0.5), ("double", 2 / 3)])
def test_a_flood_of_long_prompts_leaves_the_other_key_its_share(
    start: Start, model: CountingModel, plan: str | None, share: float
) -> None:
    """By tokens, within a fifth of what is fair: one key sends prompts twenty times as long, from more callers."""
    model.seconds_each = 0.0004
    with start(parallel=2, queue_limit=200) as router:
        flood, modest = bearer(router, "flood"), bearer(router, "modest", plan)
        crowds = [
            Crowd(router, flood, callers=16, body=ask("box", words("flood", 400), max_tokens=10)),
            Crowd(router, modest, callers=20, body=ask("box", words("modest", 20), max_tokens=10)),
        ]
        time.sleep(0.7)
        began = time.monotonic()
        time.sleep(4.0)
        served = model.work_by(began, time.monotonic())
        for crowd in crowds:
            crowd.stop()
    assert [crowd.statuses for crowd in crowds] == [{200}, {200}]
    assert model.most_at_once == 2
    assert served["modest"] / served.total() == pytest.approx(share, rel=0.2)


@pytest.mark.slow
def test_live_goes_before_batch_and_who_waited_is_told(start: Start, model: CountingModel) -> None:
    """Batch that came first goes last; header, receipt, metrics and status tell of the line."""
    model.seconds_each = 0.02
    with start(parallel=1, routing={"patience_ms": 60_000}) as router, ThreadPoolExecutor(9) as pool:
        first = pool.submit(post, router, "first")
        assert until(lambda: model.began == ["first"])
        batch = [pool.submit(post, router, "batch", size=2, priority="batch") for _ in range(3)]
        assert until(lambda: b'localfleet_waiting{model="box"} 3.0' in router.get("/metrics").body)
        live = [pool.submit(post, router, "live", size=2) for _ in range(3)]
        assert until(lambda: b'localfleet_waiting{model="box"} 6.0' in router.get("/metrics").body)
        page = router.get("/metrics").body
        assert b'localfleet_in_flight{model="box"} 1.0' in page
        assert b'localfleet_oldest_wait_seconds{model="box"} 0.' in page
        answers = [one.result() for one in (first, *batch, *live)]
        assert model.began == ["first", *["live"] * 3, *["batch"] * 3]
        assert {answer.status for answer in answers} == {200}
        assert "x-localfleet-queue-ms" not in answers[0].headers
        waited = [int(answer.headers["x-localfleet-queue-ms"]) for answer in answers[1:]]
        assert min(waited) > 20
        assert waited[2] > waited[4]
        written = receipt(router, answers[1].headers["x-localfleet-request-id"])
        assert written["queue_ms"] == pytest.approx(waited[0], abs=1)
        assert receipt(router, answers[0].headers["x-localfleet-request-id"])["queue_ms"] == 0


@pytest.mark.slow
def test_unrestricted_work_overflows_and_the_rest_waits_or_is_told_to_come_back(
    start: Start, model: CountingModel, openai_tap: Tap
) -> None:
    """A full line: open work goes to the hosted door (`local_busy`), batch and restricted hear 503 with a time."""
    model.seconds_each = 0.05
    with start(parallel=1, queue_limit=2) as router, ThreadPoolExecutor(9) as pool:
        under_way = [pool.submit(post, router, CANARY, size=20, privacy="restricted") for _ in range(2)]
        assert until(lambda: b'localfleet_waiting{model="box"} 1.0' in router.get("/metrics").body)
        answer = post(router, "open")
        assert (answer.status, answer.headers["x-localfleet-model"]) == (200, "mini")
        assert answer.headers["x-localfleet-reason"] == "local_busy"
        for refused in (post(router, CANARY, privacy="restricted"), post(router, CANARY, priority="batch")):
            assert (refused.status, refused.json["error"]["code"]) == (503, "queue_full")
            assert refused.headers["x-localfleet-reason"] == "queue_full"
            assert int(refused.headers["retry-after"]) >= 1
        assert [one.result().status for one in under_way] == [200, 200]
    assert len(openai_tap.posts()) == 1
    assert CANARY.encode() not in b"".join(request.body for request in openai_tap.posts())


@pytest.mark.slow
def test_patience_ends_where_another_door_stands_open(start: Start, model: CountingModel, openai_tap: Tap) -> None:
    """Nothing was learned yet, so open work stands in the line for its patience, and then goes out."""
    model.seconds_each = 0.05
    with start(parallel=1, routing={"patience_ms": 200}) as router, ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, router, "first", size=40)
        assert until(lambda: model.began == ["first"])
        began = time.monotonic()
        answer = post(router, "open")
        assert 0.2 <= time.monotonic() - began < 1.5
        assert (answer.headers["x-localfleet-model"], answer.headers["x-localfleet-attempts"]) == ("mini", "2")
        assert answer.headers["x-localfleet-reason"] == "queue_too_long"
        assert int(answer.headers["x-localfleet-queue-ms"]) >= 190
        first.result()
        second = pool.submit(post, router, "second", size=40)
        assert until(lambda: "second" in model.began)
        assert post(router, "open").headers["x-localfleet-reason"] == "local_busy"
        second.result()
    assert len(openai_tap.posts()) == 2


def test_restricted_work_waits_to_its_deadline_and_never_goes_out(
    start: Start, model: CountingModel, openai_tap: Tap
) -> None:
    """Then 503 with a time to come back; the hosted door, open all the while, never hears of it."""
    model.seconds_each = 0.03
    with start(parallel=1) as router, ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, router, CANARY, size=40, privacy="restricted")
        assert until(lambda: len(model.began) == 1)
        began = time.monotonic()
        answer = post(router, CANARY, privacy="restricted", deadline_ms="500")
        assert 0.45 < time.monotonic() - began < 1.5
        assert (answer.status, answer.json["error"]["code"]) == (503, "queue_too_long")
        assert int(answer.headers["retry-after"]) >= 1
        assert int(answer.headers["x-localfleet-queue-ms"]) >= 400
        waits = post(router, CANARY, privacy="restricted")
        assert (waits.status, waits.headers["x-localfleet-model"]) == (200, "box")
        assert first.result().status == 200
    assert len(model.began) == 2
    assert openai_tap.posts() == []


@pytest.mark.slow
def test_who_leaves_the_line_is_gone_from_it(start: Start, model: CountingModel) -> None:
    """The engine never hears of a caller that hung up while it waited; the one behind it moves up."""
    model.seconds_each = 0.05
    with start(parallel=1) as router, ThreadPoolExecutor(3) as pool:
        first = pool.submit(post, router, "first", size=20, model="box")
        assert until(lambda: model.began == ["first"])
        with Stream(router, ask("box", "gone away")):
            assert until(lambda: b'localfleet_waiting{model="box"} 1.0' in router.get("/metrics").body)
        assert until(lambda: b'localfleet_waiting{model="box"} 0.0' in router.get("/metrics").body)
        behind = post(router, "behind", model="box")
        assert behind.status == first.result().status == 200
        assert model.began == ["first", "behind"]
        left = [one for one in records(router.home, "receipt") if one["outcome"] == "client_left"]
        assert len(left) == 1
        assert left[0]["queue_ms"] > 0


@pytest.mark.slow
def test_a_drain_lets_the_line_finish(start: Start, model: CountingModel) -> None:
    """SIGTERM while three are in the line: all are answered, nobody new gets in, the exit code is 0."""
    model.seconds_each = 0.02
    with start(parallel=1) as router, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(post, router, "first", model="box") for _ in range(4)]
        assert until(lambda: b'localfleet_waiting{model="box"} 3.0' in router.get("/metrics").body)
        os.kill(router.pid, signal.SIGTERM)
        time.sleep(0.1)
        assert post(router, "late").status in {0, 503}
        assert [one.result().status for one in asked] == [200] * 4
        assert until(lambda: not router.alive(), 5)
        assert router.signal(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_box_that_fails_is_left_alone_and_says_when_to_come_back(
    start: Start, model: CountingModel, openai_tap: Tap
) -> None:
    """One box is the normal case: after three failures a restricted request hears 503 at once, not after its tries."""
    with start() as router:
        model.status = 500
        statuses = [post(router, CANARY, privacy="restricted").status for _ in range(2)]
        assert statuses == [502, 503]
        for _ in range(5):
            began = time.monotonic()
            answer = post(router, CANARY, privacy="restricted")
            assert time.monotonic() - began < 0.3
            assert (answer.status, answer.json["error"]["code"]) == (503, "engine_down")
            assert int(answer.headers["retry-after"]) >= 1
        assert post(router, "open").headers["x-localfleet-reason"] == "local_busy"
        model.status = 200
        time.sleep(1.1)
        assert post(router, CANARY, privacy="restricted").status == 200
    assert len(openai_tap.posts()) == 1


@pytest.mark.slow
def test_retries_have_a_budget_over_all_requests(start: Start, openai_tap: Tap) -> None:
    """A provider that limits everybody's rate gets each request once, and a few of them twice."""
    openai_tap.always(Behaviour(fault=Fault.STATUS, status=429))
    with start(routing={"retries_per_door": 2}) as router, ThreadPoolExecutor(8) as pool:
        asked = 60
        assert set(pool.map(lambda _: post(router, "x", model="mini").status, range(asked))) == {429}
    assert asked + 10 <= len(openai_tap.posts()) <= asked + 10 + asked // 10 + 1


@pytest.mark.slow
def test_who_comes_while_the_embedded_engine_loads_stands_in_its_line(tmp_path: Path) -> None:
    """The real llama.cpp: the line is bounded while it loads too, and moves as soon as it is ready."""
    small = {"weights": "smollm2-135m-instruct", "context_tokens": 1024, "queue_limit": 4}
    settings = {"version": 1, "local": {"small": small}}
    body = ask("small", "Say one word.", max_tokens=8)
    with Router.start(tmp_path, settings, verb="up") as router, ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(router.post, CHAT, body, RESTRICTED, 60) for _ in range(6)]
        answers = [one.result() for one in asked]
        waited = sorted(int(a.headers["x-localfleet-queue-ms"]) for a in answers if a.status == 200)
        full = [answer for answer in answers if answer.status == 503]
        assert len(waited) == 4
        assert {answer.json["error"]["code"] for answer in full} == {"queue_full"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in full)
        assert waited[0] > 0
        assert router.post(CHAT, body, RESTRICTED, 60).status == 200
