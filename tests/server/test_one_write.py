"""What is written in one turn of the event loop leaves together; nothing is kept back beyond that."""

import asyncio
from collections.abc import Callable

from localfleet.server.one_write import HELD_BYTES, _Gathering


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
