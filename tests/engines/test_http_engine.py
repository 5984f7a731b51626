"""The HTTP engine against real sockets: what leaves, what comes back, and every way an upstream can fail."""

import asyncio
import shutil
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from raw_server import Handler, Peer, RawServer

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.form import AnswerForm
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute, Route
from localfleet.core.usage import Usage
from localfleet.engines.client import Headers, HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.errors import EngineFailed
from localfleet.ports import Call

CANARY = "canary-4711"
KEY = "sk-very-secret"
LOCAL = LocalRoute(model="m")
HOSTED = HostedRoute(model="m", label=Label.PUBLIC, worst_usd=None)
EVERY = frozenset(Api)


def engine(url: str, **more: Any) -> HttpEngine:
    """An engine for the model `m`, local unless told otherwise."""
    given: dict[str, Any] = {
        "name": "m",
        "upstream_model": "up",
        "base_url": url,
        "key": Secret(KEY),
        "dialect": "openai",
        "speaks": EVERY,
        "hosted": False,
        "client": HttpClient(),
        "timeout_s": 2.0,
        "idle_timeout_s": 0.3,
    }
    return HttpEngine(**(given | more))


def call(body: dict[str, Any] | None = None, *, api: Api = Api.CHAT, stream: bool = False, usage: bool = False) -> Call:
    """A call with a canary in it."""
    if body is None:
        body = {"model": "auto", "messages": [{"role": "user", "content": CANARY}]}
    body = body | ({"stream": True} if stream else {})
    return Call(request_id="r1", api=api, body=body, stream=stream, wants_usage=usage, timeout_s=2)


COUNTS = {"prompt_tokens": 9, "completion_tokens": 3}
WHOLE = orjson.dumps(
    {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}], "usage": COUNTS}
)


def event(**fields: Any) -> bytes:
    """One event."""
    return b"data: %b\n\n" % orjson.dumps(fields)


FIRST = event(choices=[{"index": 0, "delta": {"content": "Par"}, "finish_reason": None}])
LAST = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
COUNTED = event(choices=[], usage=COUNTS)
DONE = b"data: [DONE]\n\n"


async def ask(url: str, ask: Call | None = None, *, route: Route = LOCAL, **more: Any) -> tuple[bytes, Any]:
    """The whole answer of a fresh engine, and the reply."""
    asked = engine(url, **more)
    reply = await asked.send(route, ask or call())
    try:
        return b"".join([piece async for piece in reply]), reply
    finally:
        await reply.aclose()
        assert asked.state().in_flight == 0
        await asyncio.sleep(0)
        await asked.aclose()


def told(handler: Handler, ask_: Call | None = None, **more: Any) -> tuple[bytes, Any, RawServer]:
    """Ask once, against a server with this handler."""

    async def story() -> tuple[bytes, Any, RawServer]:
        async with RawServer(handler).running() as server:
            return *await ask(server.url, ask_, **more), server

    return asyncio.run(story())


def failed(handler: Handler, ask_: Call | None = None, **more: Any) -> EngineFailed:
    """Ask once and return the failure, which must not hold the caller's words, the upstream's, or the key."""

    async def story() -> EngineFailed:
        async with RawServer(handler).running() as server:
            asked = engine(server.url, **more)
            with pytest.raises(EngineFailed) as caught:
                await asked.send(LOCAL, ask_ or call())
            assert asked.state().in_flight == 0
            return caught.value

    failure = asyncio.run(story())
    shown = f"{failure!r} {failure} {failure.__dict__} {failure.__cause__!r} {failure.__context__!r}"
    assert CANARY not in shown
    assert KEY not in shown
    assert failure.__cause__ is None
    return failure


async def whole(peer: Peer) -> None:
    """A good answer."""
    await peer.answer(WHOLE)


def test_a_whole_answer_passes_untouched_and_is_counted() -> None:
    """The bytes are the upstream's; usage and text are read beside them."""
    body, reply, server = told(whole)
    assert body == WHOLE
    assert (reply.status, reply.media_type, reply.failure) == (200, "application/json", None)
    assert reply.usage == Usage(input_tokens=9, output_tokens=3)
    assert reply.text_bytes == 5
    assert server.requests[0].head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


def test_only_headers_of_the_list_leave() -> None:
    """Every byte of the head is ours; the key travels in its header only."""
    _, _, server = told(whole)
    peer = server.requests[0]
    assert set(peer.headers) == {
        *("host", "user-agent", "content-type", "content-length"),
        *("accept", "authorization", "x-client-request-id"),
    }
    assert peer.headers["user-agent"] == "localfleet"
    assert peer.headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in peer.body


def test_headers_outside_the_list_cannot_be_built() -> None:
    """Neither another name nor a line break gets through, and neither is repeated in the error."""
    for bad in ({"x-forwarded-for": CANARY}, {"accept": f"a\r\n{CANARY}: b"}, {"cookie": CANARY}):
        with pytest.raises(ValueError, match="list of those that may leave") as caught:
            Headers(bad)
        assert CANARY not in str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    """Not in repr, str, format, pickles, or the repr of what holds it."""
    secret = Secret(KEY)
    shown = f"{secret} {secret!r} {secret:>9} {engine('http://127.0.0.1:9/v1')!r}"
    shown += repr(Headers({}, secret=("authorization", "Bearer ", secret)))
    assert KEY not in shown
    with pytest.raises(TypeError, match="not written"):
        orjson.dumps(secret.__reduce_ex__(2))
    with pytest.raises(ValueError, match="one line"):
        Secret("a\nb")


def test_the_body_is_the_callers_with_our_model_and_without_our_metadata() -> None:
    """Unknown fields travel; localfleet's own metadata stays here; the caller's body is not changed."""
    given = {"model": "auto", "messages": [], "top_k": 5, "x_new": {"a": [1.5, None]}}
    ours = {"privacy": "public", "task": "t", "session": "s", "max_cost_usd": 1, "deadline_ms": 5, "priority": "live"}
    mixed = given | {"metadata": ours | {"team": "blue"}}
    _, _, server = told(whole, call(mixed))
    assert server.requests[0].json == given | {"model": "up", "metadata": {"team": "blue"}}
    assert mixed["metadata"] == ours | {"team": "blue"}
    _, _, server = told(whole, call(given | {"metadata": ours}))
    assert server.requests[0].json == given | {"model": "up"}


def test_usage_is_always_asked_for_in_streams_and_hidden_if_the_client_did_not() -> None:
    """Other stream options stay; a client that asked sees every byte."""

    async def stream(peer: Peer) -> None:
        await peer.stream(FIRST, LAST, COUNTED, DONE)

    body, reply, server = told(stream, call(stream=True))
    assert body == FIRST + LAST + DONE
    assert reply.usage == Usage(input_tokens=9, output_tokens=3)
    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    options = {"include_usage": True, "x": 1}
    asked = call({"messages": [], "stream_options": options}, stream=True, usage=True)
    body, reply, server = told(stream, asked)
    assert body == FIRST + LAST + COUNTED + DONE
    assert server.requests[0].json["stream_options"] == options
    assert reply.usage == Usage(input_tokens=9, output_tokens=3)


def test_streams_recut_at_every_byte_reach_the_client_whole() -> None:
    """However the network cuts a stream, the client gets the same bytes."""
    stream = b": hi\r\n\r\n" + FIRST + LAST + COUNTED + DONE

    async def story() -> None:
        async def recut(peer: Peer) -> None:
            cut = len(server.requests)
            await peer.stream(stream[:cut], stream[cut:])

        async with RawServer(recut).running() as server:
            asked = engine(server.url)
            for _ in range(len(stream) - 1):
                reply = await asked.send(LOCAL, call(stream=True))
                body = b"".join([piece async for piece in reply])
                await reply.aclose()
                assert body == b": hi\r\n\r\n" + FIRST + LAST + DONE
                await asyncio.sleep(0)
            await asked.aclose()

    asyncio.run(story())


def test_connections_are_kept_and_dropped_ones_are_not_used() -> None:
    """Ten answers over one connection, also after streams; when the server closes, a new one is made."""

    async def story() -> None:
        async def mixed(peer: Peer) -> None:
            if peer.json.get("stream"):
                await peer.stream(FIRST, LAST, DONE)
            else:
                await whole(peer)
            if len(server.requests) == 10:
                peer.cut()

        async with RawServer(mixed).running() as server:
            asked = engine(server.url)
            for number in range(12):
                reply = await asked.send(LOCAL, call(stream=number % 2 == 1))
                assert [piece async for piece in reply]
                await reply.aclose()
                await asyncio.sleep(0.02)
            assert server.connections == 2
            await asked.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.UPSTREAM_REJECTED),
        (401, Reason.UPSTREAM_DENIED),
        (402, Reason.UPSTREAM_DENIED),
        (403, Reason.UPSTREAM_DENIED),
        (404, Reason.UPSTREAM_REJECTED),
        (408, Reason.TIMED_OUT),
        (409, Reason.UPSTREAM_REJECTED),
        (413, Reason.UPSTREAM_REJECTED),
        (422, Reason.UPSTREAM_REJECTED),
        (429, Reason.RATE_LIMITED),
        (500, Reason.UPSTREAM_ERROR),
        (503, Reason.UPSTREAM_ERROR),
        (504, Reason.TIMED_OUT),
        (529, Reason.UPSTREAM_ERROR),
        (204, Reason.UPSTREAM_GARBLED),
        (302, Reason.UPSTREAM_GARBLED),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_status_has_its_reason_and_none_of_the_words(status: int, reason: Reason, *, stream: bool) -> None:
    """The body echoes the prompt; the error does not."""

    async def refuse(peer: Peer) -> None:
        body = b"" if status == 204 else orjson.dumps({"error": {"message": CANARY, "code": CANARY}})
        await peer.answer(body, status=status, more="retry-after: 7\r\n")

    failure = failed(refuse, call(stream=stream))
    assert (failure.reason, failure.upstream_status, failure.upstream_code) == (reason, status, None)
    assert failure.retry_after_s == 7
    assert failure.message.startswith("m: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "context_length_exceeded", "message": CANARY}, "context_length_exceeded"),
        ({"code": 400, "type": "exceed_context_size_error", "message": CANARY}, "context_length_exceeded"),
        ({"code": "content_filter"}, "content_filter"),
        ({"code": "model_not_found"}, "model_not_found"),
        ({"code": f"my {CANARY}"}, None),
        (CANARY, None),
    ],
)
def test_only_well_known_codes_are_kept(error: object, code: str | None) -> None:
    """A code from the list is told; anything else the upstream says is not."""

    async def refuse(peer: Peer) -> None:
        await peer.answer(orjson.dumps({"error": error}), status=400)

    assert failed(refuse).upstream_code == code


def test_a_redirect_is_not_followed() -> None:
    """Neither to another host nor to another path."""

    async def story() -> None:
        async with RawServer(whole).running() as elsewhere:

            async def redirect(peer: Peer) -> None:
                await peer.answer(b"", status=307, more=f"location: {elsewhere.url}\r\n")

            async with RawServer(redirect).running() as server:
                with pytest.raises(EngineFailed) as caught:
                    await engine(server.url).send(LOCAL, call())
                assert caught.value.reason is Reason.UPSTREAM_GARBLED
                assert len(server.requests) == 1
            assert elsewhere.connections == 0

    asyncio.run(story())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them point at a closed port here; the answer still comes."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert told(whole)[0] == WHOLE


async def html(peer: Peer) -> None:
    """A web page."""
    await peer.answer(b"<html>" + CANARY.encode(), kind="text/html")


async def no_json(peer: Peer) -> None:
    """Not JSON."""
    await peer.answer(CANARY.encode())


async def json_list(peer: Peer) -> None:
    """JSON, but no object."""
    await peer.answer(orjson.dumps([CANARY]))


async def not_http(peer: Peer) -> None:
    """Not HTTP."""
    await peer.send(CANARY.encode() + b"\r\n\r\n")


async def two_answers(peer: Peer) -> None:
    """An answer with a length that lies: the rest is not HTTP."""
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")


async def endless_head(peer: Peer) -> None:
    """A header that never ends."""
    await peer.send(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000)


@pytest.mark.parametrize("handler", [html, no_json, json_list, not_http, two_answers, endless_head])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_answer_is_garbled(handler: Handler, *, stream: bool) -> None:
    """Wrong type, no JSON, no HTTP: before the first byte, so the next door can be tried."""
    assert failed(handler, call(stream=stream)).reason is Reason.UPSTREAM_GARBLED


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cut_short_fails(*, stream: bool) -> None:
    """The connection closes before, or in, the answer."""

    async def silent(peer: Peer) -> None:
        peer.cut()

    async def half(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        await asyncio.sleep(0.05)
        peer.cut()

    async def half_stream(peer: Peer) -> None:
        await peer.stream(FIRST[:20], end=False)
        await asyncio.sleep(0.05)
        peer.cut()

    for handler in (silent, half_stream if stream else half):
        assert failed(handler, call(stream=stream)).reason is Reason.UPSTREAM_ERROR


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """HTTP/1.0 servers do that."""

    async def old(peer: Peer) -> None:
        await peer.send(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + WHOLE)
        raise ConnectionError

    assert told(old)[0] == WHOLE


def test_interim_answers_are_skipped() -> None:
    """103 Early Hints comes before the answer, not instead."""

    async def hints(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 103 Early Hints\r\ncontent-type: text/html\r\n\r\n")
        await asyncio.sleep(0.02)
        await whole(peer)

    assert told(hints)[0] == WHOLE


def test_no_connection_fails_at_once() -> None:
    """Nobody listens there."""

    async def story() -> None:
        for url in ("http://127.0.0.1:9/v1", "https://127.0.0.1:9/v1"):
            with pytest.raises(EngineFailed) as caught:
                await engine(url).send(LOCAL, call())
            assert caught.value.reason is Reason.CONNECT_FAILED

    asyncio.run(story())


def test_a_plain_server_behind_an_https_url_gets_no_request() -> None:
    """A failed connection, not a plain one; nothing in clear leaves."""

    async def story() -> None:
        async with RawServer(whole).running() as server:
            model = engine(server.url.replace("http:", "https:"), client=HttpClient(connect_timeout_s=0.2))
            with pytest.raises(EngineFailed) as caught:
                await model.send(LOCAL, call())
            assert caught.value.reason is Reason.CONNECT_FAILED
            assert not server.requests

    asyncio.run(story())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with the openssl command")
def test_tls_is_verified_and_a_ca_file_adds_trust(tmp_path: Path) -> None:
    """An unknown certificate is refused before the request leaves; its authority given, only for its host."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*make.split(), *names], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)

    async def story() -> None:
        async with RawServer(whole, tls).running() as server:
            right = server.url.replace("http://127.0.0.1", "https://localhost")
            wrong_host = server.url.replace("http:", "https:")
            trusting = HttpClient(ca_file=str(cert))
            for url, client in ((right, HttpClient()), (wrong_host, trusting)):
                with pytest.raises(EngineFailed, match="certificate"):
                    await engine(url, client=client).send(LOCAL, call())
            assert not server.requests
            body, _ = await ask(right, client=trusting)
            assert body == WHOLE

    asyncio.run(story())


def test_each_exchange_of_a_kept_connection_has_its_own_deadline() -> None:
    """One timer serves them all: an earlier deadline does not cut a later answer short, and a nearer one counts."""

    async def slowly(peer: Peer) -> None:
        await asyncio.sleep(peer.json["pause"])
        await peer.answer(WHOLE)

    async def story() -> None:
        async with RawServer(slowly).running() as server:
            model = engine(server.url)

            async def took(pause: float, timeout_s: float) -> float:
                began = asyncio.get_running_loop().time()
                await model.send(LOCAL, replace(call({"pause": pause}), timeout_s=timeout_s))
                return asyncio.get_running_loop().time() - began

            await took(0, 0.15)
            assert await took(0.3, 5) >= 0.3
            began = asyncio.get_running_loop().time()
            with pytest.raises(EngineFailed) as caught:
                await took(1, 0.1)
            assert caught.value.reason is Reason.TIMED_OUT
            assert 0.09 <= asyncio.get_running_loop().time() - began < 0.6
            assert server.connections == 1

    asyncio.run(story())


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_upstream_times_out_and_is_let_go(*, stream: bool) -> None:
    """Before the headers and after them; the upstream sees the connection close."""

    async def story() -> None:
        gone: list[bool] = []

        async def silent(peer: Peer) -> None:
            if peer.json.get("then"):
                await peer.stream(b": still here\n\n", end=False)
            gone.append(await peer.left())
            raise ConnectionError

        async with RawServer(silent).running() as server:
            for then in (False, True) if stream else (False,):
                with pytest.raises(EngineFailed) as caught:
                    await engine(server.url, timeout_s=0.1).send(LOCAL, call({"then": then}, stream=stream))
                assert caught.value.reason is Reason.TIMED_OUT
                assert caught.value.status == 504
            await asyncio.sleep(0.05)
            assert gone == [True, True] if stream else [True]

    asyncio.run(story())


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_that_leaves_before_the_headers_takes_the_upstream_along(*, stream: bool) -> None:
    """The task is cancelled while it waits; the upstream sees the connection close at once."""

    async def story() -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def silent(peer: Peer) -> None:
            asked.set()
            if await peer.left():
                gone.set()
            raise ConnectionError

        async with RawServer(silent).running() as server:
            model = engine(server.url)
            task = asyncio.create_task(model.send(LOCAL, call(stream=stream)))
            await asked.wait()
            task.cancel()
            async with asyncio.timeout(0.5):
                await gone.wait()
            assert model.state().in_flight == 0
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())


def test_a_caller_that_leaves_mid_stream_takes_the_upstream_along() -> None:
    """`aclose` cuts the upstream; so does a cancelled read followed by `aclose`."""

    async def story(*, cancel: bool) -> None:
        gone = asyncio.Event()

        async def endless(peer: Peer) -> None:
            await peer.stream(FIRST, end=False)
            if await peer.left():
                gone.set()
            raise ConnectionError

        async with RawServer(endless).running() as server:
            model = engine(server.url, idle_timeout_s=5)
            reply = await model.send(LOCAL, call(stream=True))
            assert await anext(aiter(reply)) == FIRST
            assert model.state().in_flight == 1
            if cancel:
                task = asyncio.ensure_future(anext(aiter(reply)))
                await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await reply.aclose()
            await reply.aclose()
            async with asyncio.timeout(0.5):
                await gone.wait()
            assert model.state().in_flight == 0

    asyncio.run(story(cancel=False))
    asyncio.run(story(cancel=True))


def test_an_error_as_the_first_event_can_still_go_to_the_next_door() -> None:
    """Providers say 200 and then an error: that is a failure before the first byte."""

    async def error(peer: Peer) -> None:
        await peer.stream(b": hi\n\n", event(error={"message": CANARY, "code": "rate_limit_exceeded"}))

    failure = failed(error, call(stream=True))
    assert (failure.reason, failure.upstream_code) == (Reason.RATE_LIMITED, "rate_limit_exceeded")


def test_an_error_with_status_200_is_a_failure() -> None:
    """Some gateways answer so."""

    async def error(peer: Peer) -> None:
        await peer.answer(orjson.dumps({"error": {"message": CANARY}}))

    assert failed(error).reason is Reason.UPSTREAM_ERROR


HI = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
CHAT_ERROR, OTHER_ERROR = b'data: {"error":{"message":', b'event: error\ndata: {"type":"error"'
CHAT_ONLY = frozenset({Api.CHAT})
Death = tuple[Api, dict[str, Any], frozenset[Api], bytes, bytes]
DEATHS: tuple[Death, ...] = (
    (Api.CHAT, HI, EVERY, FIRST, CHAT_ERROR),
    (Api.COMPLETION, {"prompt": ""}, EVERY, FIRST, CHAT_ERROR),
    (Api.MESSAGES, HI, EVERY, PING, OTHER_ERROR),
    (Api.RESPONSES, {"input": ""}, EVERY, event(type="x"), OTHER_ERROR),
    (Api.MESSAGES, HI, CHAT_ONLY, FIRST, OTHER_ERROR),
    (Api.RESPONSES, {"input": "hi"}, CHAT_ONLY, FIRST, OTHER_ERROR),
)


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death[0]}-{len(death[2])}")
@pytest.mark.parametrize("end", ["cut", "close", "hang", "garbage", "error", "bad_chunk"])
def test_a_death_after_the_first_byte_is_told_in_the_callers_api(death: Death, end: str) -> None:
    """Whatever kills a stream, it ends with one typed event of ours, and the reply says so."""
    api, body, speaks, first, shown = death

    async def die(peer: Peer) -> None:
        await peer.stream(first, end=False)
        await asyncio.sleep(0.02)
        match end:
            case "close":
                await peer.send(b"0\r\n\r\n")
            case "hang":
                await peer.left()
            case "garbage":
                await peer.send(b"10\r\ndata: {not json\n\n\r\n")
            case "error":
                words = event(error={"message": CANARY}, type="error")
                await peer.send(b"%x\r\n%b\r\n" % (len(words), words))
            case "bad_chunk":
                await peer.send(b"what\r\n")
        peer.cut()

    text, reply, _ = told(die, call(body, api=api, stream=True), speaks=speaks, idle_timeout_s=0.1)
    assert reply.failure is Reason.DIED_MIDSTREAM
    assert text.count(shown) == 1
    last = orjson.loads(text[text.rindex(b"data: ") + 6 :])
    assert "died_midstream" in orjson.dumps(last).decode()
    assert CANARY.encode() not in text
    assert b"[DONE]" not in text


def test_routes_to_elsewhere_are_a_hard_failure() -> None:
    """Law 3: hosted engines take only hosted routes, local ones only local routes, of their own name."""

    async def story() -> None:
        async with RawServer(whole).running() as server:
            wrong: list[tuple[bool, Route]] = [
                (True, LOCAL),
                (False, HOSTED),
                (False, LocalRoute(model="other")),
            ]
            for hosted, route in wrong:
                with pytest.raises(TypeError):
                    await engine(server.url, hosted=hosted).send(route, call())
            assert server.connections == 0
            body, _ = await ask(server.url, route=HOSTED, hosted=True)
            assert body == WHOLE

    asyncio.run(story())


def test_hosted_responses_are_not_stored() -> None:
    """`store: false`, whatever the caller said; other fields stay."""

    async def answer(peer: Peer) -> None:
        await peer.answer(orjson.dumps({"output": [{"content": [{"text": "Paris"}]}], "usage": {}}))

    asked = call({"input": "hi", "store": True, "x": 1}, api=Api.RESPONSES)
    _, reply, server = told(answer, asked, route=HOSTED, hosted=True, store_false=True)
    assert server.requests[0].json == {"input": "hi", "store": False, "x": 1, "model": "up"}
    assert (reply.usage, reply.text_bytes) == (None, 5)
    _, _, server = told(answer, asked)
    assert server.requests[0].json["store"] is True


def test_anthropic_is_spoken_natively() -> None:
    """Its path, its headers, its usage; no OpenAI header, no stream options."""
    answer = orjson.dumps(
        {"content": [{"type": "text", "text": "Paris"}], "usage": {"input_tokens": 9, "output_tokens": 3}}
    )

    async def native(peer: Peer) -> None:
        await peer.answer(answer)

    asked = call({"messages": [], "max_tokens": 5, "metadata": {"user_id": "u", "task": "t"}}, api=Api.MESSAGES)
    speaks = frozenset({Api.MESSAGES})
    body, reply, server = told(native, asked, route=HOSTED, hosted=True, dialect="anthropic", speaks=speaks)
    peer = server.requests[0]
    assert body == answer
    assert reply.usage == Usage(input_tokens=9, output_tokens=3)
    assert peer.head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert peer.headers["x-api-key"] == KEY
    assert peer.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in peer.headers
    assert peer.json == {"messages": [], "max_tokens": 5, "metadata": {"user_id": "u"}, "model": "up"}


def test_other_apis_are_translated_through_chat() -> None:
    """A Messages request becomes a chat request, and the answer a Message."""
    asked = call({"model": "x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}, api=Api.MESSAGES)
    body, reply, server = told(whole, asked, speaks=frozenset({Api.CHAT}))
    assert server.requests[0].head.startswith(b"POST /v1/chat/completions ")
    assert orjson.loads(body)["content"] == [{"type": "text", "text": "Paris"}]
    assert orjson.loads(body)["model"] == "m"
    assert reply.usage == Usage(input_tokens=9, output_tokens=3)


@pytest.mark.parametrize(
    ("api", "path"),
    [
        (Api.COMPLETION, b"/v1/completions"),
        (Api.EMBEDDING, b"/v1/embeddings"),
        (Api.RESPONSES, b"/v1/responses"),
    ],
)
def test_each_api_has_its_path(api: Api, path: bytes) -> None:
    """Spoken natively where the engine can."""
    _, _, server = told(whole, call({"input": "x"}, api=api))
    assert server.requests[0].head.startswith(b"POST %b HTTP/1.1" % path)


RANK = {"model": "auto", "query": "q", "documents": ["a", "b"], "top_n": 1, "instruction": "i"}


@pytest.mark.parametrize("form", [None, AnswerForm(unfence=True)])
def test_a_ranking_is_asked_for_where_it_is_spoken(form: AnswerForm | None) -> None:
    """Every document is scored there, and the answer is made here; a form of answers has nothing to do with it."""

    async def scores(peer: Peer) -> None:
        rows = [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9, "document": {"text": "x"}}]
        await peer.answer(orjson.dumps({"results": rows, "usage": {"total_tokens": 8}}))

    body, reply, server = told(scores, replace(call(RANK, api=Api.RERANK), answers=form))
    assert server.requests[0].head.startswith(b"POST /v1/rerank HTTP/1.1")
    assert orjson.loads(server.requests[0].body) == {
        "model": "up", "query": "q", "documents": ["a", "b"], "instruction": "i",
    }  # fmt: skip
    assert orjson.loads(body) == {
        "id": "rerank-r1",
        "model": "m",
        "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    assert (reply.usage, reply.text_bytes) == (Usage(input_tokens=8, output_tokens=0), 0)


def test_an_engine_of_vectors_ranks_by_them() -> None:
    """It is asked for the vectors of all texts, and the nearest document comes first."""

    async def vectors(peer: Peer) -> None:
        rows = [{"index": at, "embedding": one} for at, one in enumerate(([1, 0], [0.6, 0.8], [0.8, 0.6]))]
        await peer.answer(orjson.dumps({"data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}}))

    body, reply, server = told(vectors, call(RANK, api=Api.RERANK), speaks=frozenset({Api.CHAT, Api.EMBEDDING}))
    assert server.requests[0].head.startswith(b"POST /v1/embeddings HTTP/1.1")
    assert orjson.loads(server.requests[0].body) == {"model": "up", "input": ["q", "a", "b"]}
    (first,) = orjson.loads(body)["results"]
    assert (first["index"], round(first["relevance_score"], 6)) == (1, 0.8)
    assert reply.usage == Usage(input_tokens=3, output_tokens=0)


def test_a_ranking_without_a_document_is_no_answer() -> None:
    """So that the next door is tried."""

    async def short(peer: Peer) -> None:
        await peer.answer(orjson.dumps({"results": [{"index": 0, "relevance_score": 0.1}]}))

    assert failed(short, call(RANK, api=Api.RERANK)).reason is Reason.UPSTREAM_GARBLED


def test_the_breaker_shuts_the_door_and_a_real_request_opens_it() -> None:
    """Three faults in a row: nothing is sent for a second; then one request probes."""

    async def story() -> None:
        good = False

        async def faulty(peer: Peer) -> None:
            await (whole(peer) if good else peer.answer(b"", status=500))

        async with RawServer(faulty).running() as server:
            model = engine(server.url)
            for _ in range(3):
                with pytest.raises(EngineFailed):
                    await model.send(LOCAL, call())
            assert model.state().readiness is Readiness.LOADING
            with pytest.raises(EngineFailed) as caught:
                await model.send(LOCAL, call())
            assert caught.value.reason is Reason.ENGINE_DOWN
            assert len(server.requests) == 3
            good = True
            await asyncio.sleep(1.05)
            assert model.state().readiness is Readiness.READY
            await model.send(LOCAL, call())
            assert model.state() == EngineState(readiness=Readiness.READY)
            await model.aclose()

    asyncio.run(story())


def test_a_supervised_process_that_fails_real_requests_trips_too() -> None:
    """Alive and healthy is not the same as answering: failures shut the only door, and a real request opens it."""

    async def story() -> None:
        good = False

        async def faulty(peer: Peer) -> None:
            await (whole(peer) if good else peer.answer(b"", status=500))

        async with RawServer(faulty).running() as server:
            ready = EngineState(readiness=Readiness.READY)
            model = engine(server.url, readiness=lambda: ready)
            for _ in range(3):
                with pytest.raises(EngineFailed) as caught:
                    await model.send(LOCAL, call())
                assert caught.value.reason is Reason.UPSTREAM_ERROR
            shut = model.state()
            assert shut.readiness is Readiness.LOADING
            assert 0 < (shut.ready_in_s or 0) <= 1
            with pytest.raises(EngineFailed) as caught:
                await model.send(LOCAL, call())
            assert (caught.value.reason, caught.value.retry_after_s) == (Reason.ENGINE_DOWN, 1)
            assert len(server.requests) == 3
            good = True
            await asyncio.sleep(1.05)
            await model.send(LOCAL, call())
            assert model.state() == ready
            await model.aclose()

    asyncio.run(story())


def test_a_process_that_is_not_up_speaks_for_itself() -> None:
    """While it loads or is down, its own state is what counts, whatever the breaker thinks."""

    async def story() -> None:
        async def faulty(peer: Peer) -> None:
            await peer.answer(b"", status=500)

        async with RawServer(faulty).running() as server:
            state = EngineState(readiness=Readiness.DOWN, why="stopped")
            model = engine(server.url, readiness=lambda: state)
            for _ in range(3):
                with pytest.raises(EngineFailed):
                    await model.send(LOCAL, call())
            assert model.state() == state

    asyncio.run(story())


def test_callers_in_a_hurry_shut_no_door() -> None:
    """Time-outs that leave an engine no fair chance do not count; those after its whole time do."""

    async def story() -> None:
        async def silent(peer: Peer) -> None:
            await peer.left()

        for timeout_s, readiness in ((0.6, Readiness.READY), (0.05, Readiness.LOADING)):
            async with RawServer(silent).running() as server:
                model = engine(server.url, timeout_s=timeout_s)
                for _ in range(4):
                    with pytest.raises(EngineFailed):
                        await model.send(LOCAL, replace(call(), timeout_s=0.05))
                assert model.state().readiness is readiness

    asyncio.run(story())


def test_a_slow_reader_does_not_fill_the_memory() -> None:
    """The upstream is told to wait while nobody reads; then everything comes, in order."""

    async def story() -> None:
        sent = 0
        big = event(choices=[{"index": 0, "delta": {"content": "x" * 60_000}, "finish_reason": None}])

        async def flood(peer: Peer) -> None:
            nonlocal sent
            await peer.stream(FIRST, end=False)
            for _ in range(400):
                await peer.send(b"%x\r\n%b\r\n" % (len(big), big))
                sent += len(big)
            await peer.stream(end=True)

        async with RawServer(flood).running() as server:
            model = engine(server.url, idle_timeout_s=5)
            reply = await model.send(LOCAL, call(stream=True))
            await asyncio.sleep(0.3)
            assert sent < 400 * len(big)
            size = 0
            async for piece in reply:
                size += len(piece)
            assert size > 400 * len(big)
            await reply.aclose()

    asyncio.run(story())


THOUGHT = "<think>musing</think>Paris"


@pytest.mark.parametrize("api", [Api.CHAT, Api.MESSAGES, Api.RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_made_alike_in_every_api(api: Api, *, stream: bool) -> None:
    """What a model thinks is left out where the operator says so, also where the engine speaks the caller's API."""

    async def thinks(peer: Peer) -> None:
        if stream:
            letters = [event(choices=[{"index": 0, "delta": {"content": c}, "finish_reason": None}]) for c in THOUGHT]
            return await peer.stream(*letters, LAST, DONE)
        message = {"role": "assistant", "content": THOUGHT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return await peer.answer(orjson.dumps({"id": "c", "choices": [choice]}))

    question = {"role": "user", "content": CANARY}
    body = {"model": "auto", "max_tokens": 9, ("input" if api is Api.RESPONSES else "messages"): [question]}
    asked = replace(call(body, api=api, stream=stream), answers=AnswerForm(thinking="drop"))
    answer, reply, server = told(thinks, asked)
    assert server.requests[0].head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert reply.text_bytes == len("Paris")
    assert not any(letter in answer for letter in (b"musing", b"think>"))
