"""An engine that answers anything at all: whatever goes wrong in front of it is the router's own fault."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tap_behaviour import Behaviour, Heard
from tap_stage import answer_to

__all__ = ["PatientEngine"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The model list."""
        self._answer({})

    def do_POST(self) -> None:
        """The good answer of this path, streamed if that was asked for."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer({"stream": body.get("stream") is True, "model": "m"})

    def _answer(self, data: dict[str, object]) -> None:
        heard = Heard(method=self.command, path=self.path, headers={}, body=b"", data=data, number=1)
        payload = answer_to(heard, Behaviour(), "Hello.", ("m",)).payload
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if heard.stream else "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Stay quiet."""


class PatientEngine:
    """A server on loopback that speaks every API."""

    def __init__(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """The base URL without `/v1`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
