"""A loopback HTTP server whose every byte a test decides: it answers well, slowly, half, rudely or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

__all__ = ["Handler", "Peer", "RawServer"]

Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One request as a server sees it, and the way back."""

    def __init__(self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold both."""
        self.head, self.body, self._reader, self._writer = head, body, reader, writer

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case."""
        lines = self.head.decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def send(self, *pieces: bytes) -> None:
        """Write and flush each piece."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self, body: bytes, *, status: int = 200, kind: str = "application/json", more: str = "") -> None:
        """One whole answer."""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n"
        await self.send(head.encode() + body)

    async def stream(self, *pieces: bytes, end: bool = True, kind: str = "text/event-stream") -> None:
        """A chunked answer."""
        await self.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            await self.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        if end:
            await self.send(b"0\r\n\r\n")

    async def left(self) -> bool:
        """Wait until the client goes."""
        async with asyncio.timeout(5):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True

    def cut(self) -> None:
        """Close without a goodbye."""
        self._writer.transport.abort()


class RawServer:
    """A loopback server that keeps every byte it gets, and answers as told."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        """`handler` is called for each request."""
        self._handler = handler
        self._tls = tls
        self._open: set[asyncio.StreamWriter] = set()
        self.requests: list[Peer] = []
        self.connections = 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RawServer"]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((line for line in lines if line.startswith(b"content-length:")), b"content-length: 0")
                body = await reader.readexactly(int(length.partition(b":")[2]))
                peer = Peer(head, body, reader, writer)
                self.requests.append(peer)
                await self._handler(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
