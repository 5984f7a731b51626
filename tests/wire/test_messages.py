"""Anthropic's Messages API to chat and back, checked with Anthropic's own types and client."""

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.errors import BadAsk
from localfleet.wire import messages

Replay = Callable[[bytes], str]

_KEYS = st.sampled_from(
    [
        "model", "messages", "system", "tools", "tool_choice", "metadata", "output_config", "format", "stop_sequences",
        "role", "content", "type", "text", "source", "data", "media_type", "url", "id", "name", "input", "tool_use_id",
        "input_schema", "strict", "description", "user_id", "schema", "thinking", "stream", "top_k", "temperature",
        "choices", "delta", "message", "index", "tool_calls", "function", "arguments", "usage", "prompt_tokens",
        "completion_tokens", "prompt_tokens_details", "cached_tokens", "finish_reason", "stop_reason", "created",
        "reasoning_content", "refusal", "logprobs", "token", "logprob", "top_logprobs", "bytes",
    ]
)  # fmt: skip
_WORDS = st.sampled_from(
    [
        "user", "assistant", "system", "text", "image", "document", "tool_use", "tool_result", "thinking", "base64",
        "url", "auto", "any", "tool", "none", "json_schema", "custom", "stop", "length", "tool_calls", "{}", '{"a":1}',
    ]
)  # fmt: skip
_ODD_TEXT = st.text(st.characters(), max_size=6) | _WORDS
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | _ODD_TEXT
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_KEYS, _JSON, max_size=6)


def _typed(kinds: list[str], fields: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Nearly right objects: a known type and some known fields, each with anything in it."""
    return st.fixed_dictionaries({"type": st.sampled_from(kinds)}, optional=dict.fromkeys(fields, _JSON | _ODD_TEXT))


_SOURCE = _typed(["base64", "url", "text", "file"], ["media_type", "data", "url"])
_BLOCK = st.builds(
    lambda block, source: block | ({"source": source} if source else {}),
    _typed(
        ["text", "image", "document", "tool_use", "tool_result", "thinking", "server_tool_use"],
        ["text", "source", "id", "name", "input", "tool_use_id", "content", "title"],
    ),
    st.none() | _SOURCE,
)
_NEARLY_RIGHT = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "max_tokens": st.just(9) | _JSON,
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant"]), "content": st.lists(_BLOCK, max_size=3) | _JSON}
            ),
            max_size=3,
        ),
    },
    optional={
        "system": st.lists(_BLOCK, max_size=2) | _JSON,
        "tools": st.lists(_typed(["custom"], ["name", "description", "input_schema", "strict"]), max_size=2),
        "tool_choice": _typed(["auto", "any", "tool", "none"], ["name", "disable_parallel_tool_use"]),
        "output_config": st.fixed_dictionaries({"format": _typed(["json_schema"], ["schema"])}),
        "metadata": _OBJECTS,
        "stop_sequences": _JSON,
    },
)
_DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": _ODD_TEXT | _JSON,
        "reasoning_content": _ODD_TEXT | _JSON,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"function": st.fixed_dictionaries({}, optional={"name": _ODD_TEXT, "arguments": _ODD_TEXT | _JSON})},
                optional={"index": st.integers(-1, 2) | _JSON, "id": _ODD_TEXT | _JSON},
            ),
            max_size=3,
        ),
    },
)
_CHAT_ROLES = {"system", "user", "assistant", "tool"}


def _ask(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 64, "messages": list(turns), **fields}


def _chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "x", "object": "chat.completion.chunk", "created": 7, "choices": choices, **more}


def _stream(*chunks: dict[str, Any]) -> bytes:
    stream = messages.StreamFromChat("fleet-small", "r1")
    return b"".join(stream.feed(chunk) for chunk in chunks) + stream.finish()


def _read(replay: Replay, stream: bytes) -> Message:
    """What the real client makes of a stream."""
    with (
        anthropic.Anthropic(base_url=replay(stream), api_key="k", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as events,
    ):
        return events.get_final_message()


def test_a_whole_conversation_becomes_a_chat() -> None:
    """System, images, a tool call with its answer, sampling and tools: each in its chat form."""
    body = _ask(
        {"role": "user", "content": "How warm is it in Oslo?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Here."},
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "12 C"}]},
            ],
        },
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "weather", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stream=True,
        metadata={"user_id": "u1", "task": "other"},
        thinking={"type": "adaptive"},
        service_tier="auto",
        seed=3,
    )
    assert messages.to_chat(body) == {
        "model": "m",
        "max_tokens": 64,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How warm is it in Oslo?"},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "12 C"},
            {"role": "user", "content": "Here."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stream": True,
        "user": "u1",
        "seed": 3,
    }


def test_images_and_text_documents_become_parts() -> None:
    """Base64 turns into a data URL, a URL stays, a document's title and text stay apart."""
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
    ]
    (turn,) = messages.to_chat(_ask({"role": "user", "content": content}))["messages"]
    assert turn["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "T"},
        {"type": "text", "text": "D"},
    ]


def test_images_in_a_tool_result_move_to_the_turn_that_follows() -> None:
    """Chat allows text alone in a tool's answer; an empty answer is still an answer."""
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    content = [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}, image]},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
    ]
    assert messages.to_chat(_ask({"role": "user", "content": content}))["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "x"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tool_choice_in_all_forms(choice: dict[str, Any], expected: Any) -> None:
    """Each of the four forms has one chat form, and says nothing about parallel calls."""
    chat = messages.to_chat(_ask({"role": "user", "content": "x"}, tool_choice=choice))
    assert chat["tool_choice"] == expected
    assert "parallel_tool_calls" not in chat


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_json_schema_becomes_a_response_format(field: str) -> None:
    """Both the present and the older spelling."""
    wanted: dict[str, Any] = {"type": "json_schema", "schema": {"type": "object"}}
    value = {"format": wanted, "effort": "low"} if field == "output_config" else wanted
    chat = messages.to_chat(_ask({"role": "user", "content": "x"}, **{field: value}))
    assert chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": {"type": "object"}},
    }
    assert field not in chat


def test_what_would_change_the_purchase_does_not_travel() -> None:
    """A chat-only field hidden in a Messages body cannot ask for more answers or more tokens."""
    chat = messages.to_chat(_ask({"role": "user", "content": "x"}, n=9, best_of=9, max_completion_tokens=99999))
    assert chat == {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.content"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "messages.content"),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, "messages.content"),
        ({"system": [{"type": "image"}]}, "system"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "tools"),
        ({"tools": [{"name": "f"}]}, "tools.input_schema"),
        ({"tool_choice": {"type": "some"}}, "tool_choice"),
        ({"mcp_servers": [{"url": "u"}]}, "mcp_servers"),
        ({"temperature": float("nan")}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"metadata": []}, "metadata"),
        ({"output_config": {"format": {"type": "yaml"}}}, "output_config.format"),
    ],
)
def test_malformed_bodies_name_the_field(fields: dict[str, Any], param: str) -> None:
    """A fixed sentence, and the name of a known field."""
    body = _ask({"role": "user", "content": "x"}) | fields
    with pytest.raises(BadAsk) as caught:
        messages.to_chat(body)
    assert caught.value.param == param


@pytest.mark.parametrize("source", [{"type": "base64", "data": "x"}, {"type": "url", "url": "x"}, {"type": "file"}])
def test_documents_other_than_text_are_refused(source: dict[str, Any]) -> None:
    """A PDF cannot be read by a chat server."""
    body = _ask({"role": "user", "content": [{"type": "document", "source": source}]})
    with pytest.raises(BadAsk, match="not supported by the model chosen"):
        messages.to_chat(body)


def test_too_deep_tool_input_is_refused() -> None:
    """A tool call's input that cannot be written as JSON again is the caller's error, not a crash."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    block = {"type": "tool_use", "id": "t", "name": "f", "input": deep}
    with pytest.raises(BadAsk):
        messages.to_chat(_ask({"role": "assistant", "content": [block]}))


@settings(max_examples=100, deadline=None)
@given(st.one_of(_OBJECTS, _NEARLY_RIGHT))
def test_only_bad_ask_escapes_from_to_chat(body: dict[str, Any]) -> None:
    """Any JSON object is translated or refused; the caller's body stays as it was."""
    before = repr(copy.deepcopy(body))
    with contextlib.suppress(BadAsk):
        assert all(turn["role"] in _CHAT_ROLES for turn in messages.to_chat(body)["messages"])
    assert repr(body) == before


def _strings(value: Any) -> set[str]:
    """Every string inside, also those in the JSON of a call's arguments."""
    if isinstance(value, dict):
        inside = set().union(*map(_strings, value.values())) | set(value) if value else set()
        if isinstance(value.get("arguments"), str):
            inside |= _strings(json.loads(value["arguments"]))
        return inside
    if isinstance(value, list):
        return set().union(*map(_strings, value)) if value else set()
    return {value} if isinstance(value, str) else set()


_MARKS = st.text("XYZ0123456789", min_size=12, max_size=12)


@given(st.lists(_MARKS, min_size=12, max_size=12, unique=True))
def test_every_text_that_should_leave_leaves_and_no_other(marks: list[str]) -> None:
    """Each kept text is found in the chat, each dropped one is not, and nothing is added but chat's own words."""
    kept, dropped = marks[:10], marks[10:]
    body = _ask(
        {"role": "user", "content": [{"type": "text", "text": kept[0]}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": kept[1]},
                {"type": "thinking", "thinking": dropped[0], "signature": dropped[1]},
                {"type": "tool_use", "id": kept[2], "name": kept[3], "input": {kept[4]: [kept[5]]}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": kept[2], "content": kept[6]}]},
        system=kept[7],
        tools=[{"name": kept[3], "description": kept[8], "input_schema": {"title": kept[9]}}],
    )
    chat = messages.to_chat(body)
    told = _strings(chat)
    assert set(kept) <= told
    assert told.isdisjoint(dropped)
    words = "model m max_tokens messages role content type text user assistant system tool function tool_calls id name"
    words += " arguments tool_call_id tools description parameters title"
    escaped = {call["function"]["arguments"] for turn in chat["messages"] for call in turn.get("tool_calls", [])}
    assert told - escaped <= set(kept) | set(words.split())


def _reply(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10}}
    return {"id": "c", "object": "chat.completion", "created": 7, "choices": [choice | more], "usage": usage}


def _message(reply: dict[str, Any]) -> Message:
    return Message.model_validate(messages.from_chat(reply, model="fleet-small", request_id="r1"), strict=True)


def test_a_chat_answer_becomes_a_message() -> None:
    """Thinking, text, calls, stop reason and usage, as Anthropic's own type reads them."""
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    message = _message(_reply({"content": "Look.", "reasoning_content": "hm", "tool_calls": [call]}, "tool_calls"))
    assert message.model_dump(exclude_none=True) == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "fleet-small",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Look."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 20,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 10,
            "output_tokens": 5,
        },
    }


@pytest.mark.parametrize(
    ("finish", "more", "expected"),
    [
        ("stop", {}, ("end_turn", None)),
        ("length", {}, ("max_tokens", None)),
        ("content_filter", {}, ("refusal", None)),
        ("stop", {"stop_reason": "END"}, ("stop_sequence", "END")),
        ("stop", {"stop_reason": 2}, ("end_turn", None)),
        ("stop", {"matched_stop": "END"}, ("stop_sequence", "END")),
        ("something new", {}, ("end_turn", None)),
    ],
)
def test_stop_reasons(finish: str, more: dict[str, Any], expected: tuple[str, str | None]) -> None:
    """Each chat reason has one of Anthropic's; a stop sequence is told where the engine tells it."""
    message = _message(_reply({"content": "x"}, finish, **more))
    assert (message.stop_reason, message.stop_sequence) == expected


def test_a_refusal_and_a_call_are_told_whatever_the_finish_reason() -> None:
    """Engines that say `stop` for everything still give the right stop reason."""
    call = {"function": {"name": "f", "arguments": "not json"}}
    refused = _message(_reply({"content": None, "refusal": "No."}))
    called = _message(_reply({"content": None, "tool_calls": [call]}))
    assert (refused.stop_reason, refused.content[0].model_dump()["text"]) == ("refusal", "No.")
    assert called.stop_reason == "tool_use"
    assert called.content[0].model_dump(exclude_none=True) == {
        "type": "tool_use",
        "id": "toolu_r1_0",
        "name": "f",
        "input": {},
    }


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{"index": 0}]}, {"error": {"message": "x"}}])
def test_an_answer_without_a_message_is_a_value_error(reply: dict[str, Any]) -> None:
    """There is nothing to make a message of."""
    with pytest.raises(ValueError, match="no message"):
        messages.from_chat(reply, model="m", request_id="r")


@settings(max_examples=100, deadline=None)
@given(_OBJECTS | _DELTA, _OBJECTS)
def test_any_message_object_is_translated(message: dict[str, Any], reply: dict[str, Any]) -> None:
    """Whatever an engine puts into its message, Anthropic's type reads the result, and it can be written as JSON."""
    whole = {**reply, "choices": [{"message": message, "finish_reason": reply.get("finish_reason")}]}
    answer = messages.from_chat(whole, model="m", request_id="r")
    json.dumps(answer, allow_nan=False).encode()
    Message.model_validate(answer, strict=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(_OBJECTS | st.builds(lambda delta: {"choices": [{"delta": delta}]}, _DELTA), max_size=5))
def test_any_chunks_make_a_stream(chunks: list[dict[str, Any]]) -> None:
    """Odd chunks raise nothing, and the events stay whole and in order."""
    events = _events(_stream(*chunks))
    assert [events[0]["type"], events[-2]["type"], events[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]


def _events(stream: bytes) -> list[dict[str, Any]]:
    events = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def test_the_real_client_reads_a_stream_of_everything(replay: Replay) -> None:
    """Thinking, text, two calls in pieces, usage in a chunk of its own: the client's final message."""
    stream = _stream(
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"reasoning_content": "h"}),
        _chunk({"reasoning_content": "m"}),
        _chunk({"content": "Lo"}),
        {"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "ok."}}]},
        _chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        _chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
        _chunk({}, "tool_calls"),
        _chunk(usage={"prompt_tokens": 12, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 4}}),
    )
    message = _read(replay, stream)
    assert message.model_dump(exclude_none=True) == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "fleet-small",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Look."},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 8,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 6,
        },
    }


def test_the_real_client_raises_on_the_error_event(replay: Replay) -> None:
    """A stream that broke ends with a typed error, and nothing after it."""
    stream = messages.StreamFromChat("m", "r")
    told = stream.feed(_chunk({"content": "x"})) + stream.error("engine_failed", "The engine failed; try again.")
    assert stream.finish() == b""
    with pytest.raises(anthropic.APIStatusError) as caught:
        _read(replay, told)
    assert caught.value.body == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "The engine failed; try again.",
            "code": "engine_failed",
            "src": "localfleet",
        },
    }


_INPUTS = st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=8) | st.booleans(), max_size=4)


@given(_INPUTS, st.text(min_size=1, max_size=10), st.data())
def test_a_stream_in_any_pieces_equals_the_whole_answer(arguments: dict[str, Any], text: str, data: Any) -> None:
    """Text and arguments cut anywhere give the same content as the answer in one piece."""
    written = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
    head: dict[str, Any] = {"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in _cut(text, data)]
    deltas.append({"tool_calls": [head]})
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in _cut(written, data)]
    whole: dict[str, Any] = {
        "content": text,
        "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": written}}],
    }
    expected = messages.from_chat(_reply(whole, "tool_calls"), model="fleet-small", request_id="r1")["content"]
    assert _content(_events(_stream(*[_chunk(delta) for delta in deltas]))) == expected


def _cut(text: str, data: Any) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _content(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content that a stream's events add up to."""
    blocks: list[dict[str, Any]] = []
    partial = ""
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(event["content_block"])
            partial = ""
        elif event["type"] == "content_block_delta":
            partial += event["delta"].get("partial_json", "")
            blocks[-1]["text"] = blocks[-1].get("text", "") + event["delta"].get("text", "")
        elif event["type"] == "content_block_stop" and blocks[-1]["type"] == "tool_use":
            blocks[-1].pop("text")
            blocks[-1]["input"] = json.loads(partial)
    return blocks


def test_an_answer_survives_the_round_trip() -> None:
    """What came back as a Message goes out again as the chat message that it was."""
    chat = {
        "content": "Look.",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    message = messages.from_chat(_reply(chat, "tool_calls"), model="m", request_id="r")
    turn = {"role": message["role"], "content": message["content"]}
    assert messages.to_chat(_ask(turn))["messages"] == [{"role": "assistant", **chat}]
