"""`privacy.on_restricted: redact` against the running router: what leaves, what comes back, what is recorded."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from echo_model import Echo, echoing
from private_talk import Talk, messages, talk
from process import Tap
from router import Response, Router
from tap_fleet import local_entry, openai_entry

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}]
MAIL = "Fix the commas: you can write to joe.doe@firm.io after five."


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """The hosted model."""
    with echoing() as started:
        yield started


def settings(echo: Echo, local_tap: Tap, **privacy: Any) -> dict[str, Any]:
    """A box and a hosted model that echoes; restricted text may leave redacted."""
    hosted = openai_entry(local_tap, base_url=echo.url, apis=["chat", "responses"])
    return {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": hosted},
        "privacy": {"on_restricted": "redact", "layers": ["own", "secrets", "patterns"], **privacy},
    }


@pytest.fixture(scope="module")
def shared_router(
    tmp_path_factory: pytest.TempPathFactory, echo: Echo, shared_taps: tuple[Tap, Tap, Tap]
) -> Iterator[Router]:
    """One router for all tests here; tables only, so that nothing stays for what it is about."""
    with Router.start(tmp_path_factory.mktemp("redact"), settings(echo, shared_taps[0])) as started:
        yield started


@pytest.fixture
def router(shared_router: Router, echo: Echo, local_tap: Tap) -> Router:
    """The router, with taps as new."""
    assert local_tap is not None
    echo.heard.clear()
    return shared_router


def said_by(answer: Response, *, stream: bool) -> tuple[str, str]:
    """The answer's text, and the arguments of its call."""
    if not stream:
        message = answer.json["choices"][0]["message"]
        calls = message.get("tool_calls") or [{"function": {"arguments": ""}}]
        return message["content"], calls[0]["function"]["arguments"]
    text = called = ""
    for line in answer.body.split(b"\n\n"):
        if line.startswith(b"data: {"):
            delta = json.loads(line[6:])["choices"][0]["delta"]
            text += delta.get("content") or ""
            called += "".join(one["function"].get("arguments", "") for one in delta.get("tool_calls") or ())
    return text, called


def left_by_us(raw: bytes, request_id: str) -> bytes:
    """What was heard, without what no caller has said: the port listened on, and our own random number."""
    return re.sub(rb"host: 127[.]0[.]0[.]1:[0-9]+", b"", raw).replace(request_id.encode(), b"")


def holds_a_conversation(router: Router, echo: Echo, said: Talk, number: int) -> int:
    """Turn by turn, each with the answers before it; returns how many turns went out. Nothing private is heard."""
    answers: list[str] = []
    out = 0
    for at in range(len(said.turns)):
        stream, tools = bool((number + at) % 2), bool((number + at) % 3 == 0)
        body: dict[str, Any] = {"model": "auto", "stream": stream, "messages": messages(said.turns[: at + 1], answers)}
        if tools:
            body["tools"] = TOOLS
        echo.heard.clear()
        answer = router.post(CHAT, body, headers={"x-localfleet-session": f"talk-{number}"} if number % 4 == 0 else {})
        assert answer.status == 200, answer.body
        raw = left_by_us(b"".join(echo.heard), answer.headers["x-localfleet-request-id"])
        text, called = said_by(answer, stream=stream)
        for unit in said.units:
            assert unit.encode() not in raw
            assert json.dumps(unit)[1:-1].encode() not in raw
        if answer.headers["x-localfleet-tier"] != "local":
            out += 1
            assert raw
            assert text == said.turns[at]
            assert not tools or json.loads(called) == {"said": said.turns[at]}
        answers.append(text)
    return out


def test_a_conversation_leaves_without_its_values_and_comes_back_with_them(router: Router, echo: Echo) -> None:
    """A dozen conversations, whole and streamed, with tools and sessions: no unit at the tap, answers exact."""
    turns = out = 0
    for number in range(12):  # every mix of stream, tools and session
        said = talk(number)
        turns += len(said.turns)
        out += holds_a_conversation(router, echo, said, number)
    assert out == turns


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("names", [False, True])
def test_two_thousand_conversations(tmp_path: Path, local_tap: Tap, echo: Echo, *, names: bool) -> None:
    """1,600 with tables alone, 400 with topics and names read too: not one unit of any at the tap."""
    layers: dict[str, Any] = {"layers": "all"} if names else {}
    turns = out = 0
    with Router.start(tmp_path, settings(echo, local_tap, **layers)) as started:
        for number in range(100, 500 if names else 1700):
            said = talk(number, names=names)
            turns += len(said.turns)
            out += holds_a_conversation(started, echo, said, number)
    # Where topics are read, what is about somebody's money or health stays, numbers or not.
    assert out > turns * (0.5 if names else 0.98), (out, turns)


def test_headers_and_the_record_say_that_it_was_redacted(router: Router, echo: Echo) -> None:
    """The label is the request's, the reason says redacted; the intent has the label of what left, with counts."""
    answer = router.post(CHAT, {"model": "auto", "messages": [{"role": "user", "content": MAIL}]})
    assert answer.headers["x-localfleet-privacy"] == "restricted"
    assert answer.headers["x-localfleet-reason"] == "redacted"
    assert answer.headers["x-localfleet-model"] == "mini"
    assert b"joe.doe" not in b"".join(echo.heard)
    assert router.run("audit", "export", "out.jsonl").returncode == 0
    lines = (router.folder / "work" / "out.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    wanted = answer.headers["x-localfleet-request-id"]
    bodies = [row["body"] if isinstance(row.get("body"), dict) else json.loads(row.get("body") or "{}") for row in rows]
    intent, receipt = (body for body in bodies if body.get("request_id") == wanted)
    assert (intent["label"], receipt["label"]) == (1, 2)
    assert intent["because"] == ["redacted", "key_default"]
    assert ["redacted:email", 1, 0] in receipt["findings"]
    assert b"joe.doe" not in b"".join(lines)


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        ({}, {"x-localfleet-privacy": "restricted"}),
        ({"metadata": {"privacy": "restricted"}}, {}),
        ({"logprobs": True}, {}),
        ({"ssn": 123456789}, {}),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]}, {}),
        ({"messages": [{"role": "user", "content": f"{MAIL} Or joe%40firm.io in a link."}]}, {}),
    ],
)
def test_what_cannot_be_redacted_stays(
    router: Router, echo: Echo, local_tap: Tap, more: dict[str, Any], headers: dict[str, str]
) -> None:
    """A label that was said, an image, log probabilities, a number, an address in another dress: the box answers."""
    answer = router.post(CHAT, {"model": "auto", "messages": [{"role": "user", "content": MAIL}], **more}, headers)
    assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local")
    assert answer.headers["x-localfleet-reason"] == "restricted_stays_local"
    assert echo.heard == []
    assert local_tap.posts()


def test_a_box_that_is_asked_by_name_gets_the_text_as_it_is(router: Router, echo: Echo, local_tap: Tap) -> None:
    """Pseudonyms are for the street; the local model reads the caller's own words."""
    router.post(CHAT, {"model": "box", "messages": [{"role": "user", "content": MAIL}]})
    assert b"joe.doe@firm.io" in local_tap.received()
    assert echo.heard == []


def test_a_conversation_that_went_out_redacted_stays_local_once_it_cannot(
    router: Router, echo: Echo, local_tap: Tap
) -> None:
    """Its third turn says restricted; from then on it is remembered, and redaction opens nothing any more."""
    turns = [{"role": "user", "content": f"{MAIL} No. 77"}, {"role": "assistant", "content": "Done."}]
    tiers = []
    for headers in ({}, {"x-localfleet-privacy": "restricted"}, {}):
        turns.append({"role": "user", "content": "And again."})
        answer = router.post(CHAT, {"model": "auto", "messages": turns}, headers)
        tiers.append(answer.headers["x-localfleet-tier"])
    assert tiers == ["low_cost", "local", "local"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_other_apis_come_back_exact_too(tmp_path: Path, echo: Echo, local_tap: Tap, *, stream: bool) -> None:
    """Messages and Responses, translated for a model that speaks chat, read by the real clients."""
    file = settings(echo, local_tap)
    file["hosted"]["mini"] |= {"provider": "groq", "apis": ["chat", "messages", "responses"]}
    text = "Fix the commas: you can write to joe.doe@firm.io, or call +1 415-222-7788 after five."
    said: dict[str, Any] = {"model": "mini", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}
    echo.heard.clear()
    with (
        Router.start(tmp_path, file) as router,
        anthropic.Anthropic(base_url=router.url, api_key="none") as ours,
        openai.OpenAI(base_url=router.v1, api_key="none") as theirs,
    ):
        if stream:
            with ours.messages.stream(**said) as events:
                first = "".join(events.text_stream)
            with theirs.responses.stream(model="mini", input=text) as answer:
                second = "".join(one.delta for one in answer if one.type == "response.output_text.delta")
                assert answer.get_final_response().output_text == text
        else:
            first = ours.messages.create(**said).content[0].text
            second = theirs.responses.create(model="mini", input=text).output_text
    assert (first, second) == (text, text)
    assert len(echo.heard) == 2
    assert not [raw for raw in echo.heard if b"joe.doe" in raw or b"222-7788" in raw]
