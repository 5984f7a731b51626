"""A search endpoint of our own on a real socket, in SearXNG's shape: says what it is told, keeps what it was asked."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

__all__ = ["SearchServer"]


class SearchServer:
    """Takes connections until it is left. `results` are found for every query; `status` goes before them."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        """Bind a free port."""
        self.results, self.status = results, 200
        self.queries: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                server.queries += fields["q"]
                body = json.dumps({"query": fields["q"][0], "results": server.results}).encode()
                self.send_response(server.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                with suppress(ConnectionError):  # who asked may have left
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it searches."""
        return f"http://127.0.0.1:{self._server.server_port}/search"

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
