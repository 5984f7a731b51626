"""OpenAI's Responses API to chat and back, checked with OpenAI's own types and client."""

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from localfleet.errors import BadAsk
from localfleet.wire import responses

Replay = Callable[[bytes], str]

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_KEYS = st.sampled_from(
    [
        "model", "input", "instructions", "tools", "tool_choice", "text", "format", "reasoning", "effort", "include",
        "role", "content", "type", "output", "call_id", "name", "arguments", "image_url", "file_data", "parameters",
        "strict", "mode", "top_logprobs", "background", "user", "metadata", "stream", "choices", "delta", "message",
        "index", "tool_calls", "function", "id", "usage", "prompt_tokens", "completion_tokens_details", "created",
        "completion_tokens", "reasoning_tokens", "finish_reason", "reasoning_content", "refusal", "logprobs", "token",
        "logprob", "bytes",
    ]
)  # fmt: skip
_WORDS = st.sampled_from(["user", "message", "function", "auto", "stop", "length", "json_schema", "{}", '{"a":1}'])
_ODD_TEXT = st.text(st.characters(), max_size=6) | _WORDS
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_KEYS, _JSON, max_size=6)


def _typed(kinds: list[str], fields: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Nearly right objects: a known type and some known fields, each with anything in it."""
    return st.fixed_dictionaries({"type": st.sampled_from(kinds)}, optional=dict.fromkeys(fields, _JSON | _ODD_TEXT))


_PART = _typed(
    ["input_text", "output_text", "refusal", "input_image", "input_file", "input_audio"],
    ["text", "refusal", "image_url", "detail", "file_data", "filename", "input_audio"],
)
_PARTS = st.lists(_PART, max_size=2) | _ODD_TEXT
_ITEM = st.builds(
    lambda item, role, parts: item | {"role": role, "content": parts, "output": parts},
    _typed(["message", "function_call", "function_call_output", "reasoning"], ["call_id", "name", "arguments"]),
    st.sampled_from(["user", "assistant", "developer", "system"]),
    _PARTS,
)
_NEARLY_RIGHT = st.fixed_dictionaries(
    {"input": st.lists(_ITEM, max_size=4) | _ODD_TEXT},
    optional={
        "instructions": _ODD_TEXT,
        "tools": st.lists(_typed(["function"], ["name", "description", "parameters", "strict"]), max_size=2),
        "tool_choice": _WORDS | _typed(["function", "allowed_tools"], ["name", "mode", "tools"]),
        "text": st.fixed_dictionaries({"format": _typed(["json_schema", "text"], ["name", "schema", "strict"])}),
        "include": _JSON,
        "reasoning": _OBJECTS,
        "metadata": _OBJECTS,
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


def _ask(given: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": given, **fields}


def _chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "x", "object": "chat.completion.chunk", "created": 7, "choices": choices, **more}


def _stream(*chunks: dict[str, Any]) -> bytes:
    stream = responses.StreamFromChat("fleet-small", "r1")
    return b"".join(stream.feed(chunk) for chunk in chunks) + stream.finish()


def _events(stream: bytes) -> list[dict[str, Any]]:
    events = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def test_a_whole_conversation_becomes_a_chat() -> None:
    """Instructions, messages, a call with its answer, sampling, tools and format: each in its chat form."""
    body = _ask(
        [
            {"role": "developer", "content": "Use metric units."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How warm is it?"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "a", "name": "weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call", "call_id": "b", "name": "weather", "arguments": '{"city":"Rome"}'},
            {"type": "function_call_output", "call_id": "a", "output": "12 C"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "25 C"}]},
        ],
        instructions="Be brief.",
        tools=[{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}],
        tool_choice={"type": "function", "name": "weather"},
        text={"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}},
        max_output_tokens=64,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        reasoning={"effort": "low", "summary": "auto"},
        top_logprobs=2,
        user="u1",
        metadata={"k": "v"},
        stream=True,
        store=False,
        include=[],
        truncation="auto",
        previous_response_id="resp_1",
        background=False,
        seed=3,
    )
    assert responses.to_chat(body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "system", "content": "Use metric units."},
            {"role": "user", "content": "How warm is it?"},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
                    {"id": "b", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "12 C"},
            {"role": "tool", "tool_call_id": "b", "content": "25 C"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
        },
        "max_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u1",
        "metadata": {"k": "v"},
        "stream": True,
        "seed": 3,
    }


def test_a_plain_string_is_a_user_turn() -> None:
    """The shortest request."""
    assert responses.to_chat(_ask("Hello")) == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def test_text_after_calls_joins_their_answer() -> None:
    """An answer that called first and spoke second is still one assistant message before the tool's answer."""
    items = [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"role": "assistant", "content": "Wait."},
        {"type": "function_call_output", "call_id": "a", "output": "ok"},
        {"role": "assistant", "content": "Done."},
    ]
    assert [(turn["role"], turn["content"]) for turn in responses.to_chat(_ask(items))["messages"]] == [
        ("assistant", "Wait."),
        ("tool", "ok"),
        ("assistant", "Done."),
    ]


def test_images_files_and_sound_become_parts() -> None:
    """Each kind of part has its chat form; what a tool shows goes after all answers."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"}
    file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}
    sound = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}, image, file, sound]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [image]},
        {"type": "function_call_output", "call_id": "b", "output": "ok"},
    ]
    seen = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}
    chat = responses.to_chat(_ask(items))["messages"]
    assert chat[0]["content"] == [
        {"type": "text", "text": "Look."},
        seen,
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
    ]
    assert [turn["role"] for turn in chat] == ["user", "assistant", "tool", "tool", "user"]
    assert (chat[2]["content"], chat[4]["content"]) == ("", [seen])


def test_allowed_tools_shorten_the_list() -> None:
    """The tools that are not allowed are not shown to the model at all."""
    tools: list[dict[str, Any]] = [{"type": "function", "name": name, "parameters": {}} for name in ("f", "g")]
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    chat = responses.to_chat(_ask("x", tools=tools, tool_choice=choice))
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["g"]
    assert chat["tool_choice"] == "required"


def test_allowing_no_tool_offers_none() -> None:
    """Where none of the tools is allowed, none reaches the model."""
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "z"}]}
    chat = responses.to_chat(_ask("x", tools=[{"type": "function", "name": "f"}], tool_choice=choice))
    assert "tools" not in chat
    assert "tool_choice" not in chat


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"format": {"type": "text"}}, {}),
        ({"format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ({"verbosity": "low"}, {"verbosity": "low"}),
    ],
)
def test_text_formats(text: dict[str, Any], expected: dict[str, Any]) -> None:
    """Plain text asks for nothing; a JSON object is a response format."""
    assert responses.to_chat(_ask("x", text=text)) == responses.to_chat(_ask("x")) | expected


def test_what_would_change_the_purchase_does_not_travel() -> None:
    """Chat's own fields hidden in a Responses body cannot ask for more than was declared, or say something else."""
    hidden = {"n": 9, "best_of": 9, "max_tokens": 9999, "max_completion_tokens": 9999, "messages": ["other"]}
    assert responses.to_chat(_ask("x", **hidden)) == responses.to_chat(_ask("x"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [3]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": [{"type": "web_search_call"}]}, "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.role"),
        ({"input": [{"role": [], "content": "x"}]}, "input.role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]}, "input.content"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.call_id"),
        ({"instructions": ["x"]}, "instructions"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"conversation": "c"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools.name"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tool_choice": []}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": []}}, "tool_choice.tools"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"include": "x"}, "include"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
    ],
)
def test_malformed_bodies_name_the_field(fields: dict[str, Any], param: str) -> None:
    """A fixed sentence, and the name of a known field."""
    with pytest.raises(BadAsk) as caught:
        responses.to_chat(_ask("x") | fields)
    assert caught.value.param == param


@settings(max_examples=100, deadline=None)
@given(st.one_of(_OBJECTS, _NEARLY_RIGHT))
def test_only_bad_ask_escapes_from_to_chat(body: dict[str, Any]) -> None:
    """Any JSON object is translated or refused; the caller's body stays as it was."""
    before = repr(copy.deepcopy(body))
    with contextlib.suppress(BadAsk):
        assert all(turn["role"] in _CHAT_ROLES for turn in responses.to_chat(body)["messages"])
    assert repr(body) == before


def _strings(value: Any) -> set[str]:
    """Every string inside, keys too."""
    if isinstance(value, dict):
        return set(value).union(*map(_strings, value.values()))
    if isinstance(value, list):
        return set[str]().union(*map(_strings, value))
    return {value} if isinstance(value, str) else set()


@given(st.lists(st.text("XYZ0123456789", min_size=12, max_size=12), min_size=14, max_size=14, unique=True))
def test_every_text_that_should_leave_leaves_and_no_other(marks: list[str]) -> None:
    """Each kept text is found in the chat, each dropped one is not, and nothing is added but chat's own words."""
    kept, dropped = marks[:11], marks[11:]
    body = _ask(
        [
            {"role": "user", "content": [{"type": "input_text", "text": kept[0]}], "id": dropped[0]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": dropped[1]}]},
            {"role": "assistant", "content": kept[1]},
            {"type": "function_call", "call_id": kept[2], "name": kept[3], "arguments": kept[4]},
            {"type": "function_call_output", "call_id": kept[2], "output": kept[5]},
        ],
        instructions=kept[6],
        tools=[{"type": "function", "name": kept[3], "description": kept[7], "parameters": {"title": kept[8]}}],
        user=kept[9],
        metadata={"title": kept[10]},
        previous_response_id=dropped[2],
    )
    told = _strings(responses.to_chat(body))
    words = "model m messages role content type user assistant system tool function tool_calls id name arguments"
    words += " tool_call_id tools description parameters title metadata"
    assert set(kept) <= told
    assert told <= set(kept) | set(words.split())


def _reply(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    return {"id": "c", "object": "chat.completion", "created": 1700000000, "choices": [choice], "usage": usage}


def _response(reply: dict[str, Any]) -> Response:
    answer = responses.from_chat(reply, model="fleet-small", request_id="r1")
    return Response.model_validate_json(json.dumps(answer), strict=True)


def test_a_chat_answer_becomes_a_response() -> None:
    """Reasoning, text, a call and usage, as OpenAI's own type reads them."""
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    answer = _response(_reply({"content": "Look.", "reasoning_content": "hm", "tool_calls": [call]}, "tool_calls"))
    assert (answer.id, answer.created_at, answer.model) == ("resp_r1", 1700000000, "fleet-small")
    assert (answer.status, answer.output_text, answer.incomplete_details) == ("completed", "Look.", None)
    assert [item.model_dump(exclude_none=True) for item in answer.output] == [
        {
            "id": "rs_r1_0",
            "type": "reasoning",
            "status": "completed",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
        },
        {
            "id": "msg_r1_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Look.", "annotations": [], "logprobs": []}],
        },
        {
            "id": "fc_r1_2",
            "type": "function_call",
            "status": "completed",
            "call_id": "t1",
            "name": "weather",
            "arguments": '{"city":"Oslo"}',
        },
    ]
    assert answer.usage is not None
    assert answer.usage.model_dump() == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 35,
    }


@pytest.mark.parametrize(
    ("finish", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
def test_why_a_response_is_incomplete(finish: str, why: str | None) -> None:
    """A cut answer says why, and so does its last item."""
    answer = _response(_reply({"content": "x"}, finish))
    assert (answer.incomplete_details.reason if answer.incomplete_details else None) == why
    assert answer.status == ("incomplete" if why else "completed")
    assert answer.output[-1].model_dump()["status"] == answer.status


def test_log_probabilities_travel() -> None:
    """They stand beside the text, with the bytes worked out where the engine gave none."""
    logprobs = {"content": [{"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.5}]}]}
    answer = _response(_reply({"content": "é"}, logprobs=logprobs))
    (item,) = answer.output
    assert item.model_dump()["content"][0]["logprobs"] == [
        {
            "token": "é",
            "logprob": -0.5,
            "bytes": [195, 169],
            "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}],
        }
    ]


def test_an_uncounted_answer_has_no_usage() -> None:
    """Nothing counted is not zero."""
    reply = _reply({"content": "x"})
    del reply["usage"]
    assert _response(reply).usage is None


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{"index": []}]}, {"error": {"message": "x"}}])
def test_an_answer_without_a_message_is_a_value_error(reply: dict[str, Any]) -> None:
    """There is nothing to make a response of."""
    with pytest.raises(ValueError, match="no message"):
        responses.from_chat(reply, model="m", request_id="r")


@settings(max_examples=100, deadline=None)
@given(_OBJECTS | _DELTA, _OBJECTS)
def test_any_message_object_is_translated(message: dict[str, Any], reply: dict[str, Any]) -> None:
    """Whatever an engine puts into its message, OpenAI's type reads the result."""
    choice = {"message": message, "finish_reason": reply.get("finish_reason"), "logprobs": reply.get("logprobs")}
    answer = responses.from_chat({**reply, "choices": [choice]}, model="m", request_id="r")
    Response.model_validate_json(json.dumps(answer, allow_nan=False), strict=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(_OBJECTS | st.builds(lambda delta: {"choices": [{"delta": delta}]}, _DELTA), max_size=5))
def test_any_chunks_make_a_stream(chunks: list[dict[str, Any]]) -> None:
    """Odd chunks raise nothing; each event is one that OpenAI's types know, numbered without a gap."""
    events = _events(_stream(*chunks))
    for event in events:
        _EVENT.validate_json(json.dumps(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [events[0]["type"], events[1]["type"]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] in {"response.completed", "response.incomplete"}


_EVERYTHING = (
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


def test_the_events_of_a_stream_in_order() -> None:
    """Each item is added, filled, done; the response is created, under way, completed."""
    kinds = [event["type"].removeprefix("response.") for event in _events(_stream(*_EVERYTHING))]
    call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        call[0],
        call[1],
        *call[1:],
        *call,
        "completed",
    ]


def _client(replay: Replay, stream: bytes) -> openai.OpenAI:
    return openai.OpenAI(base_url=replay(stream), api_key="k", max_retries=0)


def test_the_real_client_reads_a_stream_of_everything(replay: Replay) -> None:
    """`responses.stream` gathers the same final response that a whole answer gives."""
    with (
        _client(replay, _stream(*_EVERYTHING)) as client,
        client.responses.stream(model="m", input="x") as events,
    ):
        final = events.get_final_response()
    calls = [
        {"id": name, "function": {"name": function, "arguments": arguments}}
        for name, function, arguments in (("a", "f", '{"x": 1}'), ("b", "g", "{}"))
    ]
    whole = _reply({"content": "Look.", "reasoning_content": "hm", "tool_calls": calls}, "tool_calls")
    expected = _response(whole | {"created": 7})
    assert final.output_text == "Look."
    shown = json.loads(final.model_dump_json(exclude_none=True))["output"]
    assert shown == json.loads(expected.model_dump_json(exclude_none=True))["output"]
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (12, 6)


def test_the_real_client_reads_the_events_of_a_cut_refusal(replay: Replay) -> None:
    """`responses.create(stream=True)` yields typed events; a cut answer ends as incomplete."""
    stream = _stream(_chunk({"refusal": "I will"}), _chunk({"refusal": " not"}), _chunk({}, "length"))
    with (
        _client(replay, stream) as client,
        client.responses.create(model="m", input="x", stream=True) as events,
    ):
        got = list(events)
    assert [event.delta for event in got if event.type == "response.refusal.delta"] == ["I will", " not"]
    last = got[-1]
    assert last.type == "response.incomplete"
    assert last.response.output[0].model_dump()["content"] == [{"type": "refusal", "refusal": "I will not"}]
    assert last.response.output[0].model_dump()["status"] == "incomplete"


def test_the_real_client_reads_the_error_event(replay: Replay) -> None:
    """A stream that broke ends with one typed error event and nothing after it."""
    broken = responses.StreamFromChat("m", "r")
    told = broken.feed(_chunk({"content": "x"})) + broken.error("engine_failed", "The engine failed; try again.")
    assert broken.finish() == b""
    assert broken.feed(_chunk({"content": "y"})) == b""
    with _client(replay, told) as client, client.responses.create(model="m", input="x", stream=True) as events:
        last = list(events)[-1]
    assert last.type == "error"
    assert (last.code, last.message) == ("engine_failed", "The engine failed; try again.")


@given(st.text(min_size=1, max_size=10), st.text(min_size=1, max_size=12), st.data())
def test_a_stream_in_any_pieces_equals_the_whole_answer(text: str, value: str, data: Any) -> None:
    """Text and arguments cut anywhere give the same response as the answer in one piece."""
    written = json.dumps({"k": value}, ensure_ascii=data.draw(st.booleans()))
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in _cut(text, data)]
    deltas.append({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]})
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in _cut(written, data)]
    reply = _reply({"content": text, "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": written}}]})
    expected = responses.from_chat(reply, model="fleet-small", request_id="r1")
    chunks = [_chunk(delta, created=reply["created"]) for delta in deltas]
    events = _events(_stream(*chunks, _chunk({}, "tool_calls", usage=reply["usage"])))
    assert events[-1]["response"] == expected
    told = "".join(event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta")
    assert told == written


def _cut(text: str, data: Any) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def test_an_answer_survives_the_round_trip() -> None:
    """What came back as output items goes out again as the chat message that it was."""
    chat = {
        "content": "Look.",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    answer = responses.from_chat(_reply(chat, "tool_calls"), model="m", request_id="r")
    assert responses.to_chat(_ask(answer["output"]))["messages"] == [{"role": "assistant", **chat}]
