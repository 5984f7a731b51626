"""
A collector of OpenTelemetry's: takes OTLP over HTTP as JSON on a real socket, reads it strictly, and keeps every byte.

It refuses what a real one would: another path or media type, an unknown field, an id of the wrong length, a number that
is not a text. `answers` are statuses for the next deliveries; afterwards it takes all.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Collector", "Span", "collecting"]

PATH = "/v1/traces"
SPAN = {
    "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "stringValue": str,
    "boolValue": bool,
    "doubleValue": float,
    "intValue": str,
    "arrayValue": dict,
}


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span as a person looks at it."""

    trace: str
    id: str
    parent: str
    name: str
    seconds: float
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """Where it listens, and what came."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    delay_s: float = 0.0

    def all(self) -> bytes:
        """Every byte of every delivery, heads too."""
        return b"\n".join([*self.raw, *(repr(head).encode() for head in self.heads)])

    def wait_for(self, number: int, patience_s: float = 10.0) -> list[Span]:
        """The spans, once there are so many."""
        deadline = time.monotonic() + patience_s
        while len(self.spans) < number and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.spans) >= number, f"{len(self.spans)} spans came, not {number}"
        return self.spans


def read(raw: bytes) -> list[Span]:
    """The spans of one request; raises `AssertionError` for what OTLP does not have."""
    (resource,) = json.loads(raw)["resourceSpans"]
    assert {"key": "service.name", "value": {"stringValue": "localfleet"}} in resource["resource"]["attributes"]
    (scope,) = resource["scopeSpans"]
    return [_span(one) for one in scope["spans"]]


def _span(one: dict[str, Any]) -> Span:
    assert one.keys() <= SPAN, one.keys() - SPAN
    assert re.fullmatch("[0-9a-f]{32}", one["traceId"])
    assert re.fullmatch("[0-9a-f]{16}", one["spanId"])
    start, end = int(_text(one["startTimeUnixNano"])), int(_text(one["endTimeUnixNano"]))
    assert end >= start
    return Span(
        trace=one["traceId"], id=one["spanId"], parent=one.get("parentSpanId", ""), name=one["name"],
        seconds=(end - start) / 1e9, failed=one["status"].get("code") == 2,
        attributes={_text(pair["key"]): _value(pair["value"]) for pair in one["attributes"]},
    )  # fmt: skip


def _text(value: Any) -> str:
    assert isinstance(value, str)
    return value


def _value(value: dict[str, Any]) -> Any:
    (kind,) = value
    said = value[kind]
    assert isinstance(said, VALUES[kind]), value
    if kind == "arrayValue":
        return [_value(one) for one in said["values"]]
    return int(said) if kind == "intValue" else said


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(collector.delay_s)
            collector.raw.append(raw)
            collector.heads.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            status = collector.answers.pop(0) if collector.answers else 200
            right = self.path == PATH and self.headers["content-type"] == "application/json"
            if status == 200 and right:
                collector.spans += read(raw)
            self.send_response(status if right else 404)
            self.send_header("retry-after", "1")
            self.send_header("content-length", "2")
            with suppress(ConnectionError):  # the router may have ended
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}{PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
    thread.join(5)
