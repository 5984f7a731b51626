"""A whole answer is read at once where it is here, and no answer is longer than the bound, however it came."""

import asyncio
from contextlib import suppress

import pytest

from localfleet.core.reason import Reason
from localfleet.engines.client import Headers, HttpClient
from localfleet.errors import EngineFailed

ANSWER = b"0123456789" * 500
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"


async def _read(*, pieces: int, limit: int) -> tuple[bytes, int]:
    """What is read of an answer that comes in so many pieces, twice over; and how many connections that took."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        size = len(ANSWER) // pieces
        with suppress(ConnectionError):
            while await reader.read(4096):
                for at in range(pieces):
                    writer.write((b"" if at else HEAD) + ANSWER[at * size : (at + 1) * size])
                    await writer.drain()
                    await asyncio.sleep(0.01 if pieces > 1 else 0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = HttpClient().at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    deadline = asyncio.get_running_loop().time() + 5
    async with server:
        try:
            for _ in range(2):
                response = await host.post("/x", Headers({}), b"{}", deadline=deadline, request_id="a")
                await asyncio.sleep(0.005)  # so that what comes in one piece is here
                try:
                    said = await response.read(deadline, limit)
                finally:
                    response.close()
        finally:
            await host.aclose()
            await asyncio.sleep(0.05)  # for both sides to close
    return said, connections


@pytest.mark.parametrize("pieces", [1, 5])
def test_an_answer_at_the_bound_is_read_and_its_connection_kept(pieces: int) -> None:
    """All of it, in one piece or in several, and the next request takes the same connection."""
    assert asyncio.run(_read(pieces=pieces, limit=5000)) == (ANSWER, 1)


@pytest.mark.parametrize("pieces", [1, 5])
def test_an_answer_beyond_the_bound_is_refused(pieces: int) -> None:
    """Also one that is here whole already."""
    with pytest.raises(EngineFailed) as refused:
        asyncio.run(_read(pieces=pieces, limit=4999))
    assert refused.value.reason is Reason.UPSTREAM_GARBLED
