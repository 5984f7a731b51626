"""
One HTTP/1.1 connection to an upstream: bytes out, status and body in. Knows no URL, no key, no model.

Hand-made on asyncio and httptools, because a client that leaves must reach the upstream at once, also before the
first header came back: the GPU would go on working for nobody. `docs/adr/` has the measurements.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from localfleet.core.reason import Reason
from localfleet.errors import EngineFailed

__all__ = ["Connection", "Trouble", "connect", "connect_unix"]

HELD_BYTES = 256 * 1024
"""Body bytes kept for a slow reader before the upstream is told to wait."""
HEAD_BYTES = 64 * 1024
KEPT_HEADERS = frozenset({b"content-type", b"retry-after"})
FRAMING_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class Trouble(Enum):
    """Every way a connection fails: a fixed sentence, and the reason for the receipt."""

    NO_CONNECTION = (
        "It does not take connections: check that it runs and that its URL is right.",
        Reason.CONNECT_FAILED,
    )
    NO_TLS = ("No secure connection to it: check its certificate and its URL.", Reason.CONNECT_FAILED)
    CONNECT_TIME = ("It took too long to take the connection: check its URL and the network.", Reason.CONNECT_FAILED)
    NO_ANSWER = ("It closed the connection without an answer.", Reason.UPSTREAM_ERROR)
    CUT_SHORT = ("It closed the connection in the middle of its answer.", Reason.UPSTREAM_ERROR)
    GARBLED = ("It sent something that is not HTTP/1.1.", Reason.UPSTREAM_GARBLED)
    TOO_LARGE = ("Its answer is larger than any answer should be.", Reason.UPSTREAM_GARBLED)
    TIMED_OUT = ("It did not answer in time.", Reason.TIMED_OUT)

    def failure(self) -> EngineFailed:
        """The error to raise; nothing of the exception that caused it is kept."""
        sentence, reason = self.value
        return EngineFailed(sentence, reason=reason)


class Connection(asyncio.Protocol):
    """One socket, one exchange at a time: `ask`, `head`, then `chunk` until it gives `b""`."""

    def __init__(self) -> None:
        """Not connected yet: asyncio calls `connection_made`."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._parser = HttpResponseParser(self)
        self._paused = False
        self._idle: Callable[[], None] | None = None
        self._fresh()
        self.complete = True  # No exchange is under way, so bytes that come now are nobody's.

    def _fresh(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self._has_head = False
        self._framed = False
        self._trouble: Trouble | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._head_bytes = 0

    # What the owner calls.

    @property
    def now(self) -> float:
        """The time on the clock of deadlines."""
        return self._loop.time()

    @property
    def reusable(self) -> bool:
        """True where the last exchange ended cleanly and the upstream keeps the connection."""
        return self.complete and self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> None:
        """Send one whole request; a lost connection is reported by `head`."""
        self._fresh()
        self._idle = None
        if self._transport is None or self._transport.is_closing():
            self._trouble = Trouble.NO_ANSWER
        else:
            self._transport.write(request)

    async def head(self, deadline: float) -> None:
        """Wait for the status and headers, until `deadline` on the loop's clock; raise `EngineFailed`."""
        while not self._has_head:
            if self._trouble is not None:
                raise self._trouble.failure()
            await self._wait(deadline)

    async def chunk(self, deadline: float) -> bytes:
        """Return the body bytes that came meanwhile, `b""` at the end; raise `EngineFailed`."""
        while not self._chunks:
            if self.complete:
                return b""
            if self._trouble is not None:
                raise self._trouble.failure()
            await self._wait(deadline)
        return self._taken()

    def rest(self, limit: int) -> bytes | None:
        """The rest of the body, if all of it is here and it is no longer than so many bytes; waits for nothing."""
        return self._taken() if self.complete and self._held <= limit else None

    def _taken(self) -> bytes:
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            cast(asyncio.Transport, self._transport).resume_reading()
        return data

    def abort(self) -> None:
        """Cut the connection now, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call back once the exchange is complete, with nobody reading any more."""
        if self.complete:
            call()
        else:
            self._idle = call

    async def _wait(self, deadline: float) -> None:
        self._waiter = self._loop.create_future()
        self._deadline = deadline
        if self._timer is None or deadline < self._timer.when():
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        """One for many exchanges: it is not moved when a deadline moves on, but looks again when it rings."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._fail(Trouble.TIMED_OUT)

    def _fail(self, trouble: Trouble) -> None:
        if self._trouble is None and not self.complete:
            self._trouble = trouble
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self.complete:
            self.abort()  # Bytes that nobody asked for: this connection can no longer be trusted.
            return
        self._head_bytes += 0 if self._has_head else len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(Trouble.GARBLED)
            self.abort()
        self._settle()

    def _settle(self) -> None:
        if self._head_bytes > HEAD_BYTES and not self._has_head:
            self._fail(Trouble.GARBLED)
            self.abort()
        if self._held > HELD_BYTES and not self._paused and not self.complete:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()
        self._wake()
        if self.complete and self._idle is not None:
            idle, self._idle = self._idle, None
            idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the stream is the end of a body without length, and trouble for any other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._has_head and not self._framed and exc is None and self._trouble is None:
            self.complete = True
        self._fail(Trouble.CUT_SHORT if self._has_head else Trouble.NO_ANSWER)
        self._idle = None

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A second answer to one request: httptools makes an error of this exception."""
        if self.complete:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers that matter."""
        name = name.lower()
        if name in KEPT_HEADERS:
            self.headers[name] = value
        elif name in FRAMING_HEADERS:
            self._framed = True

    def on_headers_complete(self) -> None:
        """The answer begins, unless it is an interim one (1xx)."""
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200
        if self.status in {204, 304}:
            self._framed = True

    def on_body(self, body: bytes) -> None:
        """Hold a piece of the body."""
        self._chunks.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:
        """The answer ends; an interim one is forgotten."""
        if not self._has_head:
            self.headers = {}
            self._framed = False
            return
        self.complete = True
        if not self._parser.should_keep_alive():
            cast(asyncio.Transport, self._transport).close()


async def connect(host: str, port: int, *, tls: ssl.SSLContext | None, timeout_s: float) -> Connection:
    """Open a connection, straight to the host: no proxy is ever looked up. Raise `EngineFailed`."""
    loop = asyncio.get_running_loop()
    name = host if tls is not None else None
    try:
        async with asyncio.timeout(timeout_s):
            _, made = await loop.create_connection(Connection, host, port, ssl=tls, server_hostname=name)
    except TimeoutError:
        raise Trouble.CONNECT_TIME.failure() from None
    except ssl.SSLError:
        raise Trouble.NO_TLS.failure() from None
    except (OSError, ValueError):  # a host name that cannot be encoded is a ValueError
        raise Trouble.NO_CONNECTION.failure() from None
    return made


async def connect_unix(path: str, *, timeout_s: float) -> Connection:
    """Open a connection to a unix socket of this machine. Raise `EngineFailed`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, made = await loop.create_unix_connection(Connection, path)
    except TimeoutError:
        raise Trouble.CONNECT_TIME.failure() from None
    except (OSError, ValueError):  # a path with a zero byte is a ValueError
        raise Trouble.NO_CONNECTION.failure() from None
    return made
