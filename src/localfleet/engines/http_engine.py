"""
Models behind HTTP: any OpenAI-compatible server, and Anthropic's Messages API in its own dialect.

What leaves is built here: the caller's parsed body with our model's name, without localfleet's own metadata, under
headers of ours. An engine that does not speak the caller's API is asked in chat, and its answer is translated.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Never

import orjson

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute, Route
from localfleet.engines.breaker import Breaker
from localfleet.engines.client import Headers, HttpClient, Response, Secret
from localfleet.engines.refused import refused, said_in_answer
from localfleet.engines.replies import StreamReply, WholeReply
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply
from localfleet.wire.outbound import outbound_body
from localfleet.wire.relay import ChatReader, MessagesReader, Reader, Relay, ResponsesReader, Translated
from localfleet.wire.translate import from_chat, stream_from_chat
from localfleet.wire.upstream_error import UpstreamSaid
from localfleet.wire.whole import read_whole

__all__ = ["HttpEngine"]

PATHS = {
    Api.CHAT: "/chat/completions",
    Api.COMPLETION: "/completions",
    Api.EMBEDDING: "/embeddings",
    Api.MESSAGES: "/messages",
    Api.RESPONSES: "/responses",
}
ANTHROPIC_VERSION = "2023-06-01"
BREAKER_REASONS = frozenset({Reason.CONNECT_FAILED, Reason.TIMED_OUT, Reason.UPSTREAM_ERROR, Reason.UPSTREAM_GARBLED})


class HttpEngine:
    """One model of one server. `readiness` tells a supervised process's state; without it a breaker does."""

    def __init__(
        self,
        *,
        name: str,
        upstream_model: str,
        base_url: str,
        key: Secret | None,
        dialect: Literal["openai", "anthropic"],
        speaks: frozenset[Api],
        hosted: bool,
        client: HttpClient,
        readiness: Callable[[], EngineState] | None = None,
        timeout_s: float = 600.0,
        idle_timeout_s: float = 60.0,
        store_false: bool = False,
    ) -> None:
        """`timeout_s` is until the first byte, `idle_timeout_s` between two; `store_false` for hosted Responses."""
        self._name = name
        self._upstream_model = upstream_model
        self._speaks = speaks
        self._route_kind = HostedRoute if hosted else LocalRoute
        self._host = client.at(base_url)
        self._headers = {stream: _headers(dialect, key, stream=stream) for stream in (False, True)}
        self._readiness = readiness
        self._breaker = Breaker()
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._store_false = store_false
        self._in_flight = 0

    def __repr__(self) -> str:
        """The name, and nothing secret."""
        return f"HttpEngine({self._name!r})"

    def state(self) -> EngineState:
        """How it is, from memory."""
        if self._readiness is not None:
            state = self._readiness()
            return EngineState(readiness=state.readiness, in_flight=self._in_flight, why=state.why)
        if self._breaker.opens_in_s(time.monotonic()) is None:
            return EngineState(readiness=Readiness.READY, in_flight=self._in_flight)
        why = "it failed several times in a row or limits the rate; it is tried again soon"
        return EngineState(readiness=Readiness.LOADING, in_flight=self._in_flight, why=why)

    async def send(self, route: Route, call: Call) -> Reply:
        """Ask; raise `EngineFailed` if no first byte came, `TypeError` for a route to elsewhere (law 3)."""
        if not isinstance(route, self._route_kind) or route.model != self._name:
            raise TypeError("this route does not lead to this engine")
        asked = call.api if call.api in self._speaks else Api.CHAT
        probe = self._enter()
        self._in_flight += 1
        reply: Reply | None = None
        try:
            reply = await (self._stream(call, asked) if call.stream else self._whole(call, asked))
            self._breaker.succeeded()
        except EngineFailed as failure:
            self._failed(failure, probe=probe)
        finally:
            if not isinstance(reply, StreamReply):
                self._in_flight -= 1
            if reply is None:
                self._breaker.left(probe=probe)
        return reply

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._host.aclose()

    def _enter(self) -> bool:
        wait_s = self._breaker.opens_in_s(time.monotonic())
        if wait_s is not None and self._readiness is None:
            sentence = f"{self._name}: it failed several times in a row or limits the rate. Try again later."
            raise EngineFailed(sentence, reason=Reason.ENGINE_DOWN, retry_after_s=int(wait_s) + 1)
        return self._breaker.enter()

    def _failed(self, failure: EngineFailed, *, probe: bool) -> Never:
        now = time.monotonic()
        if failure.reason in BREAKER_REASONS:
            self._breaker.failed(now, probe=probe)
        elif failure.reason is Reason.RATE_LIMITED:
            self._breaker.limited(now, failure.retry_after_s, probe=probe)
        raise EngineFailed(
            f"{self._name}: {failure.message}",
            reason=failure.reason,
            upstream_status=failure.upstream_status,
            upstream_code=failure.upstream_code,
            retry_after_s=failure.retry_after_s,
        ) from None

    async def _post(self, call: Call, asked: Api) -> tuple[Response, float]:
        try:
            body = outbound_body(
                call.api,
                asked,
                call.body,
                model=self._upstream_model,
                stream=call.stream,
                wants_usage=call.wants_usage,
                store_false=self._store_false,
            )
        except ValueError:
            sentence = "This request cannot be put in the words of this model's API."
            raise EngineFailed(sentence, reason=Reason.UPSTREAM_REJECTED) from None
        deadline = asyncio.get_running_loop().time() + min(call.timeout_s, self._timeout_s)
        response = await self._host.post(PATHS[asked], self._headers[call.stream], body, deadline=deadline)
        if response.status != 200:
            try:
                failure = await refused(response, deadline)
            finally:
                response.close()
            raise failure
        return response, deadline

    async def _whole(self, call: Call, asked: Api) -> WholeReply:
        response, deadline = await self._post(call, asked)
        try:
            if response.content_type != b"application/json":
                raise _garbled()
            body = await response.read(deadline)
        finally:
            response.close()
        try:
            whole = read_whole(asked, body)
            if asked is not call.api:
                body = orjson.dumps(self._translated(call, whole.data))
        except UpstreamSaid as said:
            raise said_in_answer(said) from None
        except ValueError:
            raise _garbled() from None
        return WholeReply(body, usage=whole.usage, text_bytes=whole.text_bytes)

    async def _stream(self, call: Call, asked: Api) -> StreamReply:
        response, deadline = await self._post(call, asked)
        reply: StreamReply | None = None
        try:
            if response.content_type != b"text/event-stream":
                raise _garbled()
            relay = Relay(self._reader(call, asked))
            first = await _first(response, relay, deadline)
            reply = StreamReply(response, relay, first, idle_timeout_s=self._idle_timeout_s, on_close=self._leave)
        finally:
            if reply is None:
                response.close()
        return reply

    def _translated(self, call: Call, reply: Mapping[str, Any]) -> dict[str, Any]:
        return from_chat(call.api, reply, model=self._name, request_id=call.request_id)

    def _reader(self, call: Call, asked: Api) -> Reader:
        if asked is not call.api:
            return Translated(stream_from_chat(call.api, model=self._name, request_id=call.request_id))
        if asked is Api.MESSAGES:
            return MessagesReader()
        if asked is Api.RESPONSES:
            return ResponsesReader()
        return ChatReader(hide_usage=not call.wants_usage)

    def _leave(self) -> None:
        self._in_flight -= 1


async def _first(response: Response, relay: Relay, deadline: float) -> bytes:
    """Read until a first event came, so that every failure before it can still go to the next door."""
    first = b""
    while not relay.begun and not relay.over:
        data = await response.chunk(deadline)
        first += relay.feed(data) if data else relay.finish()
    if not relay.begun:
        raise said_in_answer(relay.said) if relay.said is not None else _garbled()
    return first


def _headers(dialect: Literal["openai", "anthropic"], key: Secret | None, *, stream: bool) -> Headers:
    plain = {"content-type": "application/json", "accept": "text/event-stream" if stream else "application/json"}
    if dialect == "anthropic":
        plain["anthropic-version"] = ANTHROPIC_VERSION
        return Headers(plain, secret=None if key is None else ("x-api-key", "", key))
    return Headers(plain, secret=None if key is None else ("authorization", "Bearer ", key))


def _garbled() -> EngineFailed:
    sentence = "It answered with something that is not an answer of this API: check its URL and version."
    return EngineFailed(sentence, reason=Reason.UPSTREAM_GARBLED)
