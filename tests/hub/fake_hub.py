"""
A hub as huggingface_hub speaks to it: the listing of a model, and its files with ranges; with the faults of real ones.

Paths and headers are those of the hub's HTTP interface (huggingface_hub, `file_download.py` and `hf_api.py`).
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["COMMIT", "FakeHub", "fake_hub"]

COMMIT = "a" * 40
LARGE_BYTES = 4096
"""From here on a file is one of LFS, with a SHA-256."""


@dataclass
class FakeHub:
    """What it has, what goes wrong, and what was asked."""

    url: str
    repos: dict[str, dict[str, bytes]]
    broken_after: dict[str, int] = field(default_factory=dict)
    """File -> bytes after which the connection closes, once."""
    damaged: dict[str, int] = field(default_factory=dict)
    """File -> how often it comes with a wrong byte."""
    said_bytes: dict[str, int] = field(default_factory=dict)
    """File -> the size that the listing claims."""
    gated: str | None = None
    """The token without which nothing is shown."""
    status: int | None = None
    """What every answer is instead."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, range."""


def git_sha1(content: bytes) -> str:
    """How git names these bytes."""
    return hashlib.sha1(b"blob %d\x00" % len(content) + content).hexdigest()


def _listed(name: str, content: bytes) -> dict[str, object]:
    row: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
    if len(content) >= LARGE_BYTES:
        row["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return row


class Server(ThreadingHTTPServer):
    """The listening side, with the hub that its handlers speak for."""

    hub: FakeHub


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the head to be acknowledged

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.hub.asked.append((self.command, path, self.headers.get("range") or ""))
        listing = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = listing or file
        assert found is not None
        refused = self._refused(found[1], found[2] or "main")
        if refused is not None:
            self._end(refused[0], ("X-Error-Code", refused[1]))
        elif file:
            self._send(file[3], self.server.hub.repos[file[1]][file[3]])
        else:
            hub = self.server.hub
            rows = [_listed(name, content) for name, content in hub.repos[found[1]].items()]
            rows = [{**row, "size": hub.said_bytes.get(str(row["rfilename"]), row["size"])} for row in rows]
            body = json.dumps({"id": found[1], "sha": COMMIT, "siblings": rows}).encode()
            self._end(200, ("content-type", "application/json"), body=body)

    def _refused(self, repo: str, revision: str) -> tuple[int, str] | None:
        if self.server.hub.status is not None:
            return self.server.hub.status, "BadDay"
        if self.server.hub.gated is not None and self.headers.get("authorization") != f"Bearer {self.server.hub.gated}":
            return 403, "GatedRepo"
        if repo not in self.server.hub.repos:
            return 404, "RepoNotFound"
        return None if revision in {"main", COMMIT} else (404, "RevisionNotFound")

    def _send(self, name: str, content: bytes) -> None:
        large = len(content) >= LARGE_BYTES
        etag = hashlib.sha256(content).hexdigest() if large else git_sha1(content)
        start = int(re.sub(r"bytes=(\d+)-.*", r"\1", self.headers.get("range") or "0"))
        body = bytearray(content)
        if self.command == "GET" and self.server.hub.damaged.get(name, 0) > 0:
            self.server.hub.damaged[name] -= 1
            body[-1] ^= 1
        head = [("ETag", f'"{etag}"'), ("X-Repo-Commit", COMMIT), ("Accept-Ranges", "bytes")]
        if start:
            head.append(("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"))
        cut = self.server.hub.broken_after.pop(name, None) if self.command == "GET" else None
        self._end(206 if start else 200, *head, body=bytes(body[start:]), cut=cut)

    def _end(self, status: int, *head: tuple[str, str], body: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in (*head, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
            self.close_connection = cut is not None


@contextmanager
def fake_hub(repos: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    """Run one on a free port."""
    hub = FakeHub(url="", repos=repos)
    server = Server(("127.0.0.1", 0), Handler)
    server.hub = hub
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
