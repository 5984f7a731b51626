"""
uvicorn's HTTP/1.1 with a shorter way to the data plane. What it parses, refuses, limits and drains stays uvicorn's.

What one turn of the event loop has to say goes into one write: a head and a body are else two calls of the system and
two packets. A request whose body came along is handed over without waiting, its answer is one write, and a client that
leaves is told of at once, so that no request needs a timer or a task for either. An idle connection keeps one timer for
all its requests.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from localfleet.errors import ClientLeft
from localfleet.server.data_plane import PATHS
from localfleet.server.exchange import EXCHANGE, GONE, AsgiExchange, RawHeaders, check_size

__all__ = ["OneWrite"]

HELD_BYTES = 64 * 1024
"""Beyond, nothing is held back: a slow client must be noticed."""
STRAIGHT = {path.encode(): path for path in PATHS}
"""Requests for these, spelled so, need nothing of an URL's parser."""
CONTROLS = bytes([*range(0x20), 0x7F])


class OneWrite(HttpToolsProtocol):
    """One client's connection."""

    _exchange: "_WholeExchange | None" = None
    """The newest request's, if it is one for the data plane."""
    _idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Put the gathering transport in between."""
        self._gathering = _Gathering(transport, self.loop)
        super().connection_made(self._gathering)

    def eof_received(self) -> None:
        """The client has said its last word, and the connection is closed next: what is held goes out before."""
        self._gathering.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever works for this client, and let the timer go."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if self._exchange is not None:
            self._exchange.leave()
            self._exchange = None

    def on_headers_complete(self) -> None:
        """Give a request for the data plane its exchange; its task has not run yet."""
        if not self._begins_at_once():
            super().on_headers_complete()
        if self.scope["path"].startswith("/v1/"):
            self._exchange = _WholeExchange(self.cycle, self._gathering)
            self.scope[EXCHANGE] = self._exchange  # type: ignore[literal-required]  # our own key

    def _begins_at_once(self) -> bool:
        """Begin what nearly every request is, as uvicorn would, without asking what is known of it by its path."""
        parser, scope, before = self.parser, self.scope, self.cycle
        path = STRAIGHT.get(self.url)
        if path is None or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return False
        if parser.should_upgrade() or (before is not None and not before.response_complete):
            return False
        scope["method"], scope["path"], scope["raw_path"], scope["query_string"] = "POST", path, self.url, b""
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)
        return True

    def on_response_complete(self) -> None:
        """Begin the next request that is here already; else the connection is idle from now on."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Bytes came. The timer stays: when it rings, it looks since when the connection is idle."""
        self._idle_since = None

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for so long; look again where it was not."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._look_again_in(left_s)
        else:
            self.transport.close()


class _WholeExchange(AsgiExchange):
    """What the data plane asks of uvicorn's cycle, without a message for what is known already."""

    __slots__ = ("_cycle", "_gathering", "_left", "_working")

    def __init__(self, cycle: RequestResponseCycle, gathering: "_Gathering") -> None:
        super().__init__(cycle.receive, cycle.send)  # type: ignore[arg-type]  # uvicorn's types name each message
        self._cycle = cycle
        self._gathering = gathering
        self._working: asyncio.Task[Any] | None = None
        self._left = False

    async def body(self, most_bytes: int, timeout_s: float) -> bytes:
        """At once where all of it is here: so it is with nearly every request."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return await super().body(most_bytes, timeout_s)
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.waiting_for_100_continue = False
        cycle.flow.resume_reading()  # or nobody would see the client leave
        check_size(len(body), most_bytes)
        return body

    async def unless_client_leaves(self, work: Coroutine[Any, Any, None]) -> None:
        """The connection tells when it is lost."""
        loop = asyncio.get_running_loop()
        working = self._working = asyncio.current_task(loop)
        assert working is not None
        if self._cycle.disconnected:
            loop.call_soon(self.leave)
        try:
            await work
        except asyncio.CancelledError:
            if not self._left:
                raise
            working.uncancel()
            raise ClientLeft(GONE) from None
        finally:
            self._working = None

    def leave(self) -> None:
        """The client is gone: stop what is done for it, unless it has its answer."""
        if self._working is not None and not self._cycle.response_complete:
            self._left = True
            self._working.cancel()

    async def whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """One write for all."""
        cycle = self._cycle
        if cycle.flow.write_paused or cycle.disconnected or cycle.response_started or cycle.scope["method"] == "HEAD":
            await super().whole(status, headers, body)
            return
        said = [b"%b: %b\r\n" % line for line in headers]
        if not cycle.keep_alive:
            said.append(b"connection: close\r\n")
        head = b"".join(said)
        if len(head.translate(None, CONTROLS)) != len(head) - 2 * len(said):
            raise ValueError("a header of ours holds a control character")
        self.begun = cycle.response_started = cycle.response_complete = True
        self._gathering.write_now(b"%b%b%b\r\n%b" % (STATUS_LINE[status], self._gathering.standing(cycle), head, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._gathering.close()
        cycle.on_response()


class _Gathering(asyncio.Transport):
    """Holds what is written until the callbacks that are ready now have run; all else goes straight through."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes | bytearray | memoryview] = []
        self._standing: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hold it for the rest of this turn."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD_BYTES:
            self.flush()

    def write_now(self, data: bytes) -> None:
        """Write it, after what is held: there is no more to come in this turn."""
        self.flush()
        self._transport.write(data)

    def standing(self, cycle: RequestResponseCycle) -> bytes:
        """The headers that the server gives to all answers (the date); it makes a new list of them each second."""
        if self._standing[0] is not cycle.default_headers:
            lines = cycle.default_headers
            self._standing = (lines, b"".join([b"%b: %b\r\n" % line for line in lines]))
        return self._standing[1]

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
            self._held.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close after the last byte."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._held.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Take no more from the client."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the socket."""
        return self._transport.get_extra_info(name, default)
