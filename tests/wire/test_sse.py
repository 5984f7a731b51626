"""Cutting byte streams into events, and what passes on to the client."""

import itertools

import orjson
import pytest

from localfleet.core.usage import Usage
from localfleet.wire import messages
from localfleet.wire.relay import BROKE_OFF, ChatReader, MessagesReader, Relay, ResponsesReader, Translated
from localfleet.wire.sse import SseGarbled, SseSplitter


def chunk(text: str | None = None, *, finish: str | None = None, usage: object = None, index: int = 0) -> bytes:
    """One chat chunk as an event."""
    delta = {} if text is None else {"content": text}
    choices = [{"index": index, "delta": delta, "finish_reason": finish}]
    return b"data: %b\n\n" % orjson.dumps({"id": "c", "model": "m", "choices": choices, "usage": usage})


COUNTS = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
USAGE_CHUNK = b"data: %b\n\n" % orjson.dumps({"id": "c", "choices": [], "usage": COUNTS})
DONE = b"data: [DONE]\n\n"
CHAT = b": keep-alive\n\n" + chunk("Par") + chunk("is «é»") + chunk(finish="stop", usage=COUNTS).replace(b"\n", b"\r\n")
COUNTED = Usage(input_tokens=9, output_tokens=3)


def pass_in_pieces(relay: Relay, pieces: list[bytes]) -> bytes:
    """What the client sees of a stream that comes in these pieces and then closes."""
    return b"".join(relay.feed(piece) for piece in pieces) + (b"" if relay.over else relay.finish())


@pytest.mark.parametrize(
    ("raw", "data", "name"),
    [
        (b"data: one\n\n", b"one", None),
        (b"data:one\r\n\r\n", b"one", None),
        (b"data: one\r\r", b"one", None),
        (b"event: ping\ndata: one\ndata: two\n\n", b"one\ntwo", "ping"),
        (b"\xef\xbb\xbfdata: one\n\n", b"one", None),
        (b": comment\n\n", b"", None),
        (b"id: 7\nretry: 5\ndata\n\n", b"", None),
        (b"data:  two spaces\n\n", b" two spaces", None),
        (b"data: a\r\ndata: b\n\r\n", b"a\nb", None),
        (b"\n", b"", None),
    ],
)
def test_fields_are_read_as_the_standard_says(raw: bytes, data: bytes, name: str | None) -> None:
    """Line endings, several data lines, comments, BOM and unknown fields."""
    splitter = SseSplitter()
    events = splitter.feed(raw) + splitter.finish()
    assert [(event.raw, event.data, event.event) for event in events] == [(raw, data, name)]


def test_an_event_without_its_blank_line_comes_out_at_the_end() -> None:
    """Some servers close right after the last line."""
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [(b"data: a\n\n", b"a", None)]
    assert splitter.finish() == [(b"data: b", b"b", None)]
    assert splitter.finish() == []


@pytest.mark.parametrize(
    "text", [b"data: a\n\n: c\n\ndata: b\ndata: d\n\n", b"data: a\r\n\r\ndata: b\r\n\r\n", b"x\r\ry"]
)
def test_events_survive_every_cut(text: bytes) -> None:
    """However the bytes are cut, the same events come out, and all bytes."""
    whole = SseSplitter()
    expected = [event.data for event in whole.feed(text) + whole.finish()]
    for first, second in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        splitter = SseSplitter()
        pieces = (text[:first], text[first:second], text[second:])
        events = [event for piece in pieces for event in splitter.feed(piece)] + splitter.finish()
        assert b"".join(event.raw for event in events) == text
        assert [event.data for event in events if event.data] == [data for data in expected if data]


def test_an_endless_event_is_garbled() -> None:
    """The buffer is bounded, however small the pieces are."""
    splitter = SseSplitter(limit=100)
    for _ in range(100):
        assert splitter.feed(b"x") == []
    with pytest.raises(SseGarbled):
        splitter.feed(b"x")


def test_chat_streams_pass_byte_for_byte_however_cut() -> None:
    """A client that asked for usage sees the upstream's bytes exactly, from any cut."""
    stream = CHAT + USAGE_CHUNK + DONE
    for cut in range(len(stream) + 1):
        relay = Relay(ChatReader(hide_usage=False))
        assert pass_in_pieces(relay, [stream[:cut], stream[cut:]]) == stream
        assert relay.usage == COUNTED
        assert not relay.died
    one_by_one = Relay(ChatReader(hide_usage=False))
    assert pass_in_pieces(one_by_one, [bytes([byte]) for byte in stream]) == stream


def test_the_usage_chunk_that_we_asked_for_is_hidden_however_cut() -> None:
    """Only the chunk without choices is dropped; a count beside a choice passes."""
    stream = CHAT + USAGE_CHUNK + DONE
    for cut in range(len(stream) + 1):
        relay = Relay(ChatReader(hide_usage=True))
        assert pass_in_pieces(relay, [stream[:cut], stream[cut:]]) == CHAT + DONE
        assert relay.usage == COUNTED


def test_generated_text_is_counted_in_bytes() -> None:
    """Content, reasoning, tool calls and plain completions count; fields and roles do not."""
    call = {"index": 0, "function": {"name": "look", "arguments": '{"a":1}'}}
    deltas = [
        {"role": "assistant", "content": ""},
        {"content": "é"},
        {"reasoning_content": "hm"},
        {"tool_calls": [call]},
    ]
    relay = Relay(ChatReader(hide_usage=False))
    for delta in deltas:
        relay.feed(b"data: %b\n\n" % orjson.dumps({"choices": [{"index": 0, "delta": delta}]}))
    relay.feed(b"data: %b\n\n" % orjson.dumps({"choices": [{"index": 0, "text": "four"}]}))
    assert relay.text_bytes == 2 + 2 + 4 + 7 + 4


def test_a_stream_without_done_is_whole_once_every_choice_finished() -> None:
    """Some servers never say [DONE]; but one finished choice of two is a death."""
    assert pass_in_pieces(Relay(ChatReader(hide_usage=False)), [CHAT]) == CHAT
    two = chunk("a") + chunk("b", index=1) + chunk(finish="stop")
    relay = Relay(ChatReader(hide_usage=False))
    assert pass_in_pieces(relay, [two]).startswith(two)
    assert relay.died


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"error":{"message":"CANARY","code":"server_error"}}\n\n',
        b'event: error\ndata: {"message":"CANARY"}\n\n',
        b'data: {"choices":[CANARY\n\n',
        b'data: ["CANARY"]\n\n',
        b'data: "\xff"\n\n',
        b"",
    ],
)
def test_a_broken_stream_ends_with_our_error_and_nothing_of_theirs(bad: bytes) -> None:
    """Error events, garbage and a premature end become one typed event; what came before stays; no [DONE]."""
    relay = Relay(ChatReader(hide_usage=True))
    shown = pass_in_pieces(relay, [chunk("Par") + bad])
    assert shown.startswith(chunk("Par") + b'data: {"error":')
    last = orjson.loads(shown.removeprefix(chunk("Par")).removeprefix(b"data: "))
    assert last["error"] == {
        "message": BROKE_OFF,
        "type": "upstream_error",
        "code": "died_midstream",
        "param": None,
        "src": "localfleet",
    }
    assert relay.died
    assert b"CANARY" not in shown


def test_an_error_as_the_first_event_is_no_beginning() -> None:
    """So that the next door can still be tried; the well-known code is kept."""
    relay = Relay(ChatReader(hide_usage=True))
    relay.feed(b': hello\n\ndata: {"error":{"message":"CANARY","code":"rate_limit_exceeded"}}\n\n')
    assert not relay.begun
    assert relay.said is not None
    assert relay.said.code == "rate_limit_exceeded"
    assert "CANARY" not in repr(relay.said)


def test_odd_chunks_pass() -> None:
    """An odd shape is the client's to judge; it is never a crash."""
    for odd in (b'{"choices":[7]}', b'{"choices":{"a":1}}', b'{"choices":[{"index":[],"delta":5}]}', b'{"x":1}'):
        relay = Relay(ChatReader(hide_usage=True))
        assert relay.feed(b"data: %b\n\n" % odd) == b"data: %b\n\n" % odd
        assert not relay.died


def anthropic(*events: dict[str, object]) -> bytes:
    """An Anthropic stream."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), orjson.dumps(e)) for e in events)


MESSAGES = anthropic(
    {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1}},
    },
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
)


def test_messages_streams_pass_and_are_counted() -> None:
    """Start and delta counts are merged; the cache's tokens are part of the input."""
    for cut in range(0, len(MESSAGES), 7):
        relay = Relay(MessagesReader())
        assert pass_in_pieces(relay, [MESSAGES[:cut], MESSAGES[cut:]]) == MESSAGES
        assert relay.usage == Usage(input_tokens=9, output_tokens=3, cache_read_tokens=4)
        assert relay.text_bytes == 5


def test_messages_streams_die_in_their_own_words() -> None:
    """An `error` event of ours ends a broken Messages stream."""
    relay = Relay(MessagesReader())
    whole = MESSAGES.index(b"event: message_delta")
    overloaded = anthropic({"type": "error", "error": {"type": "overloaded_error", "message": "CANARY"}})
    shown = pass_in_pieces(relay, [MESSAGES[:whole] + overloaded])
    assert shown.startswith(MESSAGES[:whole] + b'event: error\ndata: {"type":"error","error":')
    assert relay.died
    assert b"CANARY" not in shown


def test_responses_streams_pass_are_counted_and_die_numbered() -> None:
    """The usage of the last event counts; a failure is told with the next sequence number, without its words."""
    first = anthropic({"type": "response.output_text.delta", "sequence_number": 3, "delta": "Paris"})
    usage = {"input_tokens": 9, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}}
    last = anthropic({"type": "response.completed", "sequence_number": 4, "response": {"usage": usage}})
    relay = Relay(ResponsesReader())
    assert pass_in_pieces(relay, [first + last]) == first + last
    assert relay.usage == Usage(input_tokens=9, output_tokens=3, reasoning_tokens=1)
    assert relay.text_bytes == 5
    failed = anthropic(
        {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "CANARY"}}}
    )
    relay = Relay(ResponsesReader())
    shown = pass_in_pieces(relay, [first + failed])
    error = orjson.loads(shown.removeprefix(first).partition(b"data: ")[2])
    assert (error["type"], error["code"], error["sequence_number"]) == ("error", "died_midstream", 4)
    assert b"CANARY" not in shown


def test_a_translated_stream_is_the_same_from_any_cut() -> None:
    """Chat in, Messages out, ended by message_stop, counted as the chat was."""
    stream = CHAT + USAGE_CHUNK + DONE
    shown = set()
    for cut in range(len(stream) + 1):
        relay = Relay(Translated(messages.StreamFromChat("m", "r")))
        shown.add(pass_in_pieces(relay, [stream[:cut], stream[cut:]]))
        assert relay.usage == COUNTED
    assert len(shown) == 1
    assert shown.pop().endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    relay = Relay(Translated(messages.StreamFromChat("m", "r")))
    assert b"event: error" in pass_in_pieces(relay, [chunk("a")])
    assert relay.died
