"""
A hosted door of its own process: passes what it gets on to a local server, and counts it.

    python relay_tap.py UPSTREAM_BASE_URL

Prints its port, then serves until its stdin closes. `GET /heard` gives the number of requests and the bytes received.
"""

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["main"]


class Relay(BaseHTTPRequestHandler):
    """Passes POSTs on."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the head to be acknowledged
    upstream = ""
    heard: list[int] = []  # noqa: RUF012  # one per process, on purpose

    def do_POST(self) -> None:
        """Pass one request on, and its answer back."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(len(body))
        to = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=120)
        path = to.path + self.path.removeprefix("/v1")
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        self._send(answer.status, answer.read())
        connection.close()

    def do_GET(self) -> None:
        """What was heard so far."""
        self._send(200, json.dumps({"requests": len(self.heard), "bytes": sum(self.heard)}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing."""

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until stdin closes."""
    Relay.upstream = sys.argv[1]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
