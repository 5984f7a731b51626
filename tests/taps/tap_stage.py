"""
From a good answer and a behaviour to what really happens on the connection: bytes, pauses, and how it ends.

A step is `bytes` to send, a `float` of seconds to wait, or an `Ending`. No sockets here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from http import HTTPStatus

import tap_anthropic
import tap_openai
import tap_responses
from tap_behaviour import Answer, Behaviour, Fault, Heard, sse

__all__ = ["Ending", "Step", "answer_to", "perform"]

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
HTML = b"<!DOCTYPE html><html><body><h1>Welcome to the captive portal</h1></body></html>"
GARBAGE = b"\x00\x01\x02{{{]]]<<>>\r\n\r\n\x7f not json at all \x1b"
NO_HTTP = b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"


class Ending(Enum):
    """How a connection goes on after an answer."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


Step = bytes | float | Ending


WORDLESS: Mapping[str, Callable[[Heard, Behaviour], Answer]] = {
    "embeddings": tap_openai.embeddings,
    "rerank": tap_openai.rerank,
}


def answer_to(heard: Heard, behaviour: Behaviour, text: str, models: tuple[str, ...]) -> Answer:
    """The good answer to a request; a path that no API has gets that API's 404."""
    if heard.endpoint == "models" and heard.method == "GET":
        return tap_openai.models(heard, models)
    if heard.endpoint == "count_tokens":
        return tap_anthropic.count_tokens(behaviour)
    if heard.endpoint in WORDLESS:
        return WORDLESS[heard.endpoint](heard, behaviour)
    formats: Mapping[str, Callable[[Heard, Behaviour, str], Answer]] = {
        "completions": tap_openai.chat if heard.chat else tap_openai.completion,
        "messages": tap_anthropic.messages,
        "responses": tap_responses.responses,
    }
    if heard.endpoint not in formats:
        return Answer(body=_error(heard, 404, "no such path"), status=404)
    try:
        return formats[heard.endpoint](heard, behaviour, text)
    except (AttributeError, KeyError, TypeError, ValueError):
        # A field of a shape that no provider takes.
        return Answer(body=_error(heard, 400, "this request has a field of a wrong type"), status=400)


def perform(heard: Heard, behaviour: Behaviour, answer: Answer) -> Iterator[Step]:
    """Every step of one answer, the last one an `Ending`."""
    if behaviour.delay_s:
        yield behaviour.delay_s
    silent = {Fault.CLOSE: Ending.CLOSE, Fault.RESET: Ending.RESET, Fault.HANG: Ending.HANG}
    if behaviour.fault in silent:
        yield silent[behaviour.fault]
    elif behaviour.fault is Fault.STATUS:
        yield from _refusal(heard, behaviour)
    elif behaviour.fault is Fault.REDIRECT:
        status = behaviour.status if 300 <= behaviour.status < 400 else 302
        yield _head(heard, behaviour, status, "text/plain", "content-length: 0", f"location: {behaviour.location}")
        yield _after(behaviour)
    elif behaviour.fault is Fault.NOT_HTTP:
        yield NO_HTTP
        yield Ending.CLOSE
    elif answer.events:
        yield from _stream(heard, behaviour, answer)
    else:
        yield from _plain(heard, behaviour, answer)


def _refusal(heard: Heard, behaviour: Behaviour) -> Iterator[Step]:
    said = _echo(heard) if behaviour.echo else "the tap was told to refuse"
    body = _error(heard, behaviour.status, said)
    more = [f"retry-after: {behaviour.retry_after}"] if behaviour.retry_after is not None else []
    yield _head(heard, behaviour, behaviour.status, JSON, f"content-length: {len(body)}", *more) + body
    yield _after(behaviour)


def _echo(heard: Heard) -> str:
    """What careless providers do: quote the request, headers and all, in the error."""
    headers = "; ".join(f"{name}: {value}" for name, value in heard.headers.items())
    return f"Invalid request {heard.path} [{headers}]: {heard.body.decode('utf-8', 'replace')}"


def _error(heard: Heard, status: int, message: str) -> bytes:
    return tap_anthropic.error(status, message) if heard.anthropic else tap_openai.error(status, message)


def _after(behaviour: Behaviour) -> Ending:
    return Ending.CLOSE if behaviour.connection_close or behaviour.fault is Fault.STALE else Ending.KEEP


def _end(behaviour: Behaviour) -> Ending:
    return Ending(behaviour.end)


def _head(heard: Heard, behaviour: Behaviour, status: int, media_type: str, *lines: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    own = [f"{name}: {value}" for name, value in behaviour.headers.items()]
    close = ["connection: close"] if behaviour.connection_close else []
    fixed = [f"HTTP/1.1 {status} {phrase}", "server: tap", f"content-type: {media_type}"]
    return "\r\n".join([*fixed, f"x-request-id: req_tap{heard.number}", *lines, *own, *close, "", ""]).encode("latin-1")


def _media_type(behaviour: Behaviour, good: str) -> str:
    kinds = {Fault.WRONG_TYPE: "text/plain", Fault.HTML: "text/html; charset=utf-8"}
    return kinds.get(behaviour.fault, good)


def _plain(heard: Heard, behaviour: Behaviour, answer: Answer) -> Iterator[Step]:
    body = _spoiled(behaviour, answer.body)
    length = len(body) + (64 if behaviour.fault is Fault.SHORT_LENGTH else 0)
    framing = "transfer-encoding: chunked" if behaviour.fault is Fault.BAD_CHUNK else f"content-length: {length}"
    head = _head(heard, behaviour, answer.status, _media_type(behaviour, JSON), framing)
    if behaviour.fault in BROKEN:
        yield from _broken(behaviour, head, body)
    elif behaviour.fault is Fault.DRIP:
        yield head
        yield from _drip(behaviour, body)
        yield _after(behaviour)
    else:
        yield head + body
        yield _end(behaviour) if behaviour.fault is Fault.SHORT_LENGTH else _after(behaviour)


BROKEN = frozenset({Fault.HEADERS_HANG, Fault.HALF_HEADERS, Fault.HALF_BODY, Fault.DIE, Fault.BAD_CHUNK})


def _broken(behaviour: Behaviour, head: bytes, body: bytes) -> Iterator[Step]:
    """Answers that never arrive whole; `body` is framed already if it is a stream."""
    half = len(body) // 2
    parts = {
        Fault.HEADERS_HANG: (head, Ending.HANG),
        Fault.HALF_HEADERS: (head[: len(head) // 2], _end(behaviour)),
        Fault.HALF_BODY: (head + body[:half], _end(behaviour)),
        Fault.DIE: (head, _end(behaviour)),
        Fault.BAD_CHUNK: (head + _framed(body[:half]) + b"zz\r\n" + body[half:] + b"\r\n", Ending.CLOSE),
    }
    yield from parts[behaviour.fault]


def _spoiled(behaviour: Behaviour, body: bytes) -> bytes:
    """A whole body of the wrong bytes."""
    spoiled = {
        Fault.GARBAGE: GARBAGE,
        Fault.HTML: HTML,
        Fault.TRUNCATED_JSON: body[: len(body) // 2],
        Fault.INVALID_UTF8: body.replace(b'": "', b'": "\xff\xfe\xc3\x28', 2),
    }
    return spoiled.get(behaviour.fault, body)


def _drip(behaviour: Behaviour, data: bytes) -> Iterator[Step]:
    for start in range(0, len(data), 5):
        yield data[start : start + 5]
        yield behaviour.chunk_delay_s or 0.01


def _stream(heard: Heard, behaviour: Behaviour, answer: Answer) -> Iterator[Step]:
    head = _head(heard, behaviour, 200, _media_type(behaviour, EVENTS), "transfer-encoding: chunked")
    if behaviour.fault in BROKEN - {Fault.DIE, Fault.BAD_CHUNK}:
        yield from _broken(behaviour, head, b"".join(_framed(event) for event in answer.events))
        return
    yield head
    for event in _events(heard, behaviour, answer.events):
        yield from _drip(behaviour, _framed(event)) if behaviour.fault is Fault.DRIP else (_framed(event),)
        if behaviour.chunk_delay_s and behaviour.fault is not Fault.DRIP:
            yield behaviour.chunk_delay_s
    yield from _stream_end(behaviour)


def _events(heard: Heard, behaviour: Behaviour, events: tuple[bytes, ...]) -> Iterator[bytes]:
    """The events as this behaviour sends them."""
    whole = {Fault.GARBAGE: (GARBAGE,), Fault.HTML: (HTML,)}
    if behaviour.fault in whole:
        yield from whole[behaviour.fault]
        return
    yield from events[: behaviour.after] if behaviour.fault in CUT else _invalid(behaviour, events)
    if behaviour.fault is Fault.ERROR_EVENT:
        yield _error_event(heard, behaviour)
    if behaviour.fault is Fault.TRUNCATED_JSON:
        cut = events[min(behaviour.after, len(events) - 1)]
        yield cut[: len(cut) // 2] + b"\n\n"
        yield from events[behaviour.after + 1 :]


CUT = frozenset({Fault.DIE, Fault.ERROR_EVENT, Fault.TRUNCATED_JSON, Fault.BAD_CHUNK, Fault.SHORT_LENGTH})


def _invalid(behaviour: Behaviour, events: tuple[bytes, ...]) -> Iterator[bytes]:
    for event in events:
        yield event.replace(b'":"', b'":"\xff\xfe\xc3\x28') if behaviour.fault is Fault.INVALID_UTF8 else event


def _error_event(heard: Heard, behaviour: Behaviour) -> bytes:
    said = _echo(heard) if behaviour.echo else "the tap was told to fail"
    if heard.anthropic:
        return sse(tap_anthropic.error_fields(529, said), event="error")
    if heard.endpoint == "responses":
        fields = {"type": "error", "code": "server_error", "message": said, "param": None}
        return sse({**fields, "sequence_number": behaviour.after}, event="error")
    return sse(json.loads(tap_openai.error(500, said)))


def _stream_end(behaviour: Behaviour) -> Iterator[Step]:
    if behaviour.fault in {Fault.DIE, Fault.SHORT_LENGTH}:
        yield _end(behaviour)
    elif behaviour.fault is Fault.BAD_CHUNK:
        yield b"zz\r\nnot a chunk\r\n"
        yield Ending.CLOSE
    else:
        yield b"0\r\n\r\n"
        yield _end(behaviour) if behaviour.fault is Fault.ERROR_EVENT else _after(behaviour)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
