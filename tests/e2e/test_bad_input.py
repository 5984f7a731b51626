"""The running router against what no client should send: never a 5xx of its own, never an echo, always up afterwards."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bad_bodies import CANARY, GOOD, Bad, bad_requests
from patient_engine import PatientEngine
from process import Tap
from router import KEY_ENV, Router
from tap_fleet import ALL_APIS, ALL_NEEDS, PRICES, fleet

ROOM = {"context_tokens": 10_000_000}
BATCH = 100
MIB = 2**20
SECRET_MAIL = "anna.schmidt@corp-mail.de"
HELLO = b'{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}'


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router whose every engine takes anything, so that any failure is its own."""
    with PatientEngine() as engine:
        local = {"engine": "endpoint", "url": f"{engine.url}/v1", "can": ALL_NEEDS, "apis": ALL_APIS, **ROOM}
        hosted = {"accepts": "internal", "api_key_env": KEY_ENV, "can": ALL_NEEDS, "prices": PRICES, **ROOM}
        mini = {**hosted, "provider": "openai", "model": "m", "base_url": f"{engine.url}/v1", "tier": "low"}
        claude = {**hosted, "provider": "anthropic", "model": "m", "base_url": engine.url, "tier": "high"}
        settings = {"version": 1, "local": {"box": local}, "hosted": {"mini": mini, "claude": claude}}
        with Router.start(tmp_path_factory.mktemp("bad"), settings) as router:
            yield router


@pytest.fixture(scope="module")
def tapped(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router whose engines record what they are sent."""
    for tap in shared_taps:
        tap.reset()
    settings = fleet(local=shared_taps[0], openai=shared_taps[1], anthropic=shared_taps[2])
    with Router.start(tmp_path_factory.mktemp("tapped"), settings) as router:
        yield router


class Line:
    """A keep-alive connection that is opened again where the router closed it."""

    def __init__(self, router: Router) -> None:
        """Connect on first use."""
        self._connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)

    def send(self, bad: Bad) -> tuple[int, bytes]:
        """Status, and everything that was said; an idle connection that died is tried once more."""
        try:
            return self._once(bad)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._connection.close()
            return self._once(bad)

    def _once(self, bad: Bad) -> tuple[int, bytes]:
        self._connection.putrequest("POST", bad.path, skip_accept_encoding=True)
        for name, value in bad.headers:
            self._connection.putheader(name, value.encode("latin-1"))
        self._connection.putheader("content-length", str(len(bad.body)))
        self._connection.endheaders(bad.body)
        answer = self._connection.getresponse()
        said = str(answer.headers).encode("latin-1", "replace") + answer.read()
        return answer.status, said

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def line_to(router: Router) -> Iterator[Line]:
    """A line, closed at the end."""
    line = Line(router)
    try:
        yield line
    finally:
        line.close()


def survives(router: Router) -> None:
    """The router answers a good request, from an engine."""
    answer = router.post("/v1/chat/completions", HELLO)
    assert (answer.status, answer.headers["x-localfleet-attempts"]) == (200, "1")


def throw(router: Router, bodies: list[Bad]) -> dict[int, int]:
    """Send them all; count the statuses."""
    statuses: dict[int, int] = {}
    with line_to(router) as line:
        for number, bad in enumerate(bodies, 1):
            status, said = line.send(bad)
            statuses[status] = statuses.get(status, 0) + 1
            assert 200 <= status < 500, (bad.path, bad.what, status, said[-300:])
            assert CANARY.encode() not in said, (bad.path, bad.what, status)
            if status >= 400:
                assert b'"message"' in said, (bad.path, bad.what, status, said[-300:])
            if number % BATCH == 0:
                survives(router)
    survives(router)
    return statuses


@pytest.mark.parametrize("path", GOOD)
def test_a_few_bad_bodies(router: Router, path: str) -> None:
    """A sample of every kind of malformed body, on each endpoint."""
    whole = bad_requests(path)
    sample = whole[:: len(whole) // 60]
    statuses = throw(router, sample)
    assert statuses.keys() - {200} <= {400, 404, 409, 422}
    assert statuses[400] > len(sample) // 4


@pytest.mark.slow
@pytest.mark.parametrize("path", GOOD)
def test_thousands_of_bad_bodies(router: Router, path: str) -> None:
    """Every field wrong in every way, broken JSON, deep nesting, bit rot and odd headers, on each endpoint."""
    bodies = bad_requests(path)
    assert len(bodies) > 900
    statuses = throw(router, bodies)
    assert statuses.keys() - {200} <= {400, 404, 409, 422}
    assert statuses[400] > len(bodies) // 4
    assert CANARY.encode() not in router.output()


def raw(router: Router, data: bytes, *, half_close: bool = False, wait_s: float = 2) -> bytes:
    """Send bytes as they are; return all that comes back until the end, or until nothing more comes."""
    with socket.create_connection(("127.0.0.1", router.port), timeout=wait_s) as sock:
        said = b""
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            while chunk := sock.recv(65536):
                said += chunk
                if said.endswith(b"}") or b"Invalid HTTP request received." in said:
                    break
        except (TimeoutError, ConnectionError):
            return said
        return said


def head(*lines: str, path: str = "/v1/chat/completions") -> bytes:
    """A request head with these lines after Host."""
    rows = (f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", *lines, "", "")
    return "\r\n".join(rows).encode("latin-1")


CHUNKED = head("transfer-encoding: chunked")
SIZED = head(f"content-length: {len(HELLO)}")
BROKEN_HTTP = {
    "a chunk size that is no number": CHUNKED + b"zz" + CANARY.encode() + b"\r\n",
    "a negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"F" * 40 + b"\r\n" + HELLO,
    "a chunk longer than its size": CHUNKED + b"2\r\n" + HELLO + b"\r\n0\r\n\r\n",
    "a length that is no number": head("content-length: many") + HELLO,
    "a negative length": head("content-length: -1") + HELLO,
    "two lengths": head("content-length: 5", f"content-length: {len(HELLO)}") + HELLO,
    "a length and chunks": head("content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
    "an unknown transfer encoding": head(f"transfer-encoding: {CANARY}") + HELLO,
    "no version": b"POST /v1/chat/completions\r\n\r\n" + HELLO,
    "a version to come": SIZED.replace(b"HTTP/1.1", b"HTTP/9.9") + HELLO,
    "an unknown method": SIZED.replace(b"POST", CANARY.encode()) + HELLO,
    "no method at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY.encode() * 20,
    "NUL in a header": head(f"x-localfleet-task: a\x00{CANARY}") + HELLO,
    "a header without a colon": head(CANARY) + HELLO,
    "a folded header": head("x-localfleet-task: a", f" {CANARY}") + HELLO,
    "a bare carriage return": head(f"x-localfleet-task: a\r{CANARY}") + HELLO,
    "a space before the colon": head(f"x-localfleet-task : {CANARY}") + HELLO,
    "a path of bytes": SIZED.replace(b"/v1/chat/completions", b"/v1/%ff%00%0a" + CANARY.encode()) + HELLO,
    "a path that climbs": SIZED.replace(b"/v1/chat/completions", b"/v1/../api/status") + HELLO,
    "an absolute target": SIZED.replace(b"/v1/chat", b"http://evil.example/v1/chat") + HELLO,
    "a query": SIZED.replace(b"completions", b"completions?" + CANARY.encode() + b"=%zz") + HELLO,
}


@pytest.mark.parametrize("what", BROKEN_HTTP)
def test_broken_http(router: Router, what: str) -> None:
    """Whatever the bytes on the line, the answer is none, a 4xx or an answer, and says nothing back."""
    said = raw(router, BROKEN_HTTP[what])
    assert said == b"" or said.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), said[:200]
    assert CANARY.encode() not in said
    survives(router)


@pytest.mark.parametrize("missing", [1, len(HELLO) - 1, len(HELLO)])
def test_a_body_shorter_than_its_length(router: Router, missing: int) -> None:
    """A client that promises more than it sends and leaves gets no answer, and no engine hears of it."""
    said = raw(router, SIZED + HELLO[:-missing], half_close=True)
    assert said == b"" or said.startswith(b"HTTP/1.1 400")
    survives(router)


def test_requests_in_a_row_without_waiting(router: Router) -> None:
    """HTTP pipelining: bad and good requests sent at once are answered one by one, in order."""
    bad = head("content-length: 2") + b"[]"
    said = b""
    with socket.create_connection(("127.0.0.1", router.port), timeout=10) as sock:
        sock.sendall((bad + SIZED + HELLO) * 5)
        while said.count(b"HTTP/1.1 ") < 10:
            chunk = sock.recv(65536)
            assert chunk, said[-300:]
            said += chunk
    assert [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]] == [400, 200] * 5


def test_a_header_of_a_megabyte(router: Router) -> None:
    """A very long header value is read or refused; it is not said back and stops nobody."""
    said = raw(router, head(f"x-localfleet-task: {'x' * MIB}{CANARY}", f"content-length: {len(HELLO)}") + HELLO)
    assert said.startswith(b"HTTP/1.1 4")
    assert CANARY.encode() not in said
    survives(router)


def test_a_body_of_50_megabytes(router: Router) -> None:
    """Refused by its declared length before it is sent, and by its size where none was declared."""
    declared = raw(router, head(f"content-length: {50 * MIB}"), wait_s=10)
    assert declared.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in declared
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    streamed = raw(router, CHUNKED + chunk * 50 + b"0\r\n\r\n", wait_s=20)
    assert streamed == b"" or streamed.startswith(b"HTTP/1.1 413")
    sent = router.post("/v1/chat/completions", b'{"model": "' + b"x" * (50 * MIB) + b'"}')
    assert sent.status in {413, 0}
    survives(router)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "auto", "messages": [' + b'{"role": "user", "content": "a"},' * 200_000 + b'{"role": "user"}]}',
        b'{"model": "auto", "prompt": [' + b"1," * 2_000_000 + b"1]}",
        b'{"model": "auto", "messages": [{"role": "user", "content": ' + b"[" * 190 + b"]" * 190 + b"}]}",
        b'{"model": "auto", "extra": [' + b"[]," * 300_000 + b"[]]}",
        b'{"model": "auto", "extra": {' + b",".join(b'"k%d":1' % n for n in range(200_000)) + b"}}",
    ],
    ids=["many messages", "many tokens", "deep content", "many lists", "many keys"],
)
def test_bodies_made_to_be_slow(router: Router, body: bytes) -> None:
    """Bodies within the limit that are laborious to read end in time and hold up nobody else."""
    path = "/v1/completions" if b'"prompt"' in body else "/v1/chat/completions"
    answer = router.post(path, body, timeout_s=20)
    assert 200 <= answer.status < 500, answer.body[:300]
    survives(router)


HIDDEN_FIRST = (
    ("messages", f'"messages": [{{"role": "user", "content": "{SECRET_MAIL}"}}]'),
    ("an escaped key", f'"\\u006dessages": [{{"role": "user", "content": "{SECRET_MAIL}"}}]'),
    ("a field", f'"note": "{SECRET_MAIL}", "note": "nothing"'),
    ("metadata", f'"metadata": {{"a": "{SECRET_MAIL}"}}, "metadata": {{"a": "b"}}'),
)


@pytest.mark.parametrize(("what", "first"), HIDDEN_FIRST, ids=[name for name, _ in HIDDEN_FIRST])
def test_what_was_overwritten_does_not_leave(
    tapped: Router, shared_taps: tuple[Tap, Tap, Tap], what: str, first: str
) -> None:
    """Of a key that stands twice the last is read, and nothing of the first is sent to anybody."""
    for tap in shared_taps:
        tap.reset()
    answer = tapped.post("/v1/chat/completions", f'{{"model": "mini", {first}, {HELLO.decode()[18:]}'.encode())
    assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "low_cost")
    assert len(shared_taps[1].posts()) == 1
    assert not any(SECRET_MAIL.encode() in tap.received() for tap in shared_taps)


@pytest.mark.parametrize("key", ["messages", "\\u006d\\u0065ssages"])
def test_what_overwrites_is_what_is_classified(tapped: Router, shared_taps: tuple[Tap, Tap, Tap], key: str) -> None:
    """The reverse: an e-mail in the last of two keys keeps the request on the box."""
    for tap in shared_taps:
        tap.reset()
    last = f', "{key}": [{{"role": "user", "content": "{SECRET_MAIL}"}}]}}'
    answer = tapped.post("/v1/chat/completions", HELLO[:-1] + last.encode())
    assert (answer.status, answer.headers["x-localfleet-privacy"]) == (200, "restricted")
    assert answer.headers["x-localfleet-tier"] == "local"
    (sent,) = shared_taps[0].posts()
    assert json.loads(sent.body)["messages"] == [{"role": "user", "content": SECRET_MAIL}]
    assert not shared_taps[1].posts()
    assert not shared_taps[2].posts()


def test_two_labels_count_as_the_higher(router: Router) -> None:
    """Privacy headers that stand twice, in either order, in one line or with odd bytes: never the lower one."""
    pairs = [("restricted", "public"), ("public", "restricted"), ("public, restricted", "public"), ("public", "\xff")]
    for first, second in pairs:
        headers = (("x-localfleet-privacy", first), ("X-LocalFleet-Privacy", second))
        answer = router.send("POST", "/v1/chat/completions", HELLO, headers)
        assert answer.headers["x-localfleet-privacy"] == "restricted", (first, second)
        assert answer.headers["x-localfleet-tier"] == "local"


def test_nothing_of_all_this_was_printed(router: Router) -> None:
    """The router's output holds no canary and no traceback."""
    router.post("/v1/chat/completions", b'{"model": "' + CANARY.encode() + b'", "messages": 1}')
    assert CANARY.encode() not in router.output()
    assert b"Traceback" not in router.output()
