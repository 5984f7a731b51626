"""The tap answers as a good provider does, judged by the real clients, and records every byte it receives."""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from process import Tap
from pydantic import BaseModel
from tap_behaviour import Behaviour, Tokens

PARIS = "The capital of France is Paris."
ASKED: Any = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
FLAT_TOOL: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}
CLAUDE_TOOL: Any = {"name": "weather", "input_schema": WEATHER}
CALLED = {"city": "Paris", "days": 7}


class City(BaseModel):
    """A shape for structured output."""

    city: str
    population: int


def openai_client(tap: Tap) -> openai.OpenAI:
    """The real client, without its own retries."""
    return openai.OpenAI(base_url=tap.v1, api_key="sk-tap", max_retries=0)


def anthropic_client(tap: Tap) -> anthropic.Anthropic:
    """The real client, without its own retries."""
    return anthropic.Anthropic(base_url=tap.url, api_key="sk-tap", max_retries=0)


def test_a_tap_starts_fast(tmp_path: Path) -> None:
    """A tap takes connections well within a second, even on a busy machine, and prints where."""
    before = time.monotonic()
    with Tap.start(tmp_path) as tap:
        assert time.monotonic() - before < 3
        socket.create_connection(("127.0.0.1", tap.port)).close()


def test_chat(openai_tap: Tap) -> None:
    """OpenAI's client reads a plain chat answer with its usage."""
    with openai_client(openai_tap) as client:
        answer = client.chat.completions.create(model="m", messages=ASKED, n=2, logprobs=True)
    assert [choice.message.content for choice in answer.choices] == [PARIS, PARIS]
    assert answer.choices[0].logprobs is not None
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 12)


@pytest.mark.parametrize("asked", [True, False])
def test_chat_stream(openai_tap: Tap, asked: bool) -> None:
    """A chat stream brings the role first, then words, a finish reason, and usage only if it was asked for."""
    with openai_client(openai_tap) as client:
        stream = client.chat.completions.create(
            model="m", messages=ASKED, stream=True, stream_options={"include_usage": asked}
        )
        chunks = [*stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == PARIS
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([17] if asked else [])


def test_chat_tools(openai_tap: Tap) -> None:
    """A required tool is called, plain and streamed, with arguments that fit its schema."""
    with openai_client(openai_tap) as client:
        plain = client.chat.completions.create(model="m", messages=ASKED, tools=[CHAT_TOOL], tool_choice="required")
        with client.chat.completions.stream(
            model="m", messages=ASKED, tools=[CHAT_TOOL], tool_choice="required"
        ) as stream:
            streamed = stream.get_final_completion()
    for choice in (plain.choices[0], streamed.choices[0]):
        calls: Any = choice.message.tool_calls
        assert calls[0].function.name == "weather"
        assert json.loads(calls[0].function.arguments) == CALLED
        assert choice.finish_reason == "tool_calls"


def test_chat_json_schema(openai_tap: Tap) -> None:
    """A JSON schema is answered with JSON that fits it."""
    with openai_client(openai_tap) as client:
        answer = client.chat.completions.parse(model="m", messages=ASKED, response_format=City)
    assert answer.choices[0].message.parsed == City(city="Paris", population=7)


def test_completion(openai_tap: Tap) -> None:
    """Plain completions: a choice for each prompt, and a stream that spells the text."""
    with openai_client(openai_tap) as client:
        answer = client.completions.create(model="m", prompt=["a", "b"])
        parts = [*client.completions.create(model="m", prompt="a", stream=True)]
    assert [choice.text for choice in answer.choices] == [PARIS, PARIS]
    assert "".join(part.choices[0].text for part in parts) == PARIS
    assert parts[-1].choices[0].finish_reason == "stop"


def test_embeddings_and_models(openai_tap: Tap) -> None:
    """Embeddings come in base64 as the client asks; the model list has the tap's models."""
    with openai_client(openai_tap) as client:
        vectors = client.embeddings.create(model="m", input=["a", "b"], dimensions=4).data
        assert [len(vector.embedding) for vector in vectors] == [4, 4]
        assert vectors[0].embedding != vectors[1].embedding
        assert [model.id for model in client.models.list()] == ["gpt-4o-mini"]


def test_responses(openai_tap: Tap) -> None:
    """The Responses API, plain and streamed, with text, tools and a schema."""
    with openai_client(openai_tap) as client:
        assert client.responses.create(model="m", input="capital?").output_text == PARIS
        called = client.responses.create(model="m", input="w", tools=[FLAT_TOOL], tool_choice="required").output[0]
        assert called.type == "function_call"
        assert json.loads(called.arguments) == CALLED
        assert client.responses.parse(model="m", input="c", text_format=City).output_parsed == City(
            city="Paris", population=7
        )
        with client.responses.stream(model="m", input="capital?") as stream:
            final = stream.get_final_response()
        with client.responses.stream(model="m", input="w", tools=[FLAT_TOOL], tool_choice="required") as stream:
            streamed: Any = stream.get_final_response().output[0]
    assert final.output_text == PARIS
    assert final.usage is not None
    assert final.usage.output_tokens == 6
    assert json.loads(streamed.arguments) == CALLED


def test_messages(anthropic_tap: Tap) -> None:
    """Anthropic's client reads plain and streamed answers, tool calls and the token count."""
    anthropic_tap.always(Behaviour(tokens=Tokens(input=20, cache_read=5)))
    tools: Any = {"tools": [CLAUDE_TOOL], "tool_choice": {"type": "any"}}
    with anthropic_client(anthropic_tap) as client:
        plain = client.messages.create(model="m", max_tokens=99, messages=ASKED)
        assert [block.text for block in plain.content if block.type == "text"] == [PARIS]
        assert (plain.usage.input_tokens, plain.usage.cache_read_input_tokens) == (15, 5)
        called: Any = client.messages.create(model="m", max_tokens=99, messages=ASKED, **tools).content[0]
        assert (called.type, called.input) == ("tool_use", CALLED)
        with client.messages.stream(model="m", max_tokens=99, messages=ASKED) as stream:
            assert "".join(stream.text_stream) == PARIS
            assert stream.get_final_message().usage.output_tokens == 6
        with client.messages.stream(model="m", max_tokens=99, messages=ASKED, **tools) as stream:
            streamed: Any = stream.get_final_message().content[0]
        assert (streamed.type, streamed.input) == ("tool_use", CALLED)
        assert client.messages.count_tokens(model="m", messages=ASKED).input_tokens == 20


def test_a_token_limit_cuts_the_answer(openai_tap: Tap, anthropic_tap: Tap) -> None:
    """`max_tokens` is respected and reported in each API's own word."""
    with openai_client(openai_tap) as client, anthropic_client(anthropic_tap) as claude:
        chat = client.chat.completions.create(model="m", messages=ASKED, max_tokens=2).choices[0]
        message = claude.messages.create(model="m", max_tokens=2, messages=ASKED)
    assert (chat.message.content, chat.finish_reason) == ("The capital", "length")
    assert message.stop_reason == "max_tokens"


def test_async_clients(openai_tap: Tap, anthropic_tap: Tap) -> None:
    """The asynchronous clients stream from a tap too, many at once."""

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=openai_tap.v1, api_key="k", max_retries=0) as client:
            return [*await asyncio.gather(*(_spelled(client) for _ in range(20))), await _claude(anthropic_tap)]

    assert asyncio.run(ask()) == [PARIS] * 21


async def _spelled(client: openai.AsyncOpenAI) -> str:
    stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def _claude(tap: Tap) -> str:
    async with (
        anthropic.AsyncAnthropic(base_url=tap.url, api_key="k", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=99, messages=ASKED) as stream,
    ):
        return "".join([text async for text in stream.text_stream])


def test_every_byte_is_recorded(openai_tap: Tap) -> None:
    """Chunked bodies, trailers, pipelined and unfinished requests: the raw file holds exactly what was sent."""
    first = b"POST /v1/chat/completions?q=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    first += b'8;ext=1\r\n{"a": 1}\r\n0\r\nx-trailer: TRAIL\r\n\r\n'
    second = b"POST /v1/messages HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 500\r\n\r\nhalf"
    with socket.create_connection(("127.0.0.1", openai_tap.port)) as sock:
        sock.sendall(first + second)
        time.sleep(0.05)
    assert openai_tap.wait_for("close")
    assert openai_tap.received() == first + second
    one, two = openai_tap.requests()
    assert (one.path, one.json, one.raw, one.complete) == ("/v1/chat/completions?q=1", {"a": 1}, first, True)
    assert (two.headers["x-a"], two.body, two.raw, two.complete) == ("1, 2", b"half", second, False)


def test_a_large_body_is_recorded_whole(openai_tap: Tap) -> None:
    """Eight megabytes arrive, are answered and are in the recording."""
    text = "x" * 8_000_000
    with openai_client(openai_tap) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    assert openai_tap.requests()[0].json["messages"][0]["content"] == text


def test_clear_and_reset_forget(openai_tap: Tap) -> None:
    """`clear` empties the recording; `reset` empties the script too."""
    openai_tap.script(Behaviour(text="one"), Behaviour(text="two"))
    with openai_client(openai_tap) as client:
        said = client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content
    assert said == "one"
    openai_tap.clear()
    assert (openai_tap.received(), openai_tap.requests(), openai_tap.counters()["scripted"]) == (b"", [], 1)
    openai_tap.reset()
    with openai_client(openai_tap) as client:
        said = client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content
    assert said == PARIS
    assert len(openai_tap.requests()) == 1
