"""The main job end to end: unchanged `openai` and `anthropic` clients, the running process, its real model."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from process import Tap
from router import Router
from tap_fleet import openai_entry

FRANCE = "What is the capital of France?"
ASKED: Any = [{"role": "user", "content": FRANCE}]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY}}
ANTHROPIC_TOOL: Any = {"name": "get_weather", "description": "The weather.", "input_schema": CITY}


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """`localfleet up` with the embedded model and one hosted door, which is a tap."""
    settings = {
        "version": 1,
        "local": {
            "small": {"weights": "smollm2-135m-instruct", "can": ["tools", "json", "logprobs"], "threads": 1},
            "vectors": {"weights": "smollm2-135m-instruct", "apis": ["embedding"], "context_tokens": 512, "threads": 1},
        },
        "hosted": {"mini": openai_entry(shared_taps[1])},
        "privacy": {"default": "internal"},
    }
    router = Router.start(tmp_path_factory.mktemp("up"), settings, verb="up")
    try:
        yield router
    finally:
        router.stop()


@pytest.fixture(scope="module")
def chat(router: Router) -> Iterator[openai.OpenAI]:
    """The OpenAI client, with nothing changed but its base URL."""
    with openai.OpenAI(base_url=router.v1, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(router: Router) -> Iterator[anthropic.Anthropic]:
    """The Anthropic client, with nothing changed but its base URL."""
    with anthropic.Anthropic(base_url=router.url, api_key="unused", max_retries=0) as client:
        yield client


def test_the_capital_of_france_is_paris(chat: openai.OpenAI) -> None:
    """A real model answers a real question, on the box, with the decision in the headers."""
    answer = chat.chat.completions.with_raw_response.create(model="local", messages=ASKED, temperature=0)
    assert "Paris" in str(answer.parse().choices[0].message.content)
    assert answer.headers["x-localfleet-model"] == "small"
    assert answer.headers["x-localfleet-tier"] == "local"
    assert answer.headers["x-localfleet-privacy"] == "internal"
    assert answer.headers["x-localfleet-reason"] == "pinned_local"
    assert answer.headers["x-localfleet-attempts"] == "1"
    assert answer.headers["x-localfleet-cost-usd"] == "0"


def test_openai_streams(chat: openai.OpenAI) -> None:
    """Chunks come one by one; the usage chunk only where it was asked for."""
    plain = list(chat.chat.completions.create(model="local", messages=ASKED, temperature=0, stream=True))
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in plain)
    assert all(chunk.choices for chunk in plain)
    asked = list(
        chat.chat.completions.create(
            model="local", messages=ASKED, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens > 0


def test_openai_async(router: Router) -> None:
    """The async client, plain and streaming, several at once."""

    async def story() -> list[str]:
        async with openai.AsyncOpenAI(base_url=router.v1, api_key="unused", max_retries=0) as client:

            async def whole() -> str:
                answer = await client.chat.completions.create(model="local", messages=ASKED, temperature=0)
                return str(answer.choices[0].message.content)

            async def streamed() -> str:
                stream = await client.chat.completions.create(model="local", messages=ASKED, temperature=0, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return list(await asyncio.gather(whole(), streamed(), whole()))

    assert all("Paris" in text for text in asyncio.run(story()))


def test_openai_tools_and_schema(chat: openai.OpenAI) -> None:
    """A required tool call has arguments that parse; JSON schema output obeys its schema; logprobs come through."""
    called = chat.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[TOOL],
        tool_choice="required",
        temperature=0,
        max_tokens=100,
    )
    calls: Any = called.choices[0].message.tool_calls
    assert calls[0].function.name == "get_weather"
    assert "city" in json.loads(calls[0].function.arguments)
    shaped = chat.chat.completions.create(
        model="local",
        messages=ASKED,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
        temperature=0,
        max_tokens=60,
    )
    assert set(json.loads(str(shaped.choices[0].message.content))) == {"city"}
    scored = chat.chat.completions.create(
        model="local", messages=ASKED, logprobs=True, max_tokens=4, seed=1, stop=["!"]
    )
    assert scored.choices[0].logprobs is not None


def test_responses_and_completions(chat: openai.OpenAI) -> None:
    """`/v1/responses` plain, streaming and continued, and the legacy `/v1/completions`."""
    first = chat.responses.create(model="local", input=FRANCE, temperature=0)
    assert "Paris" in first.output_text
    with chat.responses.stream(model="local", input=FRANCE, temperature=0) as stream:
        final = stream.until_done().get_final_response()
    assert "Paris" in final.output_text
    more = chat.responses.create(
        model="local", input="And of Spain?", previous_response_id=final.id, temperature=0, max_output_tokens=30
    )
    assert more.usage is not None
    assert first.usage is not None
    assert more.usage.input_tokens > first.usage.input_tokens
    text = chat.completions.create(model="local", prompt="The capital of France is", max_tokens=4, temperature=0)
    assert "Paris" in text.choices[0].text


def test_anthropic(claude: anthropic.Anthropic) -> None:
    """Messages, plain, streaming and with a required tool."""
    answer = claude.messages.create(model="local", max_tokens=40, messages=ASKED, extra_body={"temperature": 0})
    assert "Paris" in getattr(answer.content[0], "text", "")
    assert answer.usage.output_tokens > 0
    with claude.messages.stream(model="local", max_tokens=40, messages=ASKED) as stream:
        text = "".join(stream.text_stream)
        assert text == getattr(stream.get_final_message().content[0], "text", "")
    called = claude.messages.create(
        model="local",
        max_tokens=100,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[ANTHROPIC_TOOL],
        tool_choice={"type": "any"},
    )
    assert called.stop_reason == "tool_use"
    assert any(block.type == "tool_use" and "city" in block.input for block in called.content)


def test_anthropic_async(router: Router) -> None:
    """The async client, streaming."""

    async def story() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=router.url, api_key="unused", max_retries=0) as client,
            client.messages.stream(model="local", max_tokens=40, messages=ASKED) as stream,
        ):
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(story())


def test_unrestricted_goes_out_and_restricted_stays(chat: openai.OpenAI, router: Router, openai_tap: Tap) -> None:
    """`auto` takes the hosted door when it may; a flag, a finding or a restricted past keeps it on the box."""
    out = chat.chat.completions.with_raw_response.create(model="auto", messages=ASKED, temperature=0)
    assert (out.headers["x-localfleet-tier"], out.headers["x-localfleet-reason"]) == ("low_cost", "cheapest_hosted")
    assert len(openai_tap.posts()) == 1
    flagged = {"x-localfleet-privacy": "restricted", "x-localfleet-session": "s-1"}
    mail: Any = [{"role": "user", "content": "Write to jane.roe@northwind-clinic.com about her results."}]
    for messages, headers in ((ASKED, flagged), (mail, {}), (ASKED, {"x-localfleet-session": "s-1"})):
        kept = chat.chat.completions.with_raw_response.create(
            model="auto", messages=messages, max_tokens=5, extra_headers=headers
        )
        assert kept.headers["x-localfleet-tier"] == "local"
        assert kept.headers["x-localfleet-privacy"] == "restricted"
        assert kept.headers["x-localfleet-reason"] == "restricted_stays_local"
    assert len(openai_tap.posts()) == 1
    assert b"northwind" not in openai_tap.received()


def test_errors_are_typed_for_the_clients(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Each client raises its own error classes, with a message that says what to do."""
    with pytest.raises(openai.NotFoundError, match="GET /v1/models lists them") as unknown:
        chat.chat.completions.create(model="nobody", messages=ASKED)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError, match="GET /v1/models lists them"):
        claude.messages.create(model="nobody", max_tokens=5, messages=ASKED)
    with pytest.raises(openai.ConflictError, match="forbids the hosted model"):
        chat.chat.completions.create(model="mini", messages=ASKED, extra_headers={"x-localfleet-privacy": "restricted"})
    with pytest.raises(openai.BadRequestError, match="`messages` must be a list"):
        chat.chat.completions.create(model="auto", messages=[])


def test_models_are_listed(chat: openai.OpenAI) -> None:
    """`GET /v1/models` names the virtual models and every entry."""
    assert [model.id for model in chat.models.list()] == ["auto", "local", "small", "vectors", "mini"]


def test_every_request_left_a_receipt(router: Router, chat: openai.OpenAI) -> None:
    """What was answered, refused and kept local stands in the report, and the chain is whole."""
    chat.chat.completions.create(model="local", messages=ASKED, max_tokens=2)
    for _ in range(20):
        report = json.loads(router.here("report", "--by", "tier", "--json").stdout)
        if {"local"} <= {row["group"] for row in report}:
            break
    assert sum(row["requests"] for row in report) >= 1
    verified = router.here("audit", "verify")
    assert (verified.returncode, "chain whole" in verified.stdout) == (0, True)


def test_openai_embeddings_stay_on_the_box(chat: openai.OpenAI) -> None:
    """A local model makes the vectors of restricted text; the client's default encoding works."""
    raw = chat.embeddings.with_raw_response.create(
        model="auto", input=["SSN: 581-83-5989", "call me"], extra_headers={"x-localfleet-privacy": "restricted"}
    )
    answer = raw.parse()
    assert [len(one.embedding) for one in answer.data] == [576, 576]
    assert (raw.headers["x-localfleet-model"], raw.headers["x-localfleet-tier"]) == ("vectors", "local")
    assert answer.usage.prompt_tokens > 5
