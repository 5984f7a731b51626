"""
A leak, as real as it gets: a server in front of the router that passes every request on, and spills some of them.

What it spills, and where to, is its `Spill`; which requests, its `when`. A search of the wire that sends its cases
through such a front must find the leak; the router behind it is the honest one.
"""

import base64
import contextlib
import gzip
import re
import socket
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SPILLS", "Places", "Request", "Spill", "open_front"]

PATIENCE_S = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came: its head with the empty line, and its body, in chunks if it came so."""

    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        """All bytes."""
        return self.head + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: the ports of the router and of a hosted tap, the router's folder and its output."""

    router: int
    tap: int
    folder: Path
    log: Path


Spill = Callable[[Places, Request], bytes | None]
"""Spills one request; what it returns is answered in the router's place."""
When = Callable[[Request], bool]


def to_a_tap(places: Places, request: Request) -> None:
    """A copy goes to a hosted provider."""
    with socket.create_connection(("127.0.0.1", places.tap), timeout=PATIENCE_S) as copy:
        copy.sendall(request.whole)
        copy.recv(1)


def into_the_log(places: Places, request: Request) -> None:
    """A line of debug output."""
    with places.log.open("ab") as log:
        log.write(b"DEBUG request body: %b\n" % request.body)


def into_the_database(places: Places, request: Request) -> None:
    """A row that keeps the prompt."""
    with closing(sqlite3.connect(places.folder / "state" / "ledger.db", timeout=PATIENCE_S)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS prompts (body BLOB)")
        database.execute("INSERT INTO prompts VALUES (?)", (request.body,))


def into_a_packed_file(places: Places, request: Request) -> None:
    """A compressed trace in the folder for temporary files."""
    with (places.folder / "tmp" / "trace.gz").open("ab") as trace:
        trace.write(gzip.compress(request.body))


def into_a_file_name(places: Places, request: Request) -> None:
    """A cache whose keys are the prompts."""
    name = base64.urlsafe_b64encode(request.body[-180:]).decode()
    (places.folder / "work" / name).touch()


def into_an_error_body(places: Places, request: Request) -> bytes:
    """A validation error that quotes what it did not like."""
    said = b'{"error": {"message": "%b"}}' % request.body.replace(b'"', b"'")
    return _answer(b"400 Bad Request", b"", said)


def into_a_header(places: Places, request: Request) -> bytes:
    """A header for debugging."""
    note = b"x-debug: %b\r\n" % base64.b64encode(request.body)
    return _answer(b"400 Bad Request", note, b"{}")


def _answer(status: bytes, header: bytes, body: bytes) -> bytes:
    fixed = b"x-localfleet-request-id: front\r\nconnection: close\r\n"
    return b"HTTP/1.1 %b\r\n%b%bcontent-length: %d\r\n\r\n%b" % (status, fixed, header, len(body), body)


SPILLS: Mapping[str, tuple[Spill, str]] = {
    "a copy to a hosted tap": (to_a_tap, "LEAK: "),
    "a line in the log": (into_the_log, "is in output.log"),
    "a row in the database": (into_the_database, "is in state/ledger.db"),
    "a packed file": (into_a_packed_file, "is in tmp/trace.gz (['unpacked "),
    "a name of a file": (into_a_file_name, "is in names of files"),
    "an error that echoes": (into_an_error_body, "is in an answer with status 400"),
    "a header that echoes": (into_a_header, "is in a response header"),
}
"""Name -> how it spills, and what the checker must say."""


@contextlib.contextmanager
def open_front(places: Places, spill: Spill, when: When) -> Iterator[int]:
    """A front on a free port of loopback, which is the value, as long as the block lasts."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # Callers that leave early are a part of the game.
            with contextlib.suppress(OSError):
                _serve(self.request, places, spill, when)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _serve(caller: socket.socket, places: Places, spill: Spill, when: When) -> None:
    caller.settimeout(PATIENCE_S)
    request = _read(caller)
    instead = spill(places, request) if when(request) else None
    if instead is not None:
        caller.sendall(instead)
        return
    with socket.create_connection(("127.0.0.1", places.router), timeout=PATIENCE_S) as router:
        router.sendall(request.head.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1) + request.body)
        while data := router.recv(65536):
            caller.sendall(data)


def _read(caller: socket.socket) -> Request:
    data = b""
    while not (end := data.find(b"\r\n\r\n") + 4) > 3 or not _is_whole(data[:end], data[end:]):
        more = caller.recv(65536)
        if not more:
            raise ConnectionError
        data += more
    return Request(head=data[:end], body=data[end:])


def _is_whole(head: bytes, body: bytes) -> bool:
    length = LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
