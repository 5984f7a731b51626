"""Answers under way: a whole body, or a stream that ends with a typed error if its upstream dies."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import orjson

from localfleet.core.ask import Api
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.engines.refused import said_in_answer
from localfleet.errors import EngineFailed
from localfleet.ports import Call
from localfleet.wire.formed import CleanEvents, clean_whole
from localfleet.wire.relay import ChatReader, MessagesReader, Reader, Relay, ResponsesReader, Translated
from localfleet.wire.sse import SseGarbled
from localfleet.wire.translate import from_asked, stream_from_chat
from localfleet.wire.upstream_error import UpstreamSaid
from localfleet.wire.whole import read_whole

__all__ = ["Source", "StreamReply", "WholeReply", "garbled", "stream_reply", "whole_reply"]


class Source(Protocol):
    """Where the bytes of an answer come from."""

    async def chunk(self, deadline: float) -> bytes:
        """Return bytes as they come, `b""` at the end; raise `EngineFailed`. `deadline` is on the loop's clock."""
        ...

    def close(self) -> None:
        """Let go: at once if it is still talking. More than once is fine."""
        ...

    def linger(self) -> None:
        """Let go of a source that said its last word; its connection may be kept."""
        ...


CLEANED = frozenset({Api.CHAT, Api.COMPLETION})


class CleanSource:
    """A source whose stream is made like those of other models."""

    __slots__ = ("_events", "_over", "_source")

    def __init__(self, source: Source, events: CleanEvents) -> None:
        """`events` reads what `source` says."""
        self._source, self._events = source, events
        self._over = False

    async def chunk(self, deadline: float) -> bytes:
        """Return the next events, `b""` at the end."""
        shown = b""
        while not shown and not self._over:
            data = await self._source.chunk(deadline)
            self._over = not data
            try:
                shown = self._events.feed(data) if data else self._events.finish()
            except SseGarbled:
                raise garbled() from None
        return shown

    def close(self) -> None:
        """Let go at once."""
        self._source.close()

    def linger(self) -> None:
        """Let go at the end."""
        self._source.linger()


class WholeReply:
    """An answer that is here already."""

    __slots__ = ("_left", "at_once", "failure", "media_type", "status", "text_bytes", "usage")

    def __init__(self, body: bytes, *, usage: Usage | None, text_bytes: int) -> None:
        """Hold the bytes for the client."""
        self.at_once: bytes | None = body
        self._left: bytes | None = body
        self.status = 200
        self.media_type = "application/json"
        self.usage = usage
        self.failure: Reason | None = None
        self.text_bytes = text_bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate once."""
        return self

    async def __anext__(self) -> bytes:
        """The body, then the end; not a generator, which the event loop would keep a list of."""
        left, self._left = self._left, None
        if left is None:
            raise StopAsyncIteration
        return left

    async def aclose(self) -> None:
        """Nothing is held."""


class StreamReply:
    """A stream whose first event has come."""

    __slots__ = (
        *("_first", "_idle_timeout_s", "_on_close", "_relay", "_source"),
        *("at_once", "failure", "media_type", "status", "text_bytes", "usage"),
    )

    def __init__(self, source: Source, relay: Relay, first: bytes, *, idle_timeout_s: float) -> None:
        """`first` was read already; `idle_timeout_s` is the longest silence between two reads."""
        self._source = source
        self._relay = relay
        self._first = first
        self._idle_timeout_s = idle_timeout_s
        self._on_close: list[Callable[[], None]] = []
        self.at_once: bytes | None = None
        self.status = 200
        self.media_type = "text/event-stream"
        self.failure: Reason | None = None
        self.usage: Usage | None = None
        self.text_bytes = 0
        self._note()

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call back once, when the upstream is let go; several are called in the order in which they came."""
        self._on_close.append(call)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes for the client."""
        shown, self._first = self._first, b""
        while not shown:
            if self._relay.over:
                raise StopAsyncIteration
            shown = await self._more()
        return shown

    async def _more(self) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._idle_timeout_s
        try:
            data = await self._source.chunk(deadline)
        except EngineFailed:
            shown = self._relay.die()
        else:
            shown = self._relay.feed(data) if data else self._relay.finish()
        self._note()
        return shown

    def _note(self) -> None:
        self.usage = self._relay.usage
        self.text_bytes = self._relay.text_bytes
        if self._relay.died:
            self.failure = Reason.DIED_MIDSTREAM

    async def aclose(self) -> None:
        """Let the upstream go: at once if it is still talking, kept for the next request if it came to its end."""
        if self._relay.over and not self._relay.died:
            self._source.linger()
        else:
            self._source.close()
        on_close, self._on_close = self._on_close, []
        for call in on_close:
            call()


def garbled() -> EngineFailed:
    """The error for an answer that is none."""
    sentence = "It answered with something that is not an answer of this API: check its URL and version."
    return EngineFailed(sentence, reason=Reason.UPSTREAM_GARBLED)


def whole_reply(call: Call, asked: Api, body: bytes, *, model: str) -> WholeReply:
    """Check an answer that came in the API `asked`, and translate it for the caller; raise `EngineFailed`."""
    if call.answers is not None and asked in CLEANED:
        body = clean_whole(body, call.answers, json=call.wants_json)
    try:
        whole = read_whole(asked, body)
        if asked is not call.api or call.api is Api.RERANK:
            told = from_asked(call.api, call.body, whole.data, model=model, request_id=call.request_id)
            body = orjson.dumps(told)
    except UpstreamSaid as said:
        raise said_in_answer(said) from None
    except ValueError:
        raise garbled() from None
    return WholeReply(body, usage=whole.usage, text_bytes=whole.text_bytes)


async def stream_reply(
    call: Call, asked: Api, source: Source, *, model: str, deadline: float, idle_timeout_s: float
) -> StreamReply:
    """Read until a first event came, so that every failure before it can still go to the next door."""
    if call.answers is not None and asked in CLEANED:
        source = CleanSource(source, CleanEvents(call.answers, json=call.wants_json))
    relay = Relay(_reader(call, asked, model))
    first = b""
    try:
        while not relay.begun and not relay.over:
            data = await source.chunk(deadline)
            first += relay.feed(data) if data else relay.finish()
    finally:
        if not relay.begun:
            source.close()
    if not relay.begun:
        raise said_in_answer(relay.said) if relay.said is not None else garbled()
    return StreamReply(source, relay, first, idle_timeout_s=idle_timeout_s)


def _reader(call: Call, asked: Api, model: str) -> Reader:
    if asked is not call.api:
        return Translated(stream_from_chat(call.api, model=model, request_id=call.request_id))
    if asked is Api.MESSAGES:
        return MessagesReader()
    if asked is Api.RESPONSES:
        return ResponsesReader()
    return ChatReader(hide_usage=not call.wants_usage)
