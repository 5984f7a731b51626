"""The line that litellm's HTTP goes through: one call, one declared host, one request."""

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

from localfleet.engines.client import ALLOWED_HEADERS, Headers, Host, Response
from localfleet.engines.refused import refused, said_in_answer
from localfleet.engines.replies import garbled
from localfleet.errors import EngineFailed
from localfleet.wire.relay import Reader, Relay

__all__ = ["Line"]

SSE = b"text/event-stream"
WHOLE_TYPES = frozenset({b"application/json"})
STREAM_TYPES = frozenset({SSE, b"application/json", b"application/vnd.amazon.eventstream"})


class Line:
    """
    An `httpx` transport for one call. It remembers the true failure, whatever litellm makes of it.

    Streams of server-sent events are watched on their way in: litellm would skip a broken event, and make up a good
    end where the stream was cut.
    """

    def __init__(
        self, host: Host, *, reader: Reader | None, deadline: float, idle_timeout_s: float, request_id: str
    ) -> None:
        """`reader` for a stream, none for a whole answer. Opens nothing yet."""
        self._host = host
        self._request_id = request_id
        self._deadline = deadline
        self._idle_timeout_s = idle_timeout_s
        self._reader = reader
        self._response: Response | None = None
        self._asked = False
        self.failure: EngineFailed | None = None

    @property
    def used(self) -> bool:
        """True once a request was sent."""
        return self._asked

    async def handle_async_request(self, request: Any) -> Any:
        """Send litellm's request (`httpx.Request`) to our host, once, and return an `httpx.Response`."""
        httpx = import_module("httpx")
        if self._asked or request.method != "POST" or not self._leads_to_our_host(request.url):
            raise httpx.ReadError("one request to one host")
        self._asked = True
        body = await request.aread()
        headers = Headers({name: value for name, value in request.headers.items() if name in ALLOWED_HEADERS})
        path = request.url.raw_path.decode("ascii")
        try:
            response = await self._host.post(path, headers, body, deadline=self._deadline, request_id=self._request_id)
            self._response = response
            if response.status == 200 and response.content_type in self._types():
                body = self._pieces(response) if self._reader is not None else await response.read(self._deadline)
                return httpx.Response(200, headers=_typed(response), content=body, request=request)
            self.failure = garbled() if response.status == 200 else await refused(response, self._deadline)
            response.close()
        except EngineFailed as failure:
            self.failure = failure
        # Not a ConnectError: litellm would try again by itself.
        raise httpx.ReadError("failed")

    async def aclose(self) -> None:
        """Do nothing: the owner of the line closes it, not httpx."""

    def close(self) -> None:
        """Cut the connection, or give it back if the answer is complete."""
        if self._response is not None:
            self._response.close()

    def _leads_to_our_host(self, url: Any) -> bool:
        port = url.port or (443 if url.scheme == "https" else 80)
        return (url.scheme, url.host, port) == (self._host.scheme, self._host.name, self._host.port)

    def _types(self) -> frozenset[bytes]:
        return WHOLE_TYPES if self._reader is None else STREAM_TYPES

    async def _pieces(self, response: Response) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        relay = Relay(self._reader) if self._reader is not None and response.content_type == SSE else None
        try:
            while piece := await response.chunk(loop.time() + self._idle_timeout_s):
                yield piece if relay is None else self._sound(relay, relay.feed(piece))
                _heed(relay)
            if relay is not None:
                relay.finish()
            _heed(relay)
        except EngineFailed as failure:
            self.failure = failure
            raise import_module("httpx").ReadError("failed") from None

    def _sound(self, relay: Relay, shown: bytes) -> bytes:
        """The part before a break: litellm must not see our error event."""
        return shown.removesuffix(self._reader.death()) if relay.died and self._reader is not None else shown


def _heed(relay: Relay | None) -> None:
    if relay is not None and relay.died:
        raise said_in_answer(relay.said) if relay.said is not None else garbled()


def _typed(response: Response) -> dict[str, str]:
    return {"content-type": response.content_type.decode("latin-1")}
