"""Answers under way: a whole body, or a stream that ends with a typed error if its upstream dies."""

import asyncio
from collections.abc import AsyncIterator, Callable

from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.engines.client import Response
from localfleet.errors import EngineFailed
from localfleet.wire.relay import Relay

__all__ = ["StreamReply", "WholeReply"]


class WholeReply:
    """An answer that is here already."""

    __slots__ = ("_body", "failure", "media_type", "status", "text_bytes", "usage")

    def __init__(self, body: bytes, *, usage: Usage | None, text_bytes: int) -> None:
        """Hold the bytes for the client."""
        self._body = body
        self.status = 200
        self.media_type = "application/json"
        self.usage = usage
        self.failure: Reason | None = None
        self.text_bytes = text_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, once."""
        yield self._body

    async def aclose(self) -> None:
        """Nothing is held."""


class StreamReply:
    """A stream whose first event has come."""

    __slots__ = (
        "_first",
        "_idle_timeout_s",
        "_on_close",
        "_relay",
        "_response",
        "failure",
        "media_type",
        "status",
        "text_bytes",
        "usage",
    )

    def __init__(
        self, response: Response, relay: Relay, first: bytes, *, idle_timeout_s: float, on_close: Callable[[], None]
    ) -> None:
        """`first` was read already; `on_close` is called once, when the upstream is let go."""
        self._response = response
        self._relay = relay
        self._first = first
        self._idle_timeout_s = idle_timeout_s
        self._on_close: Callable[[], None] | None = on_close
        self.status = 200
        self.media_type = "text/event-stream"
        self.failure: Reason | None = None
        self.usage: Usage | None = None
        self.text_bytes = 0
        self._note()

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
            data = await self._response.chunk(deadline)
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
            self._response.linger()
        else:
            self._response.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
