"""The litellm engine against real sockets. litellm is imported once, by the first test that needs it."""

import asyncio
import logging
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import orjson
import pytest
from process import Tap
from tap_behaviour import Behaviour, Fault, Tokens

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute
from localfleet.core.usage import Usage
from localfleet.engines.client import Secret
from localfleet.engines.litellm_sdk import CALLBACKS, LitellmEngine, check_litellm, load_litellm, refuse_release
from localfleet.errors import EngineFailed
from localfleet.ports import Call
from localfleet.wire.litellm_fields import FieldRefused, litellm_fields

# litellm's own warnings are not ours to mend; pytest would turn them into its errors.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

CANARY = "canary-4711"
KEY = "sk-very-secret"
ROUTE = HostedRoute(model="best", label=Label.PUBLIC, worst_usd=None)
TEXT = b"The capital of France is Paris."
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def engine(url: str, provider: str = "anthropic", **more: Any) -> LitellmEngine:
    """An engine for a hosted model whose provider is the tap."""
    given: dict[str, Any] = {"name": "best", "upstream_model": "claude-x", "key": Secret(KEY), "timeout_s": 30.0}
    return LitellmEngine(provider=provider, base_url=url, **(given | {"idle_timeout_s": 0.5} | more))


def call(*, api: Api = Api.CHAT, stream: bool = False, timeout_s: float = 30, **fields: Any) -> Call:
    """A call with a canary in it."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": f"{CANARY}?"}], "max_tokens": 50, **fields}
    return Call(request_id="r1", api=api, body=body, stream=stream, wants_usage=False, timeout_s=timeout_s)


def ask(tap: Tap, asked: Call, **more: Any) -> tuple[bytes, Any]:
    """The whole answer and its reply."""

    async def story() -> tuple[bytes, Any]:
        model = engine(tap.v1, **more)
        reply = await model.send(ROUTE, asked)
        body = b"".join([piece async for piece in reply])
        await reply.aclose()
        assert model.state().in_flight == 0
        await model.aclose()
        return body, reply

    return asyncio.run(story())


def failed(tap: Tap, asked: Call, **more: Any) -> EngineFailed:
    """The failure, which must hold neither the caller's words nor the provider's nor the key."""

    async def story() -> EngineFailed:
        model = engine(tap.v1, **more)
        with pytest.raises(EngineFailed) as caught:
            await model.send(ROUTE, asked)
        await model.aclose()
        return caught.value

    failure = asyncio.run(story())
    shown = f"{failure!r} {failure.__dict__} {failure.__cause__!r}"
    assert CANARY not in shown
    assert KEY not in shown
    assert failure.__cause__ is None
    return failure


def events(body: bytes) -> list[Any]:
    """The data of chat events, without the last `[DONE]`."""
    *chunks, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [orjson.loads(chunk.removeprefix(b"data: ")) for chunk in chunks]


def test_the_malicious_releases_are_refused() -> None:
    """By version, without an import."""
    assert check_litellm() == version("litellm")
    for bad in ("1.82.7", "1.82.8", "1.107.0", "1.107.12"):
        with pytest.raises(EngineFailed, match="malicious"):
            refuse_release(bad)
    for good in ("1.82.6", "1.82.70", "1.106.2", "1.108.0"):
        refuse_release(good)


def test_nothing_imports_litellm_early() -> None:
    """The engine can be built without the seconds that litellm takes; the check of its release too."""
    code = (
        "import sys; from localfleet.engines.litellm_sdk import LitellmEngine, check_litellm; check_litellm();"
        "LitellmEngine(name='a', provider='anthropic', upstream_model='b', base_url=None, key=None);"
        "assert not {'litellm', 'httpx', 'openai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_whole_answer_comes_as_chat(anthropic_tap: Tap) -> None:
    """Text, counts with the cache, and one request with our headers only."""
    anthropic_tap.always(Behaviour(tokens=Tokens(input=10, output=3, cache_read=6, cache_write=2)))
    body, reply = ask(anthropic_tap, call(metadata={"task": CANARY}, store=False))
    answer = orjson.loads(body)
    assert answer["choices"][0]["message"]["content"].encode() == TEXT
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert isinstance(reply.usage, Usage)
    assert reply.usage.output_tokens == 3
    assert (reply.usage.cache_read_tokens, reply.usage.cache_write_tokens) == (6, 2)
    (request,) = anthropic_tap.posts()
    assert request.headers["x-api-key"] == KEY
    assert set(request.headers) <= {
        *("host", "user-agent", "accept", "content-type", "content-length"),
        *("x-api-key", "x-client-request-id", "anthropic-version", "anthropic-beta"),
    }
    assert request.headers["user-agent"] == "localfleet"
    assert request.json["model"] == "claude-x"
    assert "metadata" not in request.json


@pytest.mark.slow
def test_a_stream_comes_as_chat_chunks(anthropic_tap: Tap) -> None:
    """Text in pieces, a finish reason, `[DONE]`; the usage is counted and hidden."""
    body, reply = ask(anthropic_tap, call(stream=True))
    chunks = events(body)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text.encode() == TEXT
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in chunk for chunk in chunks)
    assert reply.usage == Usage(input_tokens=11, output_tokens=6)
    assert reply.text_bytes == len(TEXT)
    assert reply.failure is None


def test_tools_go_out_and_calls_come_back(anthropic_tap: Tap) -> None:
    """In Anthropic's words on the wire, in chat's words to the client, streamed or not."""
    for stream in (False, True):
        anthropic_tap.reset()
        body, _ = ask(anthropic_tap, call(stream=stream, tools=[TOOL], tool_choice="required"))
        (request,) = anthropic_tap.posts()
        assert [tool["name"] for tool in request.json["tools"]] == ["look_up"]
        assert request.json["tool_choice"]["type"] == "any"
        assert b"[DONE]" in body or orjson.loads(body)["object"] == "chat.completion"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", [Api.MESSAGES, Api.RESPONSES])
def test_other_apis_are_translated(anthropic_tap: Tap, api: Api, *, stream: bool) -> None:
    """Messages and Responses in, the same out."""
    asked = call(api=api, stream=stream)
    if api is Api.RESPONSES:
        asked = Call(request_id="r", api=api, body={"input": "hi"}, stream=stream, wants_usage=False, timeout_s=30)
    body, reply = ask(anthropic_tap, asked)
    assert b"Paris" in body
    assert (b"message_stop" if api is Api.MESSAGES else b"response.completed") in body or not stream
    assert reply.usage == Usage(input_tokens=11, output_tokens=6)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.UPSTREAM_REJECTED),
        (401, Reason.UPSTREAM_DENIED),
        (408, Reason.TIMED_OUT),
        (429, Reason.RATE_LIMITED),
        (500, Reason.UPSTREAM_ERROR),
        (529, Reason.UPSTREAM_ERROR),
        (307, Reason.UPSTREAM_GARBLED),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_keep_no_words_and_nothing_is_sent_twice(
    anthropic_tap: Tap, capfd: pytest.CaptureFixture[str], status: int, reason: Reason, *, stream: bool
) -> None:
    """The tap echoes the prompt in each error; litellm would log it, print it and try again."""
    fault = Fault.REDIRECT if status == 307 else Fault.STATUS
    anthropic_tap.always(Behaviour(fault=fault, status=status, retry_after="3", location=f"{anthropic_tap.url}/x"))
    logging.getLogger().setLevel(logging.DEBUG)
    failure = failed(anthropic_tap, call(stream=stream))
    assert (failure.reason, failure.upstream_status) == (reason, status)
    assert len(anthropic_tap.posts()) == 1
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.CLOSE, Reason.UPSTREAM_ERROR),
        (Fault.RESET, Reason.UPSTREAM_ERROR),
        (Fault.HALF_HEADERS, Reason.UPSTREAM_ERROR),
        (Fault.SHORT_LENGTH, Reason.UPSTREAM_ERROR),
        (Fault.GARBAGE, Reason.UPSTREAM_GARBLED),
        (Fault.HTML, Reason.UPSTREAM_GARBLED),
        (Fault.WRONG_TYPE, Reason.UPSTREAM_GARBLED),
        (Fault.NOT_HTTP, Reason.UPSTREAM_GARBLED),
        (Fault.BAD_CHUNK, Reason.UPSTREAM_GARBLED),
        (Fault.HANG, Reason.TIMED_OUT),
        (Fault.HEADERS_HANG, Reason.TIMED_OUT),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_before_the_first_byte(anthropic_tap: Tap, fault: Fault, reason: Reason, *, stream: bool) -> None:
    """Each has its reason, and one request was made."""
    anthropic_tap.always(Behaviour(fault=fault))
    asyncio.run(asyncio.to_thread(load_litellm))
    timeout_s = 0.4 if reason is Reason.TIMED_OUT else 30
    assert failed(anthropic_tap, call(stream=stream, timeout_s=timeout_s)).reason is reason
    assert len(anthropic_tap.posts()) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(fault=Fault.DIE, after=5),
        Behaviour(fault=Fault.DIE, after=5, end="reset"),
        Behaviour(fault=Fault.DIE, after=5, end="hang"),
        Behaviour(fault=Fault.ERROR_EVENT, after=5),
        Behaviour(fault=Fault.TRUNCATED_JSON, after=5),
        Behaviour(done=False, fault=Fault.HALF_BODY),
    ],
)
def test_a_death_mid_stream_is_told(anthropic_tap: Tap, behaviour: Behaviour) -> None:
    """Left alone, litellm would make up a good end, or raise the provider's words."""
    anthropic_tap.always(behaviour)
    body, reply = ask(anthropic_tap, call(stream=True))
    assert reply.failure is Reason.DIED_MIDSTREAM
    assert body.count(b'"code":"died_midstream"') == 1
    assert b"[DONE]" not in body
    assert CANARY.encode() not in body


def test_a_client_that_leaves_takes_the_provider_along(anthropic_tap: Tap) -> None:
    """Mid-stream by `aclose`, and before the headers by cancelling."""
    asyncio.run(asyncio.to_thread(load_litellm))

    async def mid_stream() -> None:
        anthropic_tap.always(Behaviour(fault=Fault.DIE, after=5, end="hang"))
        reply = await engine(anthropic_tap.v1, idle_timeout_s=20).send(ROUTE, call(stream=True))
        await anext(aiter(reply))
        await reply.aclose()
        assert await asyncio.to_thread(anthropic_tap.wait_for, "close", 1, 2)

    async def before() -> None:
        anthropic_tap.always(Behaviour(fault=Fault.HANG))
        task = asyncio.create_task(engine(anthropic_tap.v1).send(ROUTE, call()))
        assert await asyncio.to_thread(anthropic_tap.wait_for, "data", 1, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(anthropic_tap.wait_for, "close", 1, 2)

    asyncio.run(mid_stream())
    anthropic_tap.reset()
    asyncio.run(before())


def test_proxies_of_the_environment_are_ignored(anthropic_tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them point at a closed port here; the answer still comes."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert TEXT in ask(anthropic_tap, call())[0]
    assert TEXT.split()[0] in ask(anthropic_tap, call(stream=True))[0]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["gemini", "bedrock"])
def test_every_provider_of_the_list_goes_through_our_line(openai_tap: Tap, provider: str, *, stream: bool) -> None:
    """The tap does not speak their formats, so it refuses; but it is asked, by us, once."""
    model = "gemini-2.0-flash" if provider == "gemini" else "anthropic.claude-3-haiku-20240307-v1:0"
    failure = failed(openai_tap, call(stream=stream), provider=provider, upstream_model=model)
    assert failure.upstream_status == 404
    (request,) = openai_tap.posts()
    assert request.headers["user-agent"] == "localfleet"
    assert KEY in {
        request.headers.get("x-goog-api-key"),
        request.headers.get("authorization", "").removeprefix("Bearer "),
    }


def test_other_apis_are_refused_before_anything_is_sent(openai_tap: Tap) -> None:
    """Embeddings would go past our line; completions have no translation."""
    for api in (Api.EMBEDDING, Api.COMPLETION):
        failure = failed(openai_tap, call(api=api), provider="gemini")
        assert (failure.reason, failure.upstream_code) == (Reason.UPSTREAM_REJECTED, "unsupported_parameter")
    assert openai_tap.posts() == []


def test_other_providers_are_refused_with_a_way_out() -> None:
    """cohere, for one, would not use our line."""
    for provider in ("cohere", "replicate", "no_such_thing"):
        with pytest.raises(ValueError, match="base_url"):
            engine("http://127.0.0.1:9", provider)
    with pytest.raises(ValueError, match="bedrock-runtime"):
        LitellmEngine(name="a", provider="bedrock", upstream_model="b", base_url=None, key=None)


def test_a_caller_cannot_reach_litellms_own_arguments(anthropic_tap: Tap) -> None:
    """`api_base` and the like are refused, not passed, and nothing is sent."""
    for field in (
        "api_base",
        "base_url",
        "api_key",
        "mock_response",
        "fallbacks",
        "extra_headers",
        "client",
        "headers",
    ):
        failure = failed(anthropic_tap, replace(call(), body={**call().body, field: CANARY}))
        assert (failure.reason, failure.upstream_code) == (Reason.UPSTREAM_REJECTED, "unsupported_parameter")
    assert anthropic_tap.posts() == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}},
        {"type": "image_url", "image_url": "https://example.test/x.png"},
        {"type": "file", "file": {"file_id": "http://127.0.0.1:9"}},
        {"type": "video_url", "video_url": {"url": "x"}},
        {"type": "tool_result", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/"}}]},
    ],
)
def test_nothing_makes_litellm_download(part: dict[str, Any]) -> None:
    """It fetches images by URL itself: only `data:` URLs pass."""
    with pytest.raises(FieldRefused):
        litellm_fields(Api.CHAT, {"messages": [{"role": "user", "content": [part]}]})
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert litellm_fields(Api.CHAT, {"messages": [{"role": "user", "content": [data]}]})


def test_local_routes_are_a_hard_failure() -> None:
    """Law 3: this engine is always hosted."""
    for route in (LocalRoute(model="best"), HostedRoute(model="other", label=Label.PUBLIC, worst_usd=None)):
        with pytest.raises(TypeError):
            asyncio.run(engine("http://127.0.0.1:9").send(route, call()))


def test_litellm_stays_hushed(anthropic_tap: Tap) -> None:
    """Whatever switched on a callback or a log handler in between, the next call switches it off."""
    sdk = load_litellm()
    sdk.success_callback.append("langfuse")
    sdk.num_retries = 3
    logging.getLogger("LiteLLM").disabled = False
    ask(anthropic_tap, call())
    assert [getattr(sdk, name) for name in CALLBACKS] == [[] for _ in CALLBACKS]
    assert sdk.num_retries == 0
    assert sdk.telemetry is False
    assert logging.getLogger("LiteLLM").disabled
