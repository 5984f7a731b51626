"""
The recording of a tap: a file of the raw bytes as they arrived, an index beside it, and how to read requests from both.

The raw file holds nothing but received bytes. Each index line is a JSON object: `event` (`open`, `data`, `close`,
`answered`, `cut`), `conn`, `at` (Unix seconds), and for data `offset` and `length` in the raw file.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ParsedRequest", "Recorder", "read_events", "read_requests"]

RAW = "raw.bin"
INDEX = "index.jsonl"


class Recorder:
    """Appends what arrives, unbuffered: a byte that was received can be read from the file at once."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists; files of an earlier tap in it are emptied."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC
        self._raw = os.open(folder / RAW, flags, 0o600)
        self._index = os.open(folder / INDEX, flags, 0o600)
        self._offset = 0

    def data(self, conn: int, data: bytes) -> None:
        """Bytes arrived on a connection."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._raw, view) :]
        line = f'{{"event":"data","conn":{conn},"at":{time.time()},"offset":{self._offset},"length":{len(data)}}}\n'
        os.write(self._index, line.encode())
        self._offset += len(data)

    def note(self, conn: int, event: str) -> None:
        """Something else happened on a connection: one of the fixed words of the index."""
        os.write(self._index, f'{{"event":"{event}","conn":{conn},"at":{time.time()}}}\n'.encode())

    def clear(self) -> None:
        """Forget everything recorded."""
        os.ftruncate(self._raw, 0)
        os.ftruncate(self._index, 0)
        self._offset = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """
    One recorded request. `headers` have lower-case names, repeated ones joined by a comma; `raw` is every byte of it.

    `complete` is false where the connection ended, or the recording was read, before the last byte of the body. `at`
    is when its first byte arrived (Unix seconds).
    """

    connection: int
    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    complete: bool

    @property
    def json(self) -> Any:
        """The body's JSON value; raises `ValueError` if it is none."""
        return json.loads(self.body)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Every index line so far, in order."""
    lines = (folder / INDEX).read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def read_requests(folder: Path) -> list[ParsedRequest]:
    """Every request so far, in the order in which their first bytes arrived."""
    events = [event for event in read_events(folder) if event["event"] == "data"]
    raw = (folder / RAW).read_bytes()
    found: list[ParsedRequest] = []
    for conn in {event["conn"] for event in events}:
        mine = [event for event in events if event["conn"] == conn]
        data = b"".join(raw[event["offset"] : event["offset"] + event["length"]] for event in mine)
        found.extend(_requests(conn, data, mine))
    return sorted(found, key=lambda request: request.at)


def _requests(conn: int, data: bytes, events: list[dict[str, Any]]) -> Iterator[ParsedRequest]:
    start = 0
    while start < len(data):
        head_end = data.find(b"\r\n\r\n", start)
        head_end = len(data) if head_end < 0 else head_end + 4
        method, path, headers = parse_head(data[start:head_end])
        body, end = _body(data, head_end, headers)
        yield ParsedRequest(
            connection=conn,
            at=_time_of(start, events),
            method=method,
            path=path,
            headers=headers,
            body=body,
            raw=data[start : len(data) if end is None else end],
            complete=end is not None,
        )
        start = len(data) if end is None else end


def parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and lower-cased headers of a header block."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return method, rest.rpartition(" ")[0] or rest, headers


def _body(data: bytes, start: int, headers: Mapping[str, str]) -> tuple[bytes, int | None]:
    """The body and where it ends; `None` if it is not all there. Sizes that are no numbers read as not all there."""
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return _chunks(data, start)
        length = int(headers.get("content-length", "0"))
    except ValueError:
        return data[start:], None
    whole = len(data) - start >= length
    return data[start : start + length], start + length if whole else None


def _chunks(data: bytes, start: int) -> tuple[bytes, int | None]:
    body = b""
    while True:
        line_end = data.find(b"\r\n", start)
        if line_end < 0:
            return body, None
        size = int(data[start:line_end].partition(b";")[0], 16)
        if size == 0:
            return body, _after_trailers(data, line_end)
        body += data[line_end + 2 : line_end + 2 + size]
        start = line_end + 2 + size + 2


def _after_trailers(data: bytes, last_line_end: int) -> int | None:
    end = data.find(b"\r\n\r\n", last_line_end)
    return None if end < 0 else end + 4


def _time_of(position: int, events: list[dict[str, Any]]) -> float:
    seen = 0
    for event in events:
        seen += event["length"]
        if position < seen:
            return float(event["at"])
    return float(events[-1]["at"])
