"""Answers with values put back: every API, whole and as streams cut at every byte, texts cut at every character."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest

from localfleet.core.ask import Api
from localfleet.wire.restored import PutBack, RestoredStream
from localfleet.wire.rewrite import rewritten
from localfleet.wire.sse import SseSplitter
from localfleet.wire.texts import spans_of

PAIRS = {"Edith": "Julia", "Yardley": 'O"Neil', "edith9@example.org": "julia@firm.io", "Edith Yardley": 'Julia O"Neil'}
MADE = "Dear Edith Yardley, or Edith: edith9@example.org is yours, Yardley's and nobody's. Edit"
REAL = "Dear Julia O\"Neil, or Julia: julia@firm.io is yours, O\"Neil's and nobody's. Edit"
CALLED = orjson.dumps({"to": MADE}).decode()


def event(data: Mapping[str, Any] | str, name: str | None = None) -> bytes:
    """One event."""
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return head + b"data: %b\n\n" % (data.encode() if isinstance(data, str) else orjson.dumps(data))


def parts(text: str, size: int) -> Iterator[str]:
    """The text in pieces."""
    return (text[at : at + size] for at in range(0, len(text), size))


def chat(size: int) -> bytes:
    """Content, a call's arguments, a finish reason, usage, the end."""
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def call(**function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": function}]}

    out = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": part}) for part in parts(MADE, size))]
    out += [chunk(call(name="mail", arguments="")), *(chunk(call(arguments=part)) for part in parts(CALLED, size))]
    return b"".join((*out, chunk({}, "stop"), event({**frame, "choices": [], "usage": {}}), event("[DONE]")))


def completion(size: int) -> bytes:
    """Two choices in turns; the last piece of each says that it ends."""
    out = []
    pieces = list(parts(MADE, size))
    for at, part in enumerate(pieces):
        finish = "stop" if at == len(pieces) - 1 else None
        out += [
            event({"id": "c", "choices": [{"index": index, "text": part, "finish_reason": finish}]}) for index in (0, 1)
        ]
    return b"".join((*out, event("[DONE]")))


def messages(size: int) -> bytes:
    """A text block and a tool's input."""
    out = [event({"type": "message_start", "message": {"id": "m"}}, "message_start")]
    for index, (kind, key, text) in enumerate(
        (("text_delta", "text", MADE), ("input_json_delta", "partial_json", CALLED))
    ):
        out.append(event({"type": "content_block_start", "index": index, "content_block": {}}, "content_block_start"))
        out += [
            event(
                {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: part}},
                "content_block_delta",
            )
            for part in parts(text, size)
        ]
        out.append(event({"type": "content_block_stop", "index": index}, "content_block_stop"))
    return b"".join((*out, event({"type": "message_stop"}, "message_stop")))


def responses(size: int) -> bytes:
    """Deltas, the whole text once more, and the whole answer, all numbered."""
    rows: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    at = {"item_id": "i", "output_index": 0, "content_index": 0}
    rows += [{"type": "response.output_text.delta", **at, "delta": part} for part in parts(MADE, size)]
    rows.append({"type": "response.output_text.done", **at, "text": MADE})
    call = {"item_id": "f", "output_index": 1}
    rows += [{"type": "response.function_call_arguments.delta", **call, "delta": part} for part in parts(CALLED, size)]
    rows.append({"type": "response.function_call_arguments.done", **call, "arguments": CALLED})
    output = [{"content": [{"type": "output_text", "text": MADE}]}, {"type": "function_call", "arguments": CALLED}]
    rows.append({"type": "response.completed", "response": {"id": "resp_1", "output": output}})
    return b"".join(event({**row, "sequence_number": number}, row["type"]) for number, row in enumerate(rows))


def read(api: Api, stream: bytes) -> tuple[list[str], list[str]]:
    """The texts and the calls' arguments that a client puts together, in that order, and whatever is told whole."""
    grown: dict[str, str] = {}
    whole: list[str] = []
    numbers = []
    for one in SseSplitter().feed(stream):
        data = orjson.loads(one.data) if one.data != b"[DONE]" else {}
        for choice in data.get("choices") or ():
            delta = choice.get("delta") or {}
            for key, text in (("c", delta.get("content")), (f"t{choice['index']}", choice.get("text"))):
                grown[key] = grown.get(key, "") + (text or "")
            for made in delta.get("tool_calls") or ():
                grown["j"] = grown.get("j", "") + made["function"].get("arguments", "")
        if api is Api.MESSAGES and data.get("type") == "content_block_delta":
            key, text = ("j", data["delta"].get("partial_json")) if data["index"] else ("c", data["delta"].get("text"))
            grown[key] = grown.get(key, "") + text
        if api is Api.RESPONSES:
            numbers.append(data["sequence_number"])
            if data["type"].endswith(".delta"):
                key = "j" if "arguments" in data["type"] else "c"
                grown[key] = grown.get(key, "") + data["delta"]
            whole += [text for text in (data.get("text"), data.get("arguments")) if text]
            for item in (data.get("response") or {}).get("output") or ():
                whole += [item["arguments"]] if "arguments" in item else [item["content"][0]["text"]]
    assert numbers == list(range(len(numbers)))
    assert all(text == REAL or orjson.loads(text) == {"to": REAL} for text in whole)
    called = [text for key, text in grown.items() if key == "j" and text]
    return [text for key, text in grown.items() if key != "j" and text], called


STREAMS = {Api.CHAT: chat, Api.COMPLETION: completion, Api.MESSAGES: messages, Api.RESPONSES: responses}


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 7, 500])
def test_texts_cut_anywhere_come_out_whole(api: Api, size: int) -> None:
    """Deltas of one character up to all at once: the client reads the real text, and valid JSON in arguments."""
    stream = RestoredStream(PutBack(PAIRS), api)
    texts, called = read(api, stream.feed(STREAMS[api](size)) + stream.finish())
    assert set(texts) == {REAL}
    assert [orjson.loads(text) for text in called] == ([] if api is Api.COMPLETION else [{"to": REAL}])


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize("size", [40, pytest.param(3, marks=pytest.mark.slow)])
def test_streams_cut_at_every_byte_come_out_alike(api: Api, size: int) -> None:
    """Wherever the bytes of a stream are cut, the same bytes come out, and no event holds a pseudonym."""
    raw = STREAMS[api](size)
    back = PutBack(PAIRS)
    plain = RestoredStream(back, api)
    expected = plain.feed(raw) + plain.finish()
    assert b"Edith" not in expected
    for cut in range(len(raw) + 1):
        stream = RestoredStream(back, api)
        assert stream.feed(raw[:cut]) + stream.feed(raw[cut:]) + stream.finish() == expected


def test_a_stream_that_breaks_gives_what_was_held() -> None:
    """An error event, or an end without a finish reason: the text before comes out first, the event as it is."""
    back = PutBack(PAIRS)
    begun = event({"choices": [{"index": 0, "delta": {"content": "by Yard"}}]})
    broken = event({"error": {"message": "x", "src": "localfleet"}})
    stream = RestoredStream(back, Api.CHAT)
    assert b"by " in stream.feed(b": waits\n\n" + begun)
    out = stream.feed(broken)
    assert out.index(b"Yard") < out.index(b"error")
    assert out.endswith(broken)
    stream = RestoredStream(back, Api.CHAT)
    stream.feed(begun)
    assert b"Yard" in stream.finish()


def test_a_whole_answer_of_any_shape_is_put_back() -> None:
    """Contents, parts, arguments as JSON in a string, input of tools with their keys."""
    back = PutBack(PAIRS)
    answer = {
        "choices": [{"message": {"content": MADE, "tool_calls": [{"function": {"arguments": CALLED}}]}}],
        "content": [{"type": "tool_use", "input": {"Edith": [MADE, 1, None]}}],
    }
    made = orjson.loads(back.whole(orjson.dumps(answer)))
    message = made["choices"][0]["message"]
    assert message["content"] == REAL
    assert orjson.loads(message["tool_calls"][0]["function"]["arguments"]) == {"to": REAL}
    assert made["content"][0]["input"] == {"Julia": [REAL, 1, None]}


def test_a_body_is_written_with_other_texts_and_nothing_else() -> None:
    """Known and unknown fields, nested and repeated; the model, numbers, flags and the body given stay as they are."""
    body = {
        "model": "secret", "messages": [{"role": "user", "content": "secret"}], "user": "secret",
        "odd": {"a": "secret", "n": 7},
        "stop": ["secret", "x"], "stream": True, "seed": 123456,
    }  # fmt: skip
    before = [span.text for span in spans_of(body)]
    after = [text.replace("secret", "hidden") for text in before]
    made = rewritten(body, before, after)
    assert made["messages"][0]["content"] == made["user"] == made["odd"]["a"] == made["stop"][0] == "hidden"
    assert (made["model"], made["stream"], made["seed"], made["odd"]["n"]) == ("secret", True, 123456, 7)
    assert body["user"] == "secret"


@pytest.mark.parametrize("body", [{"model": "m", "x": {"secret": 1}}, {"model": "m", "ssn": 123456789}])
def test_a_key_or_a_number_is_not_rewritten(body: dict[str, Any]) -> None:
    """What would need another key or number is refused, so that the request stays."""
    before = [span.text for span in spans_of(body)]
    with pytest.raises(ValueError, match="cannot be replaced"):
        rewritten(body, before, [text.replace("secret", "hidden").replace("12345", "99999") for text in before])
