"""Each fault of the tap really happens on the wire, seen by a client that hides nothing: a socket."""

import json
import socket
import threading
import time

import openai
import pytest
from process import Tap
from tap_behaviour import Behaviour, Fault

WORDS = "the-prompt-of-this-request"


def request(path: str = "/v1/chat/completions", *, stream: bool = False, keep: bool = False) -> bytes:
    """The bytes of a small request whose prompt is `WORDS`."""
    body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": WORDS}]}).encode()
    head = b"POST %b HTTP/1.1\r\nConnection: %b\r\n" % (path.encode(), b"keep-alive" if keep else b"close")
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def answer(tap: Tap, sent: bytes, *, timeout_s: float = 5) -> tuple[bytes, str]:
    """What comes back within the time, and how it ended: `close`, `reset` or `open`."""
    got = b""
    with socket.create_connection(("127.0.0.1", tap.port), timeout=timeout_s) as sock:
        sock.sendall(sent)
        try:
            while data := sock.recv(65536):
                got += data
        except TimeoutError:
            return got, "open"
        except ConnectionResetError:
            return got, "reset"
    return got, "close"


def spoil(
    tap: Tap, behaviour: Behaviour, *, stream: bool = False, path: str = "/v1/chat/completions"
) -> tuple[bytes, str]:
    """The answer under one behaviour."""
    tap.script(behaviour)
    hangs = behaviour.fault in {Fault.HANG, Fault.HEADERS_HANG} or behaviour.end == "hang"
    return answer(tap, request(path, stream=stream), timeout_s=0.15 if hangs else 5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_error_statuses_echo_the_request(openai_tap: Tap, status: int, path: str) -> None:
    """An error quotes the prompt, in the envelope of the API that was called, with Retry-After where it was set."""
    openai_tap.script(Behaviour(fault=Fault.STATUS, status=status, retry_after="7"))
    got, _ = answer(openai_tap, request(path))
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"retry-after: 7" in head
    assert WORDS in json.loads(body)["error"]["message"]


def test_real_clients_raise_the_error_of_the_status(openai_tap: Tap) -> None:
    """OpenAI's client understands the error body."""
    openai_tap.always(Behaviour(fault=Fault.STATUS, status=429))
    with (
        openai.OpenAI(base_url=openai_tap.v1, api_key="k", max_retries=0) as client,
        pytest.raises(openai.RateLimitError, match=WORDS),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": WORDS}])


def test_redirect(openai_tap: Tap) -> None:
    """A redirect names the place it was given."""
    place = "http://127.0.0.1:9/elsewhere"
    got, _ = spoil(openai_tap, Behaviour(fault=Fault.REDIRECT, status=307, location=place))
    assert got.startswith(b"HTTP/1.1 307 ")
    assert f"location: {place}".encode() in got


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        (Fault.ACCEPT_CLOSE, "close"),
        (Fault.CLOSE, "close"),
        (Fault.RESET, "reset"),
        (Fault.HANG, "open"),
    ],
)
def test_silence(openai_tap: Tap, fault: Fault, ended: str) -> None:
    """No byte comes back, the connection ends as it should, and the request is on record."""
    assert spoil(openai_tap, Behaviour(fault=fault)) == (b"", ended)
    assert openai_tap.wait_for("close")
    assert openai_tap.received() == request()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("end", ["close", "reset", "hang"])
@pytest.mark.parametrize("fault", [Fault.HALF_HEADERS, Fault.HALF_BODY, Fault.DIE])
def test_half_answers(openai_tap: Tap, fault: Fault, end: str, stream: bool) -> None:
    """An answer stops in its headers, its body or between two events, and the connection ends in each of three ways."""
    whole, _ = answer(openai_tap, request(stream=stream))
    got, ended = spoil(openai_tap, Behaviour(fault=fault, end=end, after=2), stream=stream)
    assert 0 < len(got) < len(whole)
    assert (b"\r\n\r\n" in got) is (fault is not Fault.HALF_HEADERS)
    assert ended == {"hang": "open"}.get(end, end)
    if stream and fault is Fault.DIE:
        assert got.count(b"data: ") == 2


def test_headers_then_hang(openai_tap: Tap) -> None:
    """The status comes, the body never does."""
    got, ended = spoil(openai_tap, Behaviour(fault=Fault.HEADERS_HANG), stream=True)
    assert got.endswith(b"\r\n\r\n")
    assert ended == "open"


@pytest.mark.parametrize(
    ("path", "marker"),
    [("/v1/chat/completions", b'"error"'), ("/v1/messages", b"event: error"), ("/v1/responses", b"event: error")],
)
@pytest.mark.parametrize("after", [0, 2])
def test_error_events_echo_the_request(openai_tap: Tap, path: str, marker: bytes, after: int) -> None:
    """A stream fails first or in its middle with an event that quotes the prompt."""
    got, _ = spoil(openai_tap, Behaviour(fault=Fault.ERROR_EVENT, after=after), stream=True, path=path)
    before, _, _ = got.partition(marker)
    assert before.count(b"data: ") == after + (1 if path == "/v1/chat/completions" else 0)
    assert WORDS.encode() in got


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "marker"),
    [
        (Fault.GARBAGE, b"not json at all"),
        (Fault.INVALID_UTF8, b"\xff\xfe"),
        (Fault.WRONG_TYPE, b"content-type: text/plain"),
        (Fault.HTML, b"captive portal"),
        (Fault.BAD_CHUNK, b"zz\r\n"),
        (Fault.NOT_HTTP, b"SSH-2.0"),
    ],
)
def test_wrong_bytes(openai_tap: Tap, fault: Fault, marker: bytes, stream: bool) -> None:
    """The bytes are wrong in the way the fault says."""
    got, _ = spoil(openai_tap, Behaviour(fault=fault), stream=stream)
    assert marker in got


def test_truncated_json(openai_tap: Tap) -> None:
    """The length fits, the JSON does not end; in a stream one event does not."""
    plain, _ = spoil(openai_tap, Behaviour(fault=Fault.TRUNCATED_JSON))
    head, _, body = plain.partition(b"\r\n\r\n")
    assert head.endswith(b"content-length: %d" % len(body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    streamed, _ = spoil(openai_tap, Behaviour(fault=Fault.TRUNCATED_JSON, after=1), stream=True)
    events = streamed.split(b"data: ")[1:-1]
    broken = [not event.partition(b"\n\n")[0].rstrip().endswith(b"}") for event in events]
    assert broken == [False, True, *[False] * (len(events) - 2)]


def test_short_length_and_stale(openai_tap: Tap) -> None:
    """A length that lies, and a keep-alive promise that is broken."""
    got, ended = spoil(openai_tap, Behaviour(fault=Fault.SHORT_LENGTH))
    assert ended == "close"
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-length: %d" % (len(body) + 64) in head
    openai_tap.script(Behaviour(fault=Fault.STALE), Behaviour(connection_close=True))
    got, ended = answer(openai_tap, request(keep=True))
    assert (b"connection: close" in got, ended) == (False, "close")
    got, ended = answer(openai_tap, request(keep=True))
    assert (b"connection: close" in got, ended) == (True, "close")


def test_slow_answers(openai_tap: Tap) -> None:
    """A delay before the headers, and a drip of five bytes at a time."""
    openai_tap.script(Behaviour(delay_s=0.1))
    before = time.monotonic()
    answer(openai_tap, request())
    assert time.monotonic() - before >= 0.1
    openai_tap.script(Behaviour(fault=Fault.DRIP, chunk_delay_s=0.002))
    before = time.monotonic()
    got, _ = answer(openai_tap, request())
    assert json.loads(got.partition(b"\r\n\r\n")[2])["object"] == "chat.completion"
    assert time.monotonic() - before >= 0.1


@pytest.mark.parametrize(
    ("usage", "where"), [("none", []), ("always", ["empty"]), ("last_chunk", ["full"]), ("asked", [])]
)
def test_usage_in_a_stream(openai_tap: Tap, usage: str, where: list[str]) -> None:
    """Usage comes on a chunk of its own, on the last one with a choice, or not at all; `[DONE]` may be missing."""
    got, _ = spoil(openai_tap, Behaviour(usage=usage, done=False), stream=True)
    chunks = [json.loads(part.partition(b"\n\n")[0]) for part in got.split(b"data: ")[1:]]
    assert ["full" if chunk["choices"] else "empty" for chunk in chunks if chunk.get("usage")] == where
    assert b"[DONE]" not in got


def test_refuse_and_listen(openai_tap: Tap) -> None:
    """A tap that refuses cuts what is open and keeps its port; then it takes connections there again."""
    openai_tap.always(Behaviour(fault=Fault.HANG))
    ended: list[str] = []
    waiting = threading.Thread(target=lambda: ended.append(answer(openai_tap, request(), timeout_s=5)[1]))
    waiting.start()
    assert openai_tap.wait_for("data")
    openai_tap.refuse()
    waiting.join()
    assert ended in (["close"], ["reset"])
    with pytest.raises(ConnectionRefusedError):
        answer(openai_tap, request())
    openai_tap.always(Behaviour())
    openai_tap.listen()
    assert answer(openai_tap, request())[0].startswith(b"HTTP/1.1 200 ")


def test_a_caller_that_leaves_is_noticed(openai_tap: Tap) -> None:
    """The index says `cut` when the other side went away before the answer's end."""
    openai_tap.script(Behaviour(chunk_delay_s=0.05))
    answer(openai_tap, request(stream=True), timeout_s=0.02)
    assert openai_tap.wait_for("cut")


def test_gets_do_not_take_from_the_script(openai_tap: Tap) -> None:
    """A health check never eats the fault that was meant for a request."""
    openai_tap.script(Behaviour(fault=Fault.CLOSE))
    got, _ = answer(openai_tap, b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert openai_tap.counters()["scripted"] == 1


def test_unknown_faults_are_refused(openai_tap: Tap) -> None:
    """A misspelt behaviour is an error, not a silent good answer."""
    with pytest.raises(ValueError, match="no-such-fault"):
        Behaviour.read({"fault": "no-such-fault"})
    with pytest.raises(TypeError, match="latency"):
        Behaviour.read({"latency": 1})
