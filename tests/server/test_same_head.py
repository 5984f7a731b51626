"""A head that comes again is known by its bytes; whatever differs but its length is read anew, by the parser."""

import asyncio
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Play, served

from localfleet.server.exchange import EXCHANGE, Exchange, RawHeaders, Receive, Scope, Send
from localfleet.server.headers import Headers, read_headers
from localfleet.server.one_write import MOST_LESSONS, OneWrite
from localfleet.server.same_head import KnownHead

URL = b"/v1/chat/completions"
LINES: RawHeaders = [(b"host", b"localhost"), (b"content-length", b"5"), (b"x-localfleet-privacy", b"Public")]
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"X-LocalFleet-Privacy: Public\r\n\r\n"
)


def _of(data: bytes, lines: RawHeaders = LINES) -> KnownHead | None:
    return KnownHead.of(data, URL, lines)


def test_a_head_is_known_again_with_another_length() -> None:
    """Its bytes but for the digits are the same, and so is what they say, but for the length."""
    known = _of(HEAD + b"hello")
    assert known is not None
    longer = HEAD.replace(b"5", b"12")
    assert known.again(longer + b"hello, world") == (len(longer), b"12")
    lines, headers = known.said(b"12")
    assert lines == [LINES[0], (b"content-length", b"12"), LINES[2]]
    assert headers == read_headers(lines)


@pytest.mark.parametrize(
    "other",
    [
        HEAD.replace(b"Public", b"public"),
        HEAD.replace(b"Public", b"Restricted"),
        HEAD.replace(b"Host", b"host"),
        HEAD.replace(b"\r\n\r\n", b"\r\nx-localfleet-privacy: restricted\r\n\r\n"),
        HEAD.replace(b"5", b""),
        HEAD.replace(b"5", b"+5"),
        HEAD.replace(b"5", b"5 "),
        HEAD.replace(b"5", b"5,5"),
        HEAD.replace(b"5", b"1234567890"),
        HEAD.replace(b"chat/", b""),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HEAD[:-2],
        HEAD[:60],
        b"\r\n" + HEAD,
    ],
)
def test_a_head_that_differs_in_more_than_its_length_is_not_known(other: bytes) -> None:
    """Another label, another case, another shape, a part of it: the parser is asked."""
    known = _of(HEAD)
    assert known is not None
    assert known.again(other) is None


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (HEAD + b"hell", LINES),
        (HEAD + b"hello and more", LINES),
        (b"\r\n" + HEAD, LINES),
        (HEAD.replace(b"Host: ", b"Host:"), LINES),
        (HEAD.replace(b"Public", b"Pub\r\n lic"), [*LINES[:2], (b"x-localfleet-privacy", b"Pub lic")]),
        (HEAD, [*LINES, (b"content-length", b"5")]),
        (HEAD, [*LINES, (b"transfer-encoding", b"chunked")]),
        (HEAD, [*LINES, (b"expect", b"100-continue")]),
        (HEAD, [*LINES, (b"connection", b"close")]),
        (HEAD, LINES[:1]),
        (
            HEAD.replace(b"\r\n\r\n", b"\r\nx-localfleet-task: a\r\nx-localfleet-task: b\r\n\r\n"),
            [*LINES, (b"x-localfleet-task", b"a"), (b"x-localfleet-task", b"b")],
        ),
    ],
)
def test_a_head_in_any_but_the_plainest_form_is_not_remembered(data: bytes, lines: RawHeaders) -> None:
    """What could be read in two ways, or frames its body in another way, or is refused, is read each time."""
    assert _of(data, lines) is None


class Echo:
    """Answers with what it was told and what it got, and holds that headers read before are those of the scope."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.known: list[bool] = []

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        """One request."""
        exchange: Exchange = scope.pop(EXCHANGE)
        said: Headers = read_headers(scope["headers"])
        assert exchange.headers in (None, said)
        self.known.append(exchange.headers is not None)
        if said.get("x-refuse"):
            await self.answer(exchange, b"refused")
            return
        body = await exchange.body(10_000_000, 5)
        assert len(body) == int(said["content-length"])
        told = f"{scope['path']} {said.get('x-localfleet-privacy', '-')} ".encode()
        with exchange.staying():
            await self.answer(exchange, told + body)

    async def answer(self, exchange: Exchange, body: bytes) -> None:
        """Say it."""
        await exchange.whole(200, [(b"content-length", str(len(body)).encode())], body)


def _request(body: bytes, *, label: bytes | None = None, path: bytes = URL, more: bytes = b"") -> bytes:
    line = b"" if label is None else b"X-Localfleet-Privacy: %b\r\n" % label
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b%b\r\n%b" % (path, len(body), line, more, body)


async def _answered(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: ([0-9]+)", head)
    assert length is not None
    assert head.startswith(b"HTTP/1.1 200")
    return await reader.readexactly(int(length[1]))


def _talk(play: Play) -> Echo:
    app = Echo()
    asyncio.run(served(app, OneWrite, play))
    return app


def test_what_is_said_again_is_known_and_what_is_new_is_read() -> None:
    """A label that comes, changes and goes is seen each time: no request has the label of the one before."""
    labels = [None, None, b"restricted", b"restricted", b"public", None, b"restricted"]

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, label in enumerate(labels):
            body = b"x" * number
            writer.write(_request(body, label=label))
            assert await _answered(reader) == URL + b" " + (label or b"-") + b" " + body

    assert _talk(play).known == [False, True, False, True, False, False, False]


def test_a_client_that_says_no_two_heads_alike_is_not_learned_from_for_ever() -> None:
    """After some heads that were remembered in vain the connection is left to the parser."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(MOST_LESSONS):
            writer.write(_request(b"hi", label=b"%d" % number))
            await _answered(reader)
        for _ in range(2):
            writer.write(_request(b"hi", label=b"public"))
            await _answered(reader)

    assert not any(_talk(play).known)


def test_a_known_head_may_come_before_its_body() -> None:
    """As some clients send it: the body is waited for, and the next request is known again."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in (b"first", b"the second", b"a third", b"y" * 300_000):
            whole = _request(body)
            cut = len(whole) - len(body)
            for part in (whole[:cut], whole[cut : cut + 3], whole[cut + 3 :]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.002)
            assert await _answered(reader) == URL + b" - " + body

    assert _talk(play).known == [False, True, True, True]


def test_an_answer_before_the_body_leaves_the_connection_in_order() -> None:
    """What is still due of a refused body is no request of its own, whoever sends it."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        more = b"x-refuse: 1\r\n"
        for _ in range(3):
            whole = _request(b"GET /v1/models HTTP/1.1\r\n\r\n", more=more)
            cut = whole.index(b"GET")
            writer.write(whole[:cut])
            assert await _answered(reader) == b"refused"
            writer.write(whole[cut:])
            await asyncio.sleep(0.002)
        writer.write(_request(b"after"))
        assert await _answered(reader) == URL + b" - after"

    assert _talk(play).known == [False, True, True, False]


def test_requests_for_other_pages_come_between() -> None:
    """A head is remembered with its own path, whatever else was asked for since."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for path in (URL, b"/v1/messages", URL, URL, b"/v1/else", URL):
            writer.write(_request(b"x", path=path))
            assert await _answered(reader) == path + b" - x"

    assert _talk(play).known == [False, False, False, True, False, True]


_BODIES = st.one_of(st.binary(max_size=40), st.just(b"POST / HTTP/1.1\r\n\r\n"), st.just(b"z" * 70_000))
_SAID = st.tuples(_BODIES, st.sampled_from([None, None, None, b"public", b"restricted"]))


@settings(max_examples=30, deadline=None)
@given(st.lists(_SAID, min_size=1, max_size=8), st.lists(st.integers(1, 400), max_size=12))
def test_however_a_stream_of_requests_is_cut_all_are_answered_in_order(
    said: Sequence[tuple[bytes, bytes | None]], cuts: Sequence[int]
) -> None:
    """In one packet or in many, with known heads or new ones: each answer holds its own label and body."""
    stream = b"".join(_request(body, label=label) for body, label in said)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send() -> None:
            at = 0
            for size in cuts:
                writer.write(stream[at : at + size])
                at += size
                await asyncio.sleep(0.0005)
            writer.write(stream[at:])
            await writer.drain()

        sending = asyncio.create_task(send())
        for body, label in said:
            assert await _answered(reader) == URL + b" " + (label or b"-") + b" " + body
        await sending

    _talk(play)
