"""The data plane as an ASGI application in this process: every way an answer, a refusal or a departure can go."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from gateway_rig import ANYONE, HANGS, Books, Clock, Talker, Words, always

from localfleet.core.ask import Api, Caller
from localfleet.core.classify import Rules
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.policy import Policy
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.gateway import Answer, Gateway
from localfleet.server.auth import Doorkeeper
from localfleet.server.data_plane import DataPlane, rising_ids
from localfleet.server.recall import Recall
from localfleet.visit import Visit
from localfleet.wire.read import Letter

Message = MutableMapping[str, Any]
DECISION = ["request-id", "model", "tier", "privacy", "reason", "attempts"]
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


class Broken(Gateway):
    """A gateway with a fault of our own, and a text in it."""

    async def answer(self, letter: Letter, visit: Visit) -> Answer:
        """Fail."""
        raise ZeroDivisionError(f"the text of a request: {letter.body}")


@dataclass
class Seen:
    """What the server was told to send."""

    sent: list[Message]

    @property
    def status(self) -> int:
        """Of the start message."""
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """Names without our prefix are kept as they are."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """All parts."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def error(self) -> Any:
        """The inner part of an error envelope."""
        return json.loads(self.body)["error"]

    def ours(self) -> dict[str, str]:
        """The decision headers."""
        return {name[13:]: value for name, value in self.headers.items() if name.startswith("x-localfleet-")}


@dataclass
class Desk:
    """A data plane over a local and a hosted engine."""

    local: Any = None
    hosted: Any = None
    kind: type[Gateway] = Gateway
    caller: Caller = ANYONE
    keys: dict[str, Caller] | None = None

    def __post_init__(self) -> None:
        """Build it."""
        self.books, clock = Books(), Clock()
        price = Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(10), version="test")
        apis = frozenset(Api)
        models = [
            Model(name="small", tier="local", accepts=None, context_tokens=999_999, apis=apis),
            Model(
                name="mini", tier="low_cost", accepts=Label.INTERNAL, context_tokens=999_999, apis=apis, price=price,
                max_output_tokens=100,
            ),
        ]  # fmt: skip
        self.engines = {
            "small": Talker("small", hosted=False, books=self.books, reply=always(self.local)),
            "mini": Talker("mini", hosted=True, books=self.books, reply=always(self.hosted)),
        }
        gateway = self.kind(
            models={model.name: model for model in models}, engines=self.engines, ledger=self.books, rules=Rules(),
            policy=Policy(retries_per_door=0), clock=clock, print_key=b"k" * 32, jitter=lambda: 0.0,
        )  # fmt: skip
        keys, self.refused = self.keys, list[Reason]()
        door = Doorkeeper(
            lookup=(keys or {}).get, has_keys=lambda: keys is not None, anyone=self.caller, monotonic=clock.monotonic
        )
        self.plane = DataPlane(
            gateway=gateway, doorkeeper=door, recall=Recall(now=clock.monotonic), body_bytes=2**20, in_flight_limit=2,
            refused=self.refused.append,
        )  # fmt: skip

    async def call(
        self,
        body: Any = None,
        *,
        path: str = CHAT,
        method: str = "POST",
        headers: Sequence[tuple[str, str]] = (),
        parts: Sequence[Message] | None = None,
        leaves: asyncio.Event | None = None,
        send: Callable[[Message], Awaitable[None]] | None = None,
    ) -> Seen:
        """One request; the client stays unless `leaves` is set, after which `receive` says so."""
        raw = body if isinstance(body, bytes) else json.dumps(BODY if body is None else body).encode()
        inbox: list[Message] = [
            *(parts if parts is not None else [{"type": "http.request", "body": raw, "more_body": False}])
        ]
        seen = Seen([])

        async def receive() -> Message:
            if inbox:
                return inbox.pop(0)
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def keep(message: Message) -> None:
            seen.sent.append(message)
            if send is not None:
                await send(message)

        pairs = [(b"host", b"localhost"), *((name.encode(), value.encode("latin-1")) for name, value in headers)]
        await self.plane({"type": "http", "path": path, "method": method, "headers": pairs}, receive, keep)
        return seen

    def ask(self, body: Any = None, **how: Any) -> Seen:
        """One request, alone."""
        return asyncio.run(asyncio.wait_for(self.call(body, **how), 5))


def test_a_whole_answer_says_what_was_decided() -> None:
    """Every decision header, the cost, and the bytes of the engine."""
    desk = Desk(hosted=Words(b"{}"))
    seen = desk.ask()
    assert (seen.status, seen.body) == (200, b"{}")
    ours = seen.ours()
    assert ours.pop("request-id") == desk.books.receipts[0].request_id
    assert ours == {
        "model": "mini", "tier": "low_cost", "privacy": "public", "reason": "cheapest_hosted", "attempts": "1",
        "cost-usd": "0.0002",
    }  # fmt: skip
    assert seen.headers["content-length"] == "2"


def test_a_piece_of_work_is_known_by_its_hash() -> None:
    """What the caller calls it stays out of receipt, header and upstream; the same name of another key is another."""
    bodies = ({**BODY, "metadata": {"action": "Case of Jane Canary"}}, BODY)
    named = [("x-localfleet-action", "Case of Jane Canary")]
    seen = set()
    for caller in (ANYONE, replace(ANYONE, key_id="other")):
        desk = Desk(hosted=Words(b"{}"), caller=caller)
        by_body = desk.ask(bodies[0]).ours()["action"]
        by_header = desk.ask(bodies[1], headers=named).ours()["action"]
        assert by_body == by_header == desk.books.receipts[0].caller_action == desk.books.receipts[1].caller_action
        assert "Canary" not in repr(desk.books.receipts)
        seen.add(by_body)
    assert len(seen) == 2
    assert all(len(name) == 32 for name in seen)


def test_a_stream_comes_chunk_by_chunk() -> None:
    """Headers first, then each chunk as it is, then the end; the cost is not known yet."""
    seen = Desk(hosted=Words(b"data: a\n\n", b"data: b\n\n")).ask({**BODY, "stream": True})
    assert [message.get("body") for message in seen.sent] == [None, b"data: a\n\n", b"data: b\n\n", b""]
    assert [message.get("more_body", False) for message in seen.sent[1:]] == [True, True, False]
    assert [*seen.ours()] == DECISION
    assert seen.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/nothing", "POST", 404), (CHAT, "GET", 404), (CHAT, "PUT", 404), (CHAT + "/", "POST", 404),
        ("/v1/models", "POST", 404), ("/v1/messages/count_tokens", "POST", 404),
    ],
)  # fmt: skip
def test_what_is_not_served(path: str, method: str, status: int) -> None:
    """Paths and methods that nobody has here."""
    seen = Desk().ask(path=path, method=method)
    assert (seen.status, seen.error["code"]) == (status, "not_found")
    assert [*seen.ours()] == DECISION


def test_the_models() -> None:
    """The two virtual names, and the caller's own."""
    seen = Desk().ask(path="/v1/models", method="GET")
    assert [row["id"] for row in json.loads(seen.body)["data"]] == ["auto", "local", "small", "mini"]
    only = Caller(key_id="k", name="k", default_label=Label.PUBLIC, models=frozenset({"mini"}))
    seen = Desk(caller=only).ask(path="/v1/models", method="GET")
    assert [row["id"] for row in json.loads(seen.body)["data"]] == ["auto", "local", "mini"]


def chunks(*sizes: int) -> list[Message]:
    """Parts of a body, the last one final."""
    return [
        {"type": "http.request", "body": b"x" * size, "more_body": i < len(sizes) - 1} for i, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("declared", "parts"),
    [
        (str(2**20 + 1), []), ("99999999999999999999999", []), (None, chunks(2**20, 1)), ("5", chunks(2**19, 2**19, 1)),
        ("²", chunks(2**20 + 1)), ("-1", chunks(2**20 + 1)),
    ],
)  # fmt: skip
def test_a_body_over_the_limit(declared: str | None, parts: list[Message]) -> None:
    """By what it declares, before a byte is read, or by what really comes."""
    desk = Desk()
    seen = desk.ask(parts=parts, headers=[] if declared is None else [("content-length", declared)])
    assert (seen.status, seen.error["code"]) == (413, "body_too_large")
    assert [*seen.ours()] == DECISION
    assert desk.refused == [Reason.BAD_REQUEST]


def test_a_body_in_parts_is_one_body() -> None:
    """At the limit exactly as well."""
    raw = json.dumps(BODY).encode()
    raw += b" " * (2**20 - len(raw))
    parts: list[Message] = [
        {"type": "http.request", "body": raw[:9], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": raw[9:], "more_body": False},
    ]
    assert Desk(hosted=Words(b"{}")).ask(parts=parts).status == 200


def test_a_long_body_is_read_off_the_loop_and_read_the_same() -> None:
    """Beyond a size a thread reads it: facts, refusals and labels are what they would have been."""
    long = [{"role": "user", "content": "word " * 80_000}]
    assert Desk(hosted=Words(b"{}")).ask({**BODY, "messages": long}).status == 200
    assert Desk().ask({**BODY, "messages": [*long, {"role": []}]}).status == 400
    card = [*long, {"role": "user", "content": "4111 1111 1111 1111"}]
    assert Desk(local=Words(b"{}")).ask({**BODY, "messages": card}).ours()["privacy"] == "restricted"


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        (CHAT, "invalid_request_error"),
        ("/v1/messages", "invalid_request_error"),
        ("/v1/responses", "invalid_request_error"),
    ],
)
def test_a_body_that_cannot_be_read_has_a_receipt(path: str, inner: str) -> None:
    """And the envelope of its API, without a word of it."""
    desk = Desk()
    seen = desk.ask(b'{"model": "zqz', path=path)
    assert (seen.status, seen.error["type"], seen.error["src"]) == (400, inner, "localfleet")
    assert (json.loads(seen.body).get("type") == "error") is (path == "/v1/messages")
    assert b"zqz" not in seen.body
    assert [*seen.ours()][:6] == DECISION
    assert (seen.ours()["privacy"], seen.ours()["model"]) == ("restricted", "none")
    (receipt,) = desk.books.receipts
    assert (receipt.outcome, receipt.reason) == (Reason.BAD_REQUEST, Reason.BAD_REQUEST)


@pytest.mark.parametrize(
    ("reason", "status", "openai", "anthropic"),
    [
        (Reason.UPSTREAM_ERROR, 502, "upstream_error", "api_error"),
        (Reason.TIMED_OUT, 504, "upstream_error", "timeout_error"),
        (Reason.RATE_LIMITED, 429, "rate_limit_error", "rate_limit_error"),
        (Reason.UPSTREAM_REJECTED, 400, "invalid_request_error", "invalid_request_error"),
        (Reason.ENGINE_DOWN, 503, "upstream_error", "overloaded_error"),
    ],
)
def test_an_engine_that_fails(reason: Reason, status: int, openai: str, anthropic: str) -> None:
    """Its reason, its status, in the words of the caller's API; the headers say that nobody answered."""
    for path, kind in ((CHAT, openai), ("/v1/messages", anthropic)):
        seen = Desk(local=reason, hosted=reason).ask({**BODY, "max_tokens": 9}, path=path)
        assert (seen.status, seen.error["type"]) == (status, kind)
        assert [*seen.ours()] == [*DECISION, "cost-usd"]
        assert (seen.ours()["reason"], seen.ours()["model"]) == (reason, "none")


def test_the_law_answers_too() -> None:
    """A restricted request for a hosted model: 409, and nobody was asked."""
    desk = Desk(hosted=Words(b"never"))
    seen = desk.ask({**BODY, "model": "mini"}, headers=[("x-localfleet-privacy", "restricted")])
    assert (seen.status, seen.ours()["reason"], seen.ours()["privacy"]) == (409, "privacy_forbids", "restricted")
    assert desk.engines["mini"].calls == []


def test_of_two_labels_the_higher_counts() -> None:
    """In whatever order they stand; of our other headers a second one is refused."""
    for pair in (("restricted", "public"), ("public", "restricted")):
        desk = Desk(local=Words(b"{}"))
        seen = desk.ask(headers=[("x-localfleet-privacy", label) for label in pair])
        assert (seen.status, seen.ours()["tier"], seen.ours()["privacy"]) == (200, "local", "restricted")
    twice = Desk().ask(headers=[("x-localfleet-session", "a"), ("x-localfleet-session", "b")])
    assert (twice.status, twice.error["code"]) == (400, "bad_request")


def test_who_may_come_in() -> None:
    """A foreign host, a missing key, too many requests: envelopes, headers, `retry-after`, counted."""
    seen = Desk().ask(headers=[("host", "evil.example.org")])
    assert (seen.status, [*seen.ours()]) == (403, DECISION)
    desk = Desk(keys={})
    assert desk.ask(path="/v1/messages").error["type"] == "authentication_error"
    assert desk.refused == [Reason.BAD_KEY]
    slow = Caller(key_id="k", name="k", default_label=Label.PUBLIC, requests_per_minute=1)
    desk = Desk(keys={"lf_1": slow}, hosted=Words(b"{}"))
    assert desk.ask(headers=[("x-api-key", "lf_1")]).status == 200
    seen = desk.ask(headers=[("x-api-key", "lf_1")])
    assert (seen.status, seen.headers["retry-after"], seen.ours()["reason"]) == (429, "61", "key_rate_limit")


def test_draining_and_full() -> None:
    """503 with `retry-after` for new requests, and room again when one is done."""
    desk = Desk(hosted=HANGS)

    async def story() -> list[int]:
        gone = asyncio.Event()
        waiting = [asyncio.create_task(desk.call(leaves=gone)) for _ in range(2)]
        await asyncio.sleep(0.02)
        full = await desk.call()
        gone.set()
        await asyncio.gather(*waiting)
        desk.engines["mini"].reply = always(Words(b"{}"))
        free = await desk.call()
        desk.plane.traffic.draining = True
        drained = await desk.call()
        assert [int(seen.headers["retry-after"]) for seen in (full, drained)] == [1, 5]
        assert [seen.ours()["reason"] for seen in (full, drained)] == ["shutting_down"] * 2
        return [full.status, free.status, drained.status]

    assert asyncio.run(story()) == [503, 200, 503]
    assert desk.plane.in_flight == 0


def test_a_client_that_leaves_while_it_uploads() -> None:
    """Nobody is told anything, and nobody was asked."""
    desk = Desk(hosted=Words(b"never"))
    parts: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert desk.ask(parts=parts).sent == []
    assert (desk.engines["mini"].calls, desk.plane.in_flight) == ([], 0)


def test_a_client_that_leaves_while_it_waits() -> None:
    """The engine's work is cancelled and the receipt says why."""
    desk = Desk(hosted=HANGS)

    async def story() -> Seen:
        gone = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, gone.set)
        return await desk.call(leaves=gone)

    assert asyncio.run(asyncio.wait_for(story(), 5)).sent == []
    assert desk.engines["mini"].cancelled
    assert [receipt.outcome for receipt in desk.books.receipts] == [Reason.CLIENT_LEFT]


@pytest.mark.parametrize("where", ["the engine is silent", "the client does not read"])
def test_a_client_that_leaves_in_midstream(where: str) -> None:
    """Whether we wait for the engine or for the client: the upstream is let go, the receipt says so."""
    words = Words(b"a", b"b", then=HANGS if where == "the engine is silent" else "ends")
    desk = Desk(hosted=words)

    async def story() -> Seen:
        gone = asyncio.Event()

        async def stuck(message: Message) -> None:
            if message.get("body") == b"b":
                gone.set()
                if words.then != HANGS:
                    await asyncio.sleep(3600)

        return await desk.call({**BODY, "stream": True}, leaves=gone, send=stuck)

    seen = asyncio.run(asyncio.wait_for(story(), 5))
    assert [message.get("body") for message in seen.sent] == [None, b"a", b"b"]
    assert words.closed
    assert [receipt.outcome for receipt in desk.books.receipts] == [Reason.CLIENT_LEFT]
    assert desk.plane.in_flight == 0


def test_a_fault_of_our_own_says_nothing_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """500 in an envelope; the log has the kind of fault and its place, and no word more."""
    desk = Desk(kind=Broken)
    with caplog.at_level(logging.DEBUG):
        for path in (CHAT, "/v1/messages"):
            seen = desk.ask({**BODY, "max_tokens": 9}, path=path)
            assert (seen.status, seen.ours()["reason"]) == (500, "internal_error")
            assert "text of a request" not in str(seen.sent)
            assert "hello" not in str(seen.sent)
    assert "ZeroDivisionError at test_data_plane.py:" in caplog.text
    assert "text of a request" not in caplog.text
    assert "hello" not in caplog.text
    assert desk.refused == [Reason.INTERNAL_ERROR] * 2


def test_a_fault_in_midstream_starts_no_second_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The first answer is left unfinished, so that the client sees it break."""
    words = Words(b"a", then="breaks")
    desk = Desk(hosted=words)
    with caplog.at_level(logging.DEBUG):
        seen = desk.ask({**BODY, "stream": True})
    assert [message["type"] for message in seen.sent] == ["http.response.start", "http.response.body"]
    assert seen.sent[-1]["more_body"]
    assert words.closed
    assert "text of a request" not in caplog.text


def test_a_response_can_be_continued() -> None:
    """The earlier turns go in front, the id stays here, and the length counts them."""
    answer = json.dumps({"id": "resp_1", "output": [{"type": "message", "role": "assistant", "content": "yes"}]})
    desk = Desk(hosted=Words(answer.encode()))
    first = desk.ask({"model": "auto", "input": "word " * 500}, path="/v1/responses")
    assert first.status == 200
    second = desk.ask({"model": "auto", "input": "go on", "previous_response_id": "resp_1"}, path="/v1/responses")
    assert second.status == 200
    sent = desk.engines["mini"].calls[1].body
    assert [item["content"] for item in sent["input"]] == ["word " * 500, "yes", "go on"]
    assert "previous_response_id" not in sent
    lost = desk.ask({"model": "auto", "input": "x", "previous_response_id": "resp_zqz"}, path="/v1/responses")
    assert (lost.status, lost.error["param"], b"zqz" in lost.body) == (404, "previous_response_id", False)


def test_an_empty_stream_still_ends() -> None:
    """Start and end, nothing between."""
    seen = Desk(hosted=Words()).ask({**BODY, "stream": True})
    assert [message.get("body") for message in seen.sent] == [None, b""]


def test_request_ids_rise_and_never_meet() -> None:
    """24 hex digits, sorted by time within a router; two routers that start in the same millisecond share none."""
    here, there = rising_ids(), rising_ids()
    ids = [next(here) for _ in range(5000)]
    assert all(len(one) == 24 and int(one, 16) for one in ids)
    assert [one[:15] for one in ids] == sorted(one[:15] for one in ids)
    assert len({*ids, *(next(there) for _ in range(5000))}) == 10_000
