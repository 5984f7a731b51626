"""Whatever comes in: no 5xx of localfleet's own, no echo, and the router goes on answering."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from bad_bodies import CANARY, GOOD, BadRequest, bad_requests, encoded
from process import Tap
from router import Router
from tap_fleet import NATIVE, fleet

BATCH = 200
EMAIL = "ada.lovelace@analytical-engines.co.uk"


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """The real process in front of them; at the end its output is looked through as well."""
    local, openai, anthropic = shared_taps
    settings = fleet(local=local, openai=openai, anthropic=anthropic, claude=NATIVE)
    with Router.start(tmp_path_factory.mktemp("router"), settings) as running:
        yield running
    output = running.output()
    assert CANARY.encode() not in output
    assert b"internal error" not in output


def check_alive(router: Router) -> None:
    """A good request of every endpoint is answered."""
    for path, body in GOOD.items():
        assert router.post(path, body).status == 200, path


class Line:
    """One keep-alive connection that is opened again when the router has closed it."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.opened = 0

    def post(self, bad: BadRequest) -> tuple[int, bytes]:
        """Status, and everything that came back."""
        if self._connection.sock is None:
            self.opened += 1
        self._connection.putrequest("POST", bad.path, skip_accept_encoding=True)
        for name, value in ({"content-type": "application/json"} | bad.headers).items():
            self._connection.putheader(name, value.encode("utf-8"))
        self._connection.putheader("content-length", str(len(bad.body)))
        self._connection.endheaders(bad.body)
        answer = self._connection.getresponse()
        return answer.status, str(answer.getheaders()).encode() + answer.read()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def run(router: Router, bads: Iterator[BadRequest]) -> dict[int, int]:
    """Send them in batches, each followed by good requests; the answers by status."""
    seen: dict[int, int] = {}
    line = Line(router.port)
    while batch := [*islice(bads, BATCH)]:
        for bad in batch:
            status, everything = line.post(bad)
            seen[status] = seen.get(status, 0) + 1
            assert status < 500, (status, bad.path, bad.body[:300], everything[:300])
            if status >= 400:
                assert CANARY.encode() not in everything, (status, bad.path, bad.body[:300])
        check_alive(router)
    line.close()
    return seen


@pytest.mark.slow
def test_some_bad_bodies(router: Router) -> None:
    """Some of each kind."""
    seen = run(router, bad_requests(seed=1, number=BATCH))
    assert sum(seen.values()) == BATCH
    assert seen[400] > BATCH // 4


@pytest.mark.slow
def test_thousands_of_bad_bodies(router: Router) -> None:
    """The whole lot."""
    seen = run(router, bad_requests(seed=2, number=2400))
    print(f"2400 bad requests: {dict(sorted(seen.items()))}")
    assert sum(seen.values()) == 2400
    assert seen[400] > 600


@pytest.mark.slow
@pytest.mark.parametrize("path", [*GOOD])
def test_a_body_of_50_mb_is_refused_by_its_declared_size(router: Router, path: str) -> None:
    """413 before it is read, and the connection lives on."""
    big = BadRequest(path=path, body=encoded({**GOOD[path], "x_note": CANARY + "x" * 50_000_000}))
    line = Line(router.port)
    status, everything = line.post(big)
    assert status == 413
    assert CANARY.encode() not in everything
    assert line.post(BadRequest(path=path, body=encoded(GOOD[path])))[0] == 200
    line.close()


def raw(router: Router, data: bytes, *, then_close: bool = False, wait_s: float = 3.0) -> bytes:
    """Write bytes to a connection, half-close it, and read all that comes back."""
    with socket.create_connection(("127.0.0.1", router.port), timeout=wait_s) as wire:
        try:
            wire.sendall(data)
            if then_close:
                wire.shutdown(socket.SHUT_WR)
            back = b""
            while piece := wire.recv(65_536):
                back += piece
        except (TimeoutError, ConnectionError):
            pass
        return back


def statuses_in(back: bytes) -> list[int]:
    """The status of every answer, in order."""
    return [int(number) for number in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", back)]


def head(*lines: str, path: str = "/v1/chat/completions", method: str = "POST") -> bytes:
    """A request head that ends its connection."""
    first = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
    return first.encode() + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


BODY = encoded({**GOOD["/v1/chat/completions"], "x_canary": CANARY})
SIZE = f"content-length: {len(BODY)}"
CHUNKED = "transfer-encoding: chunked"


def chunk(data: bytes, size: str | None = None) -> bytes:
    """One chunk, with its true size or another."""
    return (size or f"{len(data):x}").encode() + b"\r\n" + data + b"\r\n"


FRAMES: dict[str, tuple[bytes, set[int]]] = {
    "good": (head(SIZE) + BODY, {200}),
    "good chunks": (head(CHUNKED) + chunk(BODY[:9]) + chunk(BODY[9:]) + b"0\r\n\r\n", {200}),
    "chunk size is no number": (head(CHUNKED) + chunk(BODY, "zz") + b"0\r\n\r\n", {400}),
    "chunk size is negative": (head(CHUNKED) + chunk(BODY, "-1") + b"0\r\n\r\n", {400}),
    "chunk size is huge": (head(CHUNKED) + chunk(BODY, "f" * 40) + b"0\r\n\r\n", {400}),
    "chunk size is too small": (head(CHUNKED) + chunk(BODY, "3") + b"0\r\n\r\n", {400}),
    "chunks without end": (head(CHUNKED) + chunk(BODY), set()),
    "chunks and a length": (head(CHUNKED, SIZE) + BODY, {400}),
    "two lengths": (head(SIZE, "content-length: 3") + BODY, {400}),
    "length is no number": (head("content-length: many") + BODY, {400}),
    "length is negative": (head("content-length: -5") + BODY, {400}),
    "length is huge": (head("content-length: " + "9" * 40) + BODY, {400, 413}),
    "length over the limit": (head("content-length: 99999999999") + BODY, {413}),
    "length too long": (head("content-length: 9999") + BODY, set()),
    "length too short": (head("content-length: 9") + BODY, {400}),
    "no length": (head() + BODY, {400}),
    "gzip": (head(SIZE, "content-encoding: gzip") + BODY, {200, 400, 415}),
    "no host": (
        b"POST /v1/chat/completions HTTP/1.1\r\n" + SIZE.encode() + b"\r\nconnection: close\r\n\r\n" + BODY,
        {403},
    ),
    "http/1.0": (
        b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\n" + SIZE.encode() + b"\r\n\r\n" + BODY,
        {200},
    ),
    "two hosts": (head(SIZE, f"host: {CANARY}.example.org") + BODY, {400, 403}),
    "foreign host": (head(SIZE).replace(b"localhost", f"{CANARY}.example.org".encode()) + BODY, {403}),
    "foreign origin": (head(SIZE, f"origin: http://{CANARY}.example.org") + BODY, {403}),
    "broken host": (head(SIZE).replace(b"host: localhost", b"host: [::1") + BODY, {403}),
    "broken origin": (head(SIZE, "origin: http://[::1") + BODY, {403}),
    "privacy twice": (head(SIZE, "x-localfleet-privacy: restricted", "x-localfleet-privacy: public") + BODY, {200}),
    "task twice": (head(SIZE, f"x-localfleet-task: {CANARY}", "x-localfleet-task: b") + BODY, {400}),
    "header of 60 kB": (head(SIZE, f"x-note: {CANARY * 6000}") + BODY, {200, 400, 431}),
    "header of 2 MB": (head(SIZE, f"x-note: {CANARY * 200_000}") + BODY, {200, 400, 431}),
    "10,000 headers": (head(SIZE, *(f"x-{i}: {CANARY}" for i in range(10_000))) + BODY, {200, 400, 431}),
    "odd bytes in a header": (head(SIZE, "x-localfleet-session: \xff\xfe\x80") + BODY, {200, 400}),
    "nul in a header": (head(SIZE, "x-localfleet-session: a\x00b") + BODY, {400}),
    "another method": (head(SIZE, method="PUT") + BODY, {404, 405}),
    "unknown method": (head(SIZE, method="BREW") + BODY, {400, 404, 405}),
    "get": (head(method="GET"), {404, 405}),
    "head": (head(method="HEAD"), {404, 405}),
    "options": (head(method="OPTIONS"), {404, 405}),
    "connect": (head(method="CONNECT", path=f"{CANARY}:443"), {400, 404, 405}),
    "no such path": (head(SIZE, path=f"/v1/{CANARY}") + BODY, {404}),
    "no such page": (head(path=f"/{CANARY}", method="GET"), {404}),
    "admin without token": (head(path=f"/api/receipts?limit={CANARY}", method="GET"), {401}),
    "absolute path": (head(SIZE, path=f"http://{CANARY}/v1/chat/completions") + BODY, {200, 400, 403, 404}),
    "upgrade": (
        head(SIZE, "upgrade: websocket", "sec-websocket-key: x").replace(b": close", b": Upgrade") + BODY,
        {200, 400},
    ),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "tls": (bytes.fromhex("16030100c8010000c40303") + b"\x00" * 200, {400}),
    "no http": (CANARY.encode() * 50 + b"\r\n\r\n", {400}),
    "nothing": (b"", set()),
}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"request_id": CANARY, "accepted": True}, "request_id"),
        ({"accepted": CANARY}, "accepted"),
        ({CANARY: 1, "accepted": True}, None),
        ([CANARY], None),
    ],
)
def test_a_wrong_parameter_is_named_if_the_name_is_ours(router: Router, body: Any, param: str | None) -> None:
    """A field that nobody asked for is the caller's word: it is not said again."""
    answer = router.post("/api/feedback", body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)
    assert (f"`{param}`" in answer.json["error"]["message"]) is (param is not None)
    assert CANARY.encode() not in answer.everything


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "ticket 4711"}, "Say at least one of accepted, corrected and score."),
        ({"accepted": True}, "Say which request or which action it is about: one of request_id and action."),
        ([CANARY], "The body is no JSON object: send one, with `content-type: application/json`."),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_is_told_why(router: Router, body: Any, says: str) -> None:
    """The sentence says what to send instead, in words of ours alone."""
    answer = router.post("/api/feedback", body)
    assert (answer.status, answer.json["error"]["param"]) == (400, None)
    assert answer.json["error"]["message"].startswith(says)
    assert CANARY.encode() not in answer.everything


@pytest.mark.parametrize("name", [*FRAMES])
def test_odd_framing(router: Router, name: str) -> None:
    """A refusal or no answer at all; what is expected is said with each."""
    data, expected = FRAMES[name]
    back = raw(router, data, then_close=not expected or name == "upgrade")
    statuses = statuses_in(back)
    assert set(statuses) <= expected, back[:500]
    assert bool(statuses) is bool(expected), back[:500]
    if statuses != [200]:
        assert CANARY.encode() not in back
    assert router.post("/v1/chat/completions", GOOD["/v1/chat/completions"]).status == 200


def test_pipelined_requests_are_answered_in_turn(router: Router) -> None:
    """Good, bad, good on one connection without waiting."""
    keep = head(SIZE).replace(b"connection: close\r\n", b"")
    bad = head("content-length: 5").replace(b"connection: close\r\n", b"") + b"[1,2]"
    back = raw(router, keep + BODY + bad + head(SIZE) + BODY)
    assert statuses_in(back) == [200, 400, 200]


def test_of_two_keys_what_was_read_is_what_leaves(router: Router, shared_taps: tuple[Tap, Tap, Tap]) -> None:
    """An address in the first of two keys is gone before anybody is sent it; in the last it keeps the request here."""
    for path, key in (("/v1/chat/completions", "messages"), ("/v1/completions", "prompt"), ("/v1/responses", "input")):
        # Words of its own: a conversation that was once restricted in this router stays so.
        clean: Any = json.loads(json.dumps(GOOD[path][key]).replace("hello", "good morning"))
        with_email: Any = json.loads(json.dumps(clean).replace("morning", f"morning {EMAIL}"))
        rest = {name: value for name, value in GOOD[path].items() if name != key}
        for first, last, tier in ((with_email, clean, "low_cost"), (clean, with_email, "local")):
            for tap in shared_taps:
                tap.clear()
            double = f'"{key}":{json.dumps(first)},"{key}":{json.dumps(last)},'
            answer = router.post(path, b"{" + double.encode() + encoded(rest)[1:])
            assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, tier)
            hosted = shared_taps[1].received() + shared_taps[2].received()
            assert EMAIL.encode() not in hosted
            assert (EMAIL.encode() in shared_taps[0].received()) is (tier == "local")
            assert bool(hosted) is (tier != "local")


def test_litellm_is_not_loaded_for_messages_alone(router: Router) -> None:
    """A model of Anthropic's that serves nothing else is spoken to directly: seconds and memory are spared."""
    assert "/tiktoken/" not in Path(f"/proc/{router.pid}/maps").read_text(encoding="utf-8"), "what litellm brings"


def test_nothing_of_it_is_at_rest(router: Router, tmp_path: Path) -> None:
    """After all that, no file, metric or argument holds the canary."""
    assert not [name for name, data in router.at_rest().items() if CANARY.encode() in data]
    check_alive(router)
