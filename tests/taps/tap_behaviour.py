"""
What a tap was asked (`Heard`), how it should behave (`Behaviour`), and what it answers (`Answer`): values only.

A behaviour travels over the control channel as one JSON object of its fields. The faults are listed in `Fault`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Answer", "Behaviour", "Fault", "Heard", "Tokens", "pieces", "sse"]


class Fault(StrEnum):
    """Everything a tap can do wrong with one request; `NONE` answers as a good provider would."""

    NONE = "none"
    STATUS = "status"
    """The status in `status`, with an error body that echoes the request unless `echo` is false."""
    REDIRECT = "redirect"
    """`status` (302 if it is not a 3xx) with `location`."""
    ACCEPT_CLOSE = "accept_close"
    """End of stream at once after accept; bytes that still arrive are recorded."""
    CLOSE = "close"
    """Read the request, then close without a byte."""
    RESET = "reset"
    """Read the request, then reset the connection."""
    HANG = "hang"
    """Read the request and say nothing."""
    HEADERS_HANG = "headers_hang"
    """Status and headers, then nothing."""
    HALF_HEADERS = "half_headers"
    """Half a header block, then `end`."""
    HALF_BODY = "half_body"
    """Half the body's bytes, then `end`; a stream breaks in the middle of an event."""
    DIE = "die"
    """`after` events of a stream, then `end`. A plain answer: the headers and then `end`."""
    ERROR_EVENT = "error_event"
    """A stream whose event number `after` is an error that echoes the request; 0 is the first. Then `end`."""
    GARBAGE = "garbage"
    """Status 200 and bytes that are no JSON, or no SSE."""
    INVALID_UTF8 = "invalid_utf8"
    """The right shape with bytes that are no UTF-8 in its text."""
    TRUNCATED_JSON = "truncated_json"
    """JSON cut in the middle with a matching content-length; in a stream the event number `after` is cut so."""
    WRONG_TYPE = "wrong_type"
    """The right answer as `text/plain`."""
    HTML = "html"
    """Status 200 and a web page."""
    DRIP = "drip"
    """A few bytes at a time, with `chunk_delay_s` in between (0.01 if it is 0)."""
    BAD_CHUNK = "bad_chunk"
    """Chunked framing whose second chunk has no valid size."""
    SHORT_LENGTH = "short_length"
    """A content-length larger than the body, then `end`."""
    NOT_HTTP = "not_http"
    """Bytes that are no HTTP answer at all."""
    STALE = "stale"
    """A good answer that promises keep-alive, and then the connection closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The counts a tap reports. `output` is `None` for "as many as pieces were sent"."""

    input: int = 11
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How to answer one request. Times are seconds; `end` is `close`, `reset` or `hang`."""

    fault: Fault = Fault.NONE
    status: int = 500
    echo: bool = True
    retry_after: str | None = None
    location: str = ""
    after: int = 2
    end: str = "close"
    text: str | None = None
    """The answer's text; `None` takes the tap's own."""
    tokens: Tokens = field(default_factory=Tokens)
    usage: str = "asked"
    """`asked`: as the API says. `none`: never. `always`: a chunk nobody asked for. `last_chunk`: with the finish."""
    done: bool = True
    """Whether a chat stream ends with `[DONE]`, and a Messages or Responses stream with its last event."""
    delay_s: float = 0
    chunk_delay_s: float = 0
    connection_close: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Behaviour":
        """From plain JSON; unknown fields and faults are errors."""
        known = {**data}
        if "fault" in known:
            known["fault"] = Fault(known["fault"])
        if "tokens" in known:
            known["tokens"] = Tokens(**known["tokens"])
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request as the tap understood it. `data` is the body's JSON object, `{}` if it is none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    data: Mapping[str, Any]
    number: int

    @property
    def endpoint(self) -> str:
        """The last part of the path, without the query: `completions`, `messages`, `models`."""
        return self.path.partition("?")[0].rstrip("/").rpartition("/")[2]

    @property
    def chat(self) -> bool:
        """Whether this is a chat completion, not a plain one."""
        return self.path.partition("?")[0].rstrip("/").endswith("/chat/completions")

    @property
    def anthropic(self) -> bool:
        """Whether the answer, errors included, must be in Anthropic's format."""
        return "anthropic-version" in self.headers or "/messages" in self.path

    @property
    def stream(self) -> bool:
        """Whether the caller wants server-sent events."""
        return self.data.get("stream") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer: one JSON body, or the SSE events of a stream, one `bytes` each."""

    body: bytes = b""
    events: tuple[bytes, ...] = ()
    status: int = 200

    @property
    def payload(self) -> bytes:
        """All bytes of the body."""
        return self.body or b"".join(self.events)


def sse(data: Any, event: str | None = None) -> bytes:
    """One server-sent event; `data` is a JSON value, or a `str` that goes out as it is."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode("utf-8", "surrogatepass")


def pieces(text: str) -> list[str]:
    """Cut a text into words with their leading spaces: the deltas of a stream."""
    cut: list[str] = []
    for number, word in enumerate(text.split(" ")):
        cut.append(word if number == 0 else f" {word}")
    return [piece for piece in cut if piece]
