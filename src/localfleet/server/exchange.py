"""
One request and its answer, as the data plane sees them: a body, a client that may leave, bytes that go back.

`AsgiExchange` is one over any ASGI server. The server we run brings its own (`one_write.py`), which knows without
waiting whether the body is here and hears at once when the client leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from localfleet.errors import ClientLeft, TooLarge, TooSlow
from localfleet.server.headers import Headers

__all__ = ["EXCHANGE", "GONE", "AsgiExchange", "Exchange", "RawHeaders", "Receive", "Scope", "Send", "check_size"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

EXCHANGE = "localfleet.exchange"
"""Where a server puts its own exchange into the scope. Whoever takes it takes it out: it knows its scope."""
WATCH_AFTER_S = 0.01
GONE = "The client closed the connection."


class Exchange(Protocol):
    """What the data plane needs of a connection, for one request."""

    @property
    def begun(self) -> bool:
        """Whether an answer has begun: it cannot become another one."""
        ...

    @property
    def headers(self) -> Headers | None:
        """The request's headers, where they were read before."""
        ...

    async def body(self, most_bytes: int, timeout_s: float) -> bytes:
        """The whole body; raises `TooLarge`, `TooSlow` or `ClientLeft`."""
        ...

    def staying(self) -> AbstractContextManager[None]:
        """Work inside it; a client that leaves meanwhile cancels what is awaited there, which is `ClientLeft`."""
        ...

    async def whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Answer at once; `headers` say the length."""
        ...

    async def begin(self, status: int, headers: RawHeaders) -> None:
        """Send the head of a stream."""
        ...

    async def chunk(self, data: bytes) -> None:
        """Send bytes of a stream that has begun."""
        ...

    async def end(self) -> None:
        """End a stream."""
        ...


class AsgiExchange:
    """What `receive` and `send` of an ASGI server make of it."""

    __slots__ = ("_receive", "_send", "begun", "headers")

    def __init__(self, receive: Receive, send: Send) -> None:
        """Nothing was received or sent yet."""
        self._receive = receive
        self._send = send
        self.begun = False
        self.headers: Headers | None = None

    async def body(self, most_bytes: int, timeout_s: float) -> bytes:
        """Wait for all of it. A caller who sends a byte now and then would hold a place in flight for ever."""
        return await _in_time(timeout_s, self._received(most_bytes))

    async def _received(self, most_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft(GONE)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            check_size(size, most_bytes)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def staying(self) -> AbstractContextManager[None]:
        """Watch meanwhile."""
        return self._watched()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Watch in a task of its own, unless the work is over sooner than a client could leave."""
        loop = asyncio.get_running_loop()
        working = asyncio.current_task(loop)
        assert working is not None
        left = False

        async def watch() -> None:
            nonlocal left
            while (await self._receive())["type"] != "http.disconnect":
                pass
            left = True
            working.cancel()

        watching: list[asyncio.Task[None]] = []
        timer = loop.call_later(WATCH_AFTER_S, lambda: watching.append(loop.create_task(watch())))
        try:
            yield
        except asyncio.CancelledError:
            if not left:
                raise
            working.uncancel()
            raise ClientLeft(GONE) from None
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()

    async def whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Head and body."""
        await self.begin(status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: RawHeaders) -> None:
        """The head."""
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def chunk(self, data: bytes) -> None:
        """Bytes as they are."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """No more."""
        await self._send({"type": "http.response.body", "body": b""})


def check_size(size: int, most_bytes: int) -> None:
    """Raise `TooLarge` for a body of more than `most_bytes`."""
    if size > most_bytes:
        raise TooLarge(f"The body is over the limit of {most_bytes // 2**20} MiB (limits.body_mib).")


async def _in_time(seconds: float, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Wait so long for a body; as `asyncio.timeout`, which costs four times as much."""
    loop = asyncio.get_running_loop()
    working = asyncio.current_task(loop)  # without the loop it asks the system for the process's id once more
    assert working is not None
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        working.cancel()

    timer = loop.call_later(seconds, give_up)
    try:
        return await work
    except asyncio.CancelledError:
        if not late or working.uncancel() > 0:
            raise
        raise TooSlow("The body did not arrive in time. Send it faster, or in smaller requests.") from None
    finally:
        timer.cancel()
