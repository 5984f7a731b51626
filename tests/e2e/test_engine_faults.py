"""
What callers, ledger and upstream see when a model's server is slow, rude, half-closed, full or gone.

One router, many doors: each test takes a fresh pair of models, so that no breaker of an earlier test stands open.
`a` leads to one tap, `b` to another, both as hosted models; `l` is a local engine. Task `t<n>` tries `a<n>`, then
`b<n>`.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anthropic
import openai
import pytest
from fault_rig import CHAT, Stream, ask, receipt, until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import local_entry, openai_entry

PAIRS = 60
HURRY = {"x-localfleet-deadline-ms": "400"}
DEADLINE_S = 0.4
SLACK_S = 0.3


@dataclass
class Yard:
    """A router with many doors to the same three taps."""

    router: Router
    a: Tap
    b: Tap
    local: Tap
    numbers: Iterator[int] = field(default_factory=count)

    def number(self) -> int:
        """The next pair of doors that nobody has used."""
        return next(self.numbers)

    def task(self, number: int, **more: Any) -> Response:
        """One request to the pair: door `a`, and if that fails door `b`."""
        return self.router.post(CHAT, ask(**more), {"x-localfleet-task": f"t{number}"})


@pytest.fixture(scope="module")
def doors(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The router; it serves all tests of this file."""
    local, a, b = shared_taps
    hosted = {f"a{i}": openai_entry(a) for i in range(PAIRS)} | {f"b{i}": openai_entry(b) for i in range(PAIRS)}
    settings = {
        "version": 1,
        "local": {f"l{i}": local_entry(local) for i in range(PAIRS)},
        "hosted": hosted,
        "tasks": {f"t{i}": {"first": f"a{i}", "fallback": [f"b{i}"]} for i in range(PAIRS)},
        "limits": {"fallbacks_per_request": 1},
    }
    with Router.start(tmp_path_factory.mktemp("faults"), settings) as router:
        assert until(lambda: router.post(CHAT, ask("a0", max_tokens=1)).status == 200)
        yield Yard(router, a, b, local, count(1))


@pytest.fixture
def yard(doors: Yard, local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap) -> Yard:
    """The same with taps as new."""
    return doors


@pytest.mark.slow
def test_a_refused_connection_goes_to_the_next_door(yard: Yard) -> None:
    """Nobody listens: tried twice, then the next door answers and the header says why; alone it is a 502."""
    yard.a.refuse()
    number = yard.number()
    answer = yard.task(number)
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, f"b{number}")
    assert answer.headers["x-localfleet-reason"] == "connect_failed"
    assert answer.headers["x-localfleet-attempts"] == "3"
    alone = yard.router.post(CHAT, ask(f"a{yard.number()}"))
    assert (alone.status, alone.json["error"]["code"]) == (502, "connect_failed")
    assert not yard.a.posts()


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HEADERS_HANG, Fault.HALF_HEADERS, Fault.HALF_BODY])
def test_a_deadline_holds_whatever_hangs(yard: Yard, fault: Fault) -> None:
    """Local and hosted, plain and streaming: 504 no later than the deadline and a little."""
    for tap in (yard.a, yard.b, yard.local):
        tap.always(Behaviour(fault=fault, end="hang"))
    number = yard.number()
    bodies = [(ask(f"a{number}"), {}), (ask(f"l{number}"), {}), (ask(), {"x-localfleet-task": f"t{number}"})]
    if fault is not Fault.HALF_BODY:  # half a stream is an answer that began
        bodies += [(ask(f"b{number}", stream=True), {}), (ask(f"l{number}", stream=True), {})]

    def timed(body: dict[str, Any], headers: dict[str, str]) -> tuple[Response, float]:
        began = time.monotonic()
        return yard.router.post(CHAT, body, {**HURRY, **headers}), time.monotonic() - began

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda pair: timed(*pair), bodies))
    for answer, seconds in answers:
        assert (answer.status, answer.json["error"]["type"]) == (504, "upstream_error")
        assert answer.json["error"]["code"] in {"timed_out", "deadline_passed"}
        assert DEADLINE_S * 0.9 < seconds < DEADLINE_S + SLACK_S
    assert until(lambda: not any(tap.counters()["open"] for tap in (yard.a, yard.b, yard.local)), 1)


def test_a_deadline_that_passed_before_the_next_door(yard: Yard) -> None:
    """The first door eats the whole deadline: the second one is not asked at all."""
    yard.a.always(Behaviour(fault=Fault.HANG))
    number = yard.number()
    answer = yard.router.post(CHAT, ask(), {**HURRY, "x-localfleet-task": f"t{number}"})
    assert answer.status == 504
    assert len(yard.a.posts()) == 1
    assert not yard.b.posts()


def test_a_rate_limit_longer_than_the_deadline_is_told_at_once(yard: Yard) -> None:
    """Nobody sleeps past the caller's deadline: the 429 comes back with its time, and the door is not asked again."""
    yard.a.always(Behaviour(fault=Fault.STATUS, status=429, retry_after="2"))
    began = time.monotonic()
    answer = yard.router.post(CHAT, ask(f"a{yard.number()}"), HURRY)
    assert time.monotonic() - began < DEADLINE_S
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert len(yard.a.posts()) == 1


def test_a_rate_limit_that_passes_is_waited_for(yard: Yard) -> None:
    """429 with a short `retry-after`: the same door again within two seconds, after the time it asked for."""
    number = yard.number()
    yard.a.script(Behaviour(fault=Fault.STATUS, status=429, retry_after="1"))
    began = time.monotonic()
    answer = yard.task(number)
    assert 1 <= time.monotonic() - began < 2
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, f"a{number}")
    assert answer.headers["x-localfleet-attempts"] == "2"
    assert [one["reason"] for one in _tried(yard, answer)] == ["rate_limited", "answered"]
    first, second = yard.a.posts()
    assert second.at - first.at >= 1


def test_a_long_rate_limit_goes_to_the_next_door_at_once(yard: Yard) -> None:
    """Nobody waits a minute: the next door answers, and the limited one is left alone meanwhile."""
    number = yard.number()
    yard.a.always(Behaviour(fault=Fault.STATUS, status=429, retry_after="60"))
    began = time.monotonic()
    answers = [yard.task(number) for _ in range(3)]
    assert time.monotonic() - began < 1
    assert {answer.headers["x-localfleet-model"] for answer in answers} == {f"b{number}"}
    assert answers[0].headers["x-localfleet-reason"] == "rate_limited"
    assert len(yard.a.posts()) == 1


def test_all_doors_limited_is_a_429_with_the_time(yard: Yard) -> None:
    """Every door limits the rate: so says the answer, with the shortest time; later the box stands in for both."""
    number = yard.number()
    yard.a.always(Behaviour(fault=Fault.STATUS, status=429, retry_after="20"))
    yard.b.always(Behaviour(fault=Fault.STATUS, status=429, retry_after="40"))
    for answer in (yard.task(number), *(yard.router.post(CHAT, ask(f"a{number}")) for _ in range(3))):
        assert (answer.status, answer.json["error"]["type"]) == (429, "rate_limit_error")
        assert answer.headers["x-localfleet-reason"] == "rate_limited"
        assert 15 <= int(answer.headers["retry-after"]) <= 20
    assert yard.task(number).headers["x-localfleet-tier"] == "local"
    assert (len(yard.a.posts()), len(yard.b.posts())) == (1, 1)
    client = openai.OpenAI(base_url=yard.router.v1, api_key="unused", max_retries=0)
    with client, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ask(f"a{number}"))


def test_two_errors_and_then_the_next_door(yard: Yard) -> None:
    """500 twice: the next door answers, with the failure as the reason; nothing of the error is told."""
    number = yard.number()
    yard.a.always(Behaviour(fault=Fault.STATUS, status=500))
    answer = yard.task(number, text="the word is CANARY")
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, f"b{number}")
    assert answer.headers["x-localfleet-reason"] == "upstream_error"
    assert answer.headers["x-localfleet-attempts"] == "3"
    assert [(one["model"], one["reason"], one["status"]) for one in _tried(yard, answer)] == [
        (f"a{number}", "upstream_error", 500),
        (f"a{number}", "upstream_error", 500),
        (f"b{number}", "answered", 200),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.GARBAGE, "upstream_garbled"),
        (Fault.INVALID_UTF8, "upstream_garbled"),
        (Fault.TRUNCATED_JSON, "upstream_garbled"),
        (Fault.WRONG_TYPE, "upstream_garbled"),
        (Fault.HTML, "upstream_garbled"),
        (Fault.NOT_HTTP, "upstream_garbled"),
        (Fault.BAD_CHUNK, "upstream_garbled"),
        (Fault.REDIRECT, "upstream_garbled"),
        (Fault.CLOSE, "upstream_error"),
        (Fault.RESET, "upstream_error"),
        (Fault.ACCEPT_CLOSE, "upstream_error"),
        (Fault.HALF_HEADERS, "upstream_error"),
        (Fault.HALF_BODY, "upstream_error"),
        (Fault.SHORT_LENGTH, "upstream_error"),
        (Fault.DIE, "upstream_error"),
    ],
)
def test_whatever_is_no_answer_goes_to_the_next_door(yard: Yard, fault: Fault, reason: str) -> None:
    """Garbage, halves and silence, plain: the caller gets the next door's whole answer, and the reason in a header."""
    number = yard.number()
    yard.a.always(Behaviour(fault=fault, status=302, location=f"{yard.b.url}/elsewhere"))
    answer = yard.task(number)
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, f"b{number}")
    assert answer.headers["x-localfleet-reason"] == reason
    assert answer.json["choices"][0]["message"]["content"] == "The capital of France is Paris."
    assert len(yard.b.posts()) == 1


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.HTML, Fault.WRONG_TYPE, Fault.HEADERS_HANG, Fault.CLOSE])
def test_a_stream_that_never_began_goes_to_the_next_door(yard: Yard, fault: Fault) -> None:
    """Before the first event everything may still be tried elsewhere; the caller sees one good stream."""
    number = yard.number()
    yard.a.always(Behaviour(fault=fault, end="close"))
    headers = {"x-localfleet-task": f"t{number}"}
    if fault is Fault.HEADERS_HANG:
        yard.a.always(Behaviour(fault=Fault.ERROR_EVENT, after=0))
    answer = yard.router.post(CHAT, ask(stream=True), headers)
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, f"b{number}")
    assert answer.body.count(b"data: [DONE]") == 1
    assert b"error" not in answer.body


@pytest.mark.parametrize("door", ["a", "l"])
@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(fault=Fault.DIE, after=3),
        Behaviour(fault=Fault.DIE, after=3, end="reset"),
        Behaviour(fault=Fault.HALF_BODY),
        Behaviour(fault=Fault.BAD_CHUNK, after=3),
        Behaviour(fault=Fault.ERROR_EVENT, after=3),
        Behaviour(fault=Fault.TRUNCATED_JSON, after=3),
    ],
    ids=["closed", "reset", "half", "bad chunk", "error event", "cut event"],
)
def test_a_death_in_mid_stream_is_told(yard: Yard, door: str, behaviour: Behaviour) -> None:
    """The last event is a typed error, there is no end mark, no second door, and the receipt says so."""
    tap = yard.a if door == "a" else yard.local
    tap.always(behaviour)
    number = yard.number()
    body = ask(f"{door}{number}", text="the word is CANARY", stream=True)
    answer = yard.router.post(CHAT, body)
    assert answer.status == 200
    events = [line for line in answer.body.split(b"\n\n") if line]
    error = json.loads(events[-1].removeprefix(b"data: "))["error"]
    assert (error["code"], error["src"]) == ("died_midstream", "localfleet")
    assert b"[DONE]" not in answer.body
    assert b"CANARY" not in answer.body
    written = receipt(yard.router, answer.headers["x-localfleet-request-id"])
    assert (written["outcome"], written["attempts"]) == ("died_midstream", 1)
    assert written["output_tokens"] is not None
    assert written["measured"] == 0
    assert len(tap.posts()) == 1
    assert not yard.b.posts()


def test_real_clients_see_the_death(yard: Yard) -> None:
    """Neither the OpenAI nor the Anthropic client takes half an answer for a whole one."""
    number = yard.number()
    yard.a.always(Behaviour(fault=Fault.DIE, after=3))
    client = openai.OpenAI(base_url=yard.router.v1, api_key="unused", max_retries=0)
    with client, pytest.raises(openai.APIError, match="broke off"):
        list(client.chat.completions.create(**ask(f"a{number}", stream=True)))
    claude = anthropic.Anthropic(base_url=yard.router.url, api_key="unused", max_retries=0)
    asked: Any = [{"role": "user", "content": "Paris?"}]
    with claude, pytest.raises(anthropic.APIError, match="broke off"):
        list(claude.messages.create(model=f"a{number}", max_tokens=50, messages=asked, stream=True))


@pytest.mark.parametrize("door", ["a", "l"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_leaves_before_the_first_byte(yard: Yard, door: str, *, stream: bool) -> None:
    """The upstream is cut within a second; the receipt says `client_left`, with an estimate of what it cost."""
    tap = yard.a if door == "a" else yard.local
    tap.always(Behaviour(delay_s=30))
    number = yard.number()
    with Stream(yard.router, ask(f"{door}{number}", stream=stream)):
        assert until(lambda: tap.counters()["in_flight"] == 1)
    assert tap.wait_for("cut", timeout_s=1)
    written = _newest(yard, f"{door}{number}")
    assert (written["outcome"], written["status"], written["attempts"]) == ("client_left", 499, 1)
    assert written["input_tokens"] > 0
    assert written["measured"] == 0
    # Nobody knows what the provider bills for an answer that was not waited for: at most what was reserved.
    assert (written["cost_usd"], "reserved_usd" in written) == (("0", False) if door == "l" else (None, True))


@pytest.mark.parametrize("door", ["a", "l"])
def test_a_caller_that_leaves_in_mid_stream(yard: Yard, door: str) -> None:
    """The same after some events: cut within a second, and what was generated is estimated."""
    tap = yard.a if door == "a" else yard.local
    tap.always(Behaviour(chunk_delay_s=0.2, text="word " * 50))
    with Stream(yard.router, ask(f"{door}{yard.number()}", stream=True)) as stream:
        request_id = stream.answer.headers["x-localfleet-request-id"]
        seen = b""
        while seen.count(b"word") < 2:
            seen += stream.read()
    assert tap.wait_for("cut", timeout_s=1)
    written = receipt(yard.router, request_id)
    assert (written["outcome"], written["measured"]) == ("client_left", 0)
    assert written["output_tokens"] > 0
    assert until(lambda: tap.counters()["in_flight"] == 0)


@pytest.mark.slow
def test_a_breaker_opens_and_half_opens_without_a_storm(yard: Yard) -> None:
    """Three failures shut the only door; a crowd that waits at it sends one request; its success lets all in."""
    door = f"a{yard.number()}"
    yard.a.always(Behaviour(fault=Fault.STATUS, status=500))
    while len(yard.a.posts()) < 3:  # two requests or three: what the tests before left of the retry budget decides
        assert yard.router.post(CHAT, ask(door)).status in {502, 503}
    assert len(yard.a.posts()) == 3
    refused = [yard.router.post(CHAT, ask(door)) for _ in range(10)]
    assert {answer.status for answer in refused} == {503}
    assert {answer.json["error"]["code"] for answer in refused} == {"engine_down"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(yard.a.posts()) == 3
    time.sleep(1.1)
    yard.a.always(Behaviour(fault=Fault.STATUS, status=500, delay_s=0.3))
    with ThreadPoolExecutor(20) as pool:
        crowd = list(pool.map(lambda _: yard.router.post(CHAT, ask(door)).status, range(20)))
    assert sorted(set(crowd)) == [502, 503] or set(crowd) == {503}
    assert len(yard.a.posts()) == 4
    yard.a.always(Behaviour())
    assert yard.router.post(CHAT, ask(door)).status == 503
    time.sleep(2.1)
    assert yard.router.post(CHAT, ask(door)).status == 200
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda _: yard.router.post(CHAT, ask(door)).status, range(10))) == {200}


def test_big_answers_come_whole(yard: Yard) -> None:
    """Two megabytes, plain and as a stream, arrive as they were sent."""
    text = "brown fox " * 200_000
    yard.a.say(text)
    try:
        plain = yard.router.post(CHAT, ask(f"a{yard.number()}"))
        assert plain.json["choices"][0]["message"]["content"] == text
    finally:
        yard.a.say("The capital of France is Paris.")
    yard.a.always(Behaviour(text="x" * 2_000_000))
    streamed = yard.router.post(CHAT, ask(f"a{yard.number()}", stream=True))
    chunks = [json.loads(line[6:]) for line in streamed.body.split(b"\n\n") if line.startswith(b"data: {")]
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert said == "x" * 2_000_000


def _tried(yard: Yard, answer: Response) -> list[dict[str, Any]]:
    written = receipt(yard.router, answer.headers["x-localfleet-request-id"])
    return [dict(zip(("model", "tier", "reason", "status"), one, strict=False)) for one in written["tried"]]


def _newest(yard: Yard, model: str) -> dict[str, Any]:
    """The newest receipt of a request for this model."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [receipt(yard.router)]
        return bool(found[0]["wanted"] == model)

    assert until(there, 3)
    return found[0]
