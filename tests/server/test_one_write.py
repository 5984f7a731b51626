"""What is written in one turn leaves together, and the short way to the data plane keeps HTTP's promises."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from served import served

from localfleet.errors import FleetError
from localfleet.server.exchange import EXCHANGE, AsgiExchange, Exchange, RawHeaders, Receive, Scope, Send
from localfleet.server.one_write import HELD_BYTES, OneWrite, _Gathering


class Wire(asyncio.Transport):
    """A transport that remembers what was written to it, and how it was closed."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        super().__init__()
        self.sent: list[bytes] = []
        self.end = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember it."""
        self.sent.append(bytes(data))

    def close(self) -> None:
        """Remember that."""
        self.end = "closed"

    def abort(self) -> None:
        """Remember that."""
        self.end = "aborted"


def _played(play: Callable[[_Gathering], None]) -> Wire:
    """What reached the wire of a play, after the turn it was played in."""

    async def turn() -> Wire:
        wire = Wire()
        play(_Gathering(wire, asyncio.get_running_loop()))
        if not wire.end:
            await asyncio.sleep(0)
        return wire

    return asyncio.run(turn())


def test_a_head_and_its_body_leave_in_one_write() -> None:
    """Two writes of one turn are one, in order."""

    def play(transport: _Gathering) -> None:
        transport.write(b"head")
        transport.write(b"body")

    assert _played(play).sent == [b"headbody"]


def test_what_is_written_later_leaves_later() -> None:
    """A stream's chunks do not wait for each other."""

    async def turns() -> list[bytes]:
        wire = Wire()
        transport = _Gathering(wire, asyncio.get_running_loop())
        for chunk in (b"first", b"second"):
            transport.write(chunk)
            await asyncio.sleep(0)
        return wire.sent

    assert asyncio.run(turns()) == [b"first", b"second"]


def test_much_is_not_held_back() -> None:
    """Beyond the bound it goes at once, so that the system can say that its buffer is full."""

    async def at_once() -> list[int]:
        wire = Wire()
        transport = _Gathering(wire, asyncio.get_running_loop())
        transport.write(b"x")
        transport.write(b"y" * HELD_BYTES)
        sizes = [len(data) for data in wire.sent]
        transport.write(b"z")
        await asyncio.sleep(0)
        return [*sizes, *(len(data) for data in wire.sent[1:])]

    assert asyncio.run(at_once()) == [HELD_BYTES + 1, 1]


def test_closing_sends_what_is_held_and_aborting_does_not() -> None:
    """`close` loses nothing; `abort` is for clients that are gone."""

    def closing(transport: _Gathering) -> None:
        transport.write(b"last words")
        transport.close()

    def aborting(transport: _Gathering) -> None:
        transport.write(b"last words")
        transport.abort()

    assert (_played(closing).sent, _played(closing).end) == ([b"last words"], "closed")
    assert (_played(aborting).sent, _played(aborting).end) == ([], "aborted")


POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"


class App:
    """Answers with the body it got; keeps which kind of exchange it had, and how the last one ended."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.kinds: list[str] = []
        self.ended: list[str] = []
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.work_s = 0.0
        self.headers: RawHeaders = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        exchange: Exchange = scope.pop(EXCHANGE, None) or AsgiExchange(receive, send)
        self.kinds.append(type(exchange).__name__)
        try:
            body = await exchange.body(100_000, 5)
            with exchange.staying():
                await self.work(exchange, body)
            self.ended.append("answered")
        except FleetError as exc:
            self.ended.append(type(exc).__name__)
        self.over.set()

    async def work(self, exchange: Exchange, body: bytes) -> None:
        """Take some time, then answer."""
        self.begun.set()
        await asyncio.sleep(self.work_s)
        await exchange.whole(200, [(b"content-length", str(len(body)).encode()), *self.headers], body)


def _talk(play: Callable[[App, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **settings: Any) -> App:
    """Play one client's part on a real connection to a real server; gives the application back."""
    app = App()

    async def with_app(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await play(app, reader, writer)

    asyncio.run(served(app, OneWrite, with_app, **settings))
    return app


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: ([0-9]+)", head)
    assert length is not None
    return head, await reader.readexactly(int(length[1]))


def test_requests_in_one_packet_are_answered_in_their_order() -> None:
    """Pipelined requests each get their own body back, over one connection that stays open."""

    async def play(_: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(POST + b"\r\n" + body for body in (b"one--", b"two--", b"three")))
        assert [(await _answer(reader))[1] for _ in range(3)] == [b"one--", b"two--", b"three"]
        writer.write(POST + b"\r\nagain")
        assert (await _answer(reader))[1] == b"again"

    app = _talk(play)
    assert (app.kinds, app.ended) == (["_WholeExchange"] * 4, ["answered"] * 4)


def test_a_body_in_pieces_is_waited_for() -> None:
    """A body that did not come along with its head arrives whole, and 100-continue is answered."""

    async def play(_: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST + b"expect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for byte in (b"p", b"ie", b"ce"):
            writer.write(byte)
            await asyncio.sleep(0.005)
        assert (await _answer(reader))[1] == b"piece"

    assert _talk(play).ended == ["answered"]


def test_a_body_over_the_limit_is_refused() -> None:
    """Whether it came at once or in pieces, and it is not read to its end."""

    async def play(_: App, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST.replace(b"5", b"100001") + b"\r\n" + b"x" * 100_001)
        await asyncio.sleep(0.02)

    assert _talk(play).ended == ["TooLarge"]


@pytest.mark.parametrize("after_s", [0.0, 0.03])
def test_a_client_that_leaves_is_noticed_at_once(after_s: float) -> None:
    """What is done for it is cancelled, long before it would have been over."""

    async def play(app: App, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        app.work_s = 60
        writer.write(POST + b"\r\nhello")
        await app.begun.wait()
        await asyncio.sleep(after_s)
        writer.close()
        await app.over.wait()

    assert _talk(play).ended == ["ClientLeft"]


def test_whoever_wants_no_more_is_let_go() -> None:
    """HTTP/1.0 and `connection: close` get their answer, the word for it, and the end of the connection."""

    async def play(_: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST + b"connection: close\r\n\r\nhello")
        head, body = await _answer(reader)
        assert (b"connection: close\r\n" in head, body, await reader.read()) == (True, b"hello", b"")

    assert _talk(play).ended == ["answered"]


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    """Each answer begins the idle time anew; while a request is under way none passes."""

    async def play(app: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for work_s in (0.0, 0.15, 0.0):
            app.work_s = work_s
            writer.write(POST + b"\r\nhello")
            await _answer(reader)
            answered_at = asyncio.get_running_loop().time()
            await asyncio.sleep(0.06)
        assert await reader.read() == b""
        assert 0.09 <= asyncio.get_running_loop().time() - answered_at < 1

    assert _talk(play, timeout_keep_alive=0.1).ended == ["answered"] * 3


def test_a_header_cannot_break_its_line() -> None:
    """A control character in a header of ours is a fault, and nothing is sent of that answer."""

    async def play(app: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        app.headers = [(b"x-localfleet-model", b"a\r\nset-cookie: b")]
        writer.write(POST + b"\r\nhello")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 500")
        assert b"set-cookie" not in await reader.read()

    assert _talk(play).ended == []


def test_what_is_not_the_data_planes_goes_uvicorns_way() -> None:
    """Other pages see plain ASGI; both kinds may come over one connection."""

    async def play(_: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST.replace(b"/v1/chat/completions", b"/healthz") + b"\r\nhello")
        assert (await _answer(reader))[1] == b"hello"
        writer.write(POST + b"\r\nhello")
        assert (await _answer(reader))[1] == b"hello"

    assert _talk(play).kinds == ["AsgiExchange", "_WholeExchange"]
