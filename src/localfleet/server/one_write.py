"""
uvicorn's HTTP/1.1 with a shorter way to the data plane. What it parses, refuses, limits and drains stays uvicorn's.

What one turn of the event loop has to say goes into one write: a head and a body are else two calls of the system and
two packets. A request whose body came along is handed over without waiting, its answer is one write, and a client that
leaves is told of at once, so that no request needs a timer or a task for either. An idle connection keeps one timer for
all its requests. A head that comes again as it was is not read again (`same_head.py`).
"""

import asyncio
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from localfleet.errors import ClientLeft
from localfleet.server.data_plane import PATHS
from localfleet.server.exchange import EXCHANGE, GONE, AsgiExchange, RawHeaders, check_size
from localfleet.server.headers import Headers
from localfleet.server.same_head import KnownHead

__all__ = ["OneWrite"]

HELD_BYTES = 64 * 1024
"""Beyond, nothing is held back: a slow client must be noticed."""
STRAIGHT = {path.encode(): path for path in PATHS}
"""Requests for these, spelled so, need nothing of an URL's parser."""
CONTROLS = bytes([*range(0x20), 0x7F])
MOST_LESSONS = 4
"""Heads of one connection that are remembered in vain, one after the other: then it says no two alike."""


class OneWrite(HttpToolsProtocol):
    """One client's connection."""

    _exchange: "_WholeExchange | None" = None
    """The newest request's, if it is one for the data plane."""
    _idle_since: float | None = None
    _known: KnownHead | None = None
    """The newest head of a request that began at once, and its scope."""
    _known_scope: dict[str, Any]
    _lessons = 0
    _straight = False
    """Whether the newest request of the parser began at once."""
    _between = True
    """Whether the parser has read whole requests, and waits for the next one."""
    _due = 0
    """Bytes still to come of the body of a request that the parser never saw."""

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

    def data_received(self, data: bytes) -> None:
        """Read a request: by its head, where that is known, else with uvicorn's parser."""
        if self._due:
            data = self._take(data)
            if not data:
                return
        at_front, known = self._between, self._known
        if known is not None and at_front and self.cycle.response_complete and (again := known.again(data)) is not None:
            self._begin_again(known, data, *again)
            return
        self._straight = False
        super().data_received(data)
        if self._straight and at_front and self._lessons < MOST_LESSONS:
            self._lessons += 1
            self._known = KnownHead.of(data, self.url, self.headers)
            self._known_scope = {name: said for name, said in self.scope.items() if name != EXCHANGE}

    def _begin_again(self, known: KnownHead, data: bytes, size: int, digits: bytes) -> None:
        """Begin a request whose head is known."""
        self._idle_since = None
        self._lessons = 0
        length = int(digits)
        body = data[size : size + length]
        lines, headers = known.said(digits)
        scope: Any = {**self._known_scope, "headers": lines, "state": self.app_state.copy()}
        self.scope = scope
        self._begin(keep_alive=True, expect_100_continue=False, headers=headers)
        self.cycle.body += body
        self._due = length - len(body)
        self.cycle.more_body = self._due > 0
        if len(data) > size + length:
            super().data_received(data[size + length :])

    def _take(self, data: bytes) -> bytes:
        """What belongs to the body that is due; the rest is given back."""
        body, rest = data[: self._due], data[self._due :]
        self._due -= len(body)
        self.on_body(body)
        if not self._due:
            super().on_message_complete()
        return rest

    def on_message_begin(self) -> None:
        """The parser has a part of a request from here on."""
        self._between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The parser has all of it; what follows one that wants no more is none of ours."""
        super().on_message_complete()
        self._between = self.parser.should_keep_alive() and not self.parser.should_upgrade()

    def on_headers_complete(self) -> None:
        """Give a request for the data plane its exchange; its task has not run yet."""
        if self._begins_at_once():
            return
        super().on_headers_complete()
        if self.scope["path"].startswith("/v1/"):
            self._give_exchange(None)

    def _begins_at_once(self) -> bool:
        """Begin what nearly every request is, as uvicorn would, without asking what is known of it by its path."""
        parser, scope, before = self.parser, self.scope, self.cycle
        path = STRAIGHT.get(self.url)
        if path is None or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return False
        if parser.should_upgrade() or (before is not None and not before.response_complete):
            return False
        scope["method"], scope["path"], scope["raw_path"], scope["query_string"] = "POST", path, self.url, b""
        self._begin(keep_alive=parser.should_keep_alive(), expect_100_continue=self.expect_100_continue, headers=None)
        self._straight = True
        return True

    def _begin(self, *, keep_alive: bool, expect_100_continue: bool, headers: Headers | None) -> None:
        self.cycle = _Cycle(self, keep_alive=keep_alive, expect_100_continue=expect_100_continue)
        self._start_asgi_task(self.cycle, self.app)
        self._give_exchange(headers)

    def _give_exchange(self, headers: Headers | None) -> None:
        self._exchange = _WholeExchange(self.cycle, self._gathering, headers)
        self.scope[EXCHANGE] = self._exchange  # type: ignore[literal-required]  # our own key

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


class _Cycle(RequestResponseCycle):
    """uvicorn's, made for our own protocol in a third of the time: what begins alike for all stands in the class."""

    access_log = False
    disconnected = False
    response_started = False
    response_complete = False
    more_body = True
    chunked_encoding = None
    expected_content_length = 0

    def __init__(self, protocol: OneWrite, *, keep_alive: bool, expect_100_continue: bool) -> None:
        self.scope = protocol.scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expect_100_continue
        self.body = bytearray()

    @cached_property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]  # made for whoever waits: nearly nobody does
        """Tells that something came."""
        return asyncio.Event()


class _WholeExchange(AsgiExchange):
    """What the data plane asks of uvicorn's cycle, without a message for what is known already."""

    __slots__ = ("_cycle", "_gathering", "_left", "_working")

    def __init__(self, cycle: RequestResponseCycle, gathering: "_Gathering", headers: Headers | None) -> None:
        super().__init__(cycle.receive, cycle.send)  # type: ignore[arg-type]  # uvicorn's types name each message
        self.headers = headers
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

    def staying(self) -> AbstractContextManager[None]:
        """The connection tells when it is lost."""
        return self

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._working = asyncio.current_task(loop)
        if self._cycle.disconnected:
            loop.call_soon(self.leave)

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        working, self._working = self._working, None
        if self._left and working is not None and isinstance(exc, asyncio.CancelledError):
            working.uncancel()
            raise ClientLeft(GONE) from None

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
        if "message_event" in cycle.__dict__:
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
