"""A real server on loopback that answers every request with the same bytes, for the real clients to read."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

Replay = Callable[[bytes], str]
"""Give it the bytes of a stream, get the base URL that answers with them."""


class _Handler(BaseHTTPRequestHandler):
    stream = b""

    def do_POST(self) -> None:
        """Read the request, send the stream."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(self.stream)))
        self.end_headers()
        self.wfile.write(self.stream)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Stay quiet."""


@pytest.fixture
def replay() -> Iterator[Replay]:
    """Servers for the bytes given, stopped at the end of the test."""
    running: list[tuple[HTTPServer, threading.Thread]] = []

    def start(stream: bytes) -> str:
        handler = type("Handler", (_Handler,), {"stream": stream})
        server = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
