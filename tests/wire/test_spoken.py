"""Answers as judges read them: in each API, whole and as a stream, the same words come out."""

import json
from typing import Any

import orjson
import pytest

from localfleet.core.ask import Api, Caller
from localfleet.core.label import Label
from localfleet.wire.derived import chat_body, derived
from localfleet.wire.read import Letter, read_ask
from localfleet.wire.spoken import question_of, read_spoken, without_logprobs
from localfleet.wire.translate import from_chat, stream_from_chat

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
TEXT = "The answer is 42."
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
TURNS: dict[Api, dict[str, Any]] = {
    Api.CHAT: {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is it?"}]},
    Api.MESSAGES: {"system": "Be brief.", "messages": [{"role": "user", "content": "What is it?"}], "max_tokens": 9},
    Api.RESPONSES: {"instructions": "Be brief.", "input": "What is it?"},
    Api.COMPLETION: {"prompt": "What is it?"},
}


def letter(api: Api, *, stream: bool = False, **more: Any) -> Letter:
    """A small request."""
    body = {"model": "auto", "stream": stream, **TURNS[api], **more}
    return read_ask(body, api=api, headers={}, caller=CALLER, request_id="r", size=99)


def reply(finish: str = "stop") -> dict[str, Any]:
    """A whole chat answer with a text and a call."""
    message = {"role": "assistant", "content": TEXT, "tool_calls": [CALL]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def chunks(finish: str = "stop") -> list[dict[str, Any]]:
    """The same in pieces."""
    half = {"index": 0, "function": {"arguments": ' "x"}'}}
    first = {**CALL, "function": {"name": "find", "arguments": '{"q":'}}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": TEXT[:5]},
        {"content": TEXT[5:]},
        {"tool_calls": [first]},
        {"tool_calls": [half]},
    ]
    pieces = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [*pieces, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]


def whole(api: Api, finish: str = "stop") -> bytes:
    """What a client of this API gets whole."""
    if api is Api.CHAT:
        return orjson.dumps(reply(finish))
    return orjson.dumps(from_chat(api, reply(finish), model="m", request_id="r"))


def streamed(api: Api, finish: str = "stop") -> bytes:
    """What it gets as a stream."""
    if api is Api.CHAT:
        return b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks(finish)) + b"data: [DONE]\n\n"
    translator = stream_from_chat(api, model="m", request_id="r")
    return b"".join(translator.feed(chunk) for chunk in chunks(finish)) + translator.finish()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", [Api.CHAT, Api.MESSAGES, Api.RESPONSES])
def test_an_answer_reads_the_same_in_every_api(api: Api, *, stream: bool) -> None:
    """Text, calls and a cut-off are found in all of them, whole or in pieces."""
    make = streamed if stream else whole
    asked = letter(api, stream=stream)
    spoken = read_spoken(asked, make(api))
    assert spoken.text == TEXT
    (call,) = spoken.calls
    assert (call.name, json.loads(call.arguments)) == ("find", {"q": "x"})
    assert not spoken.cut_off
    assert read_spoken(asked, make(api, "length")).cut_off


def test_a_completion_is_read() -> None:
    """The older API has its text, its cut and its own form of log probabilities."""
    said = {"token_logprobs": [-0.1, None, -0.3], "top_logprobs": [{"a": -0.1, "b": -2}, None, {"a": -0.3}]}
    body = {"choices": [{"index": 0, "text": TEXT, "finish_reason": "length", "logprobs": said}]}
    spoken = read_spoken(letter(Api.COMPLETION), orjson.dumps(body))
    assert (spoken.text, spoken.cut_off) == (TEXT, True)
    assert [(token.logprob, token.top) for token in spoken.tokens] == [(-0.1, (-0.1, -2.0)), (-0.3, (-0.3,))]


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"choices": 3}', b'{"choices": [{"message": []}]}'])
def test_what_cannot_be_read_is_an_empty_answer(data: bytes) -> None:
    """No judge is content with nothing, so an odd answer goes on."""
    assert read_spoken(letter(Api.CHAT), data).text == ""


def test_what_the_request_asks_for_is_known_to_the_judges() -> None:
    """A schema and the tools that were offered, wherever an API puts them."""
    schema = {"type": "object"}
    chat: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    tools = [{"type": "function", "function": {"name": "find"}}, {"name": "lose"}]
    spoken = read_spoken(letter(Api.CHAT, **chat, tools=tools), b"{}")
    assert (spoken.asked_json, spoken.schema, spoken.offered) == (True, schema, frozenset({"find", "lose"}))
    text: dict[str, Any] = {"text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}}
    assert read_spoken(letter(Api.RESPONSES, **text), b"{}").schema == schema


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_can_be_taken_out(*, stream: bool) -> None:
    """Everything else of the answer stays, in its order."""
    bare = reply() if not stream else chunks()[0]
    told = {**bare, "choices": [{**bare["choices"][0], "logprobs": {"content": []}}]}
    data = orjson.dumps(told) if not stream else b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(told)
    shown = without_logprobs(data, stream=stream)
    assert shown == (orjson.dumps(bare) if not stream else b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(bare))


@pytest.mark.parametrize("api", list(TURNS))
def test_a_judge_is_told_what_was_asked(api: Api) -> None:
    """The turns, and nothing of the options."""
    said = question_of(letter(api, user="someone"))
    assert "What is it?" in said
    assert "someone" not in said


def test_a_derived_letter_is_at_least_as_sensitive() -> None:
    """Law 1: what is made of restricted text says so, for the same caller, and remembers no conversation."""
    sent = derived(letter(Api.CHAT), chat_body("judge", "text", system="Grade."), label=Label.RESTRICTED)
    assert sent.ask.declared is Label.RESTRICTED
    assert sent.ask.caller == CALLER
    assert sent.ask.turns == ()
    assert {span.text for span in sent.ask.spans} >= {"text", "Grade."}
