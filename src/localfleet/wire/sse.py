"""
Server-sent events out of a byte stream, however it was cut. No sockets, no waiting: feed bytes, get events.

Follows the HTML standard's event-stream format: LF, CRLF or CR, several `data:` lines, comments, a BOM. Each event
keeps its exact bytes, terminator included, so that passing `raw` on is passing the stream on byte for byte.
"""

import re
from typing import NamedTuple

__all__ = ["Event", "SseGarbled", "SseSplitter"]

EVENT_BYTES = 8 * 2**20
"""No event is larger; an upstream that sends more without a blank line is not sending events."""
BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")
"""A CR at the very end waits for the next byte, which may be its LF."""
BOM = b"\xef\xbb\xbf"


class SseGarbled(Exception):
    """The stream is not one of server-sent events."""


class Event(NamedTuple):
    """One event. `data` is empty for a comment (a keep-alive) or blank lines; `event` is its name, if it has one."""

    raw: bytes
    data: bytes
    event: str | None


class SseSplitter:
    """Holds the unfinished event of one stream; work is linear in the bytes fed."""

    __slots__ = ("_held", "_limit", "_size", "_tail")

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        """`limit` is the largest event in bytes."""
        self._held: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are complete now; raise `SseGarbled` when one outgrows the limit."""
        if self._held:
            probe = self._tail + data
            if _blank_line(probe, 0, plain=b"\r" not in probe) < 0:
                self._hold(data)
                return []
            data = b"".join((*self._held, data))
            self._held.clear()
            self._size = 0
        events: list[Event] = []
        start = 0
        plain = b"\r" not in data
        while (end := _blank_line(data, start, plain=plain)) >= 0:
            raw = data[start:end]
            if plain and raw.startswith(b"data: ") and raw.find(b"\n") == end - start - 2:
                events.append(Event(raw, raw[6:-2], None))  # nearly all events are one line of data
            else:
                events.append(read_event(raw))
            start = end
        if start < len(data):
            self._hold(data[start:])
        return events

    def finish(self) -> list[Event]:
        """Return what is left at the end of the stream: an event without its blank line, if any."""
        held = b"".join(self._held)
        self._held.clear()
        return [read_event(held)] if held else []

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        # The first bytes of the next blank line may be the last ones here.
        self._tail = (self._tail + data)[-3:] if len(self._held) > 1 else data[-3:]
        if self._size > self._limit:
            raise SseGarbled


def _blank_line(text: bytes, start: int, *, plain: bool) -> int:
    """Where the first blank line from `start` on ends, -1 if there is none; `plain` text has no CR."""
    if not plain:
        found = BLANK_LINE.search(text, start)
        return found.end() if found else -1
    at = text.find(b"\n\n", start)
    return at if at < 0 else at + 2


def read_event(raw: bytes) -> Event:
    """Read the fields of one event; unknown ones are ignored, as the standard says."""
    name: str | None = None
    lines: list[bytes] = []
    for line in raw.removeprefix(BOM).splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(raw, b"\n".join(lines), name)
