"""Tokens by part of the context, and the words that ask, from bodies of every API."""

from typing import Any

import pytest

from localfleet.core.ask import Api, Caller
from localfleet.core.label import Label
from localfleet.core.routing.parts import Parts
from localfleet.wire.parts import parts_of
from localfleet.wire.read import read_ask

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
LONG = "word " * 80
"""400 characters: 100 tokens."""


def parts(api: Api, **body: Any) -> tuple[Parts, str]:
    """The parts of a body."""
    letter = read_ask({"model": "auto", **body}, api=api, headers={}, caller=CALLER, request_id="r", size=100)
    return parts_of(letter.ask, letter.body)


def test_a_chat_with_everything() -> None:
    """System, history, tool results, tools, the last user turn, documents in tags, and the output asked for."""
    found, text = parts(
        Api.CHAT,
        messages=[
            {"role": "system", "content": LONG},
            {"role": "user", "content": LONG},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "1", "content": LONG * 2},
            {"role": "user", "content": f"<document>{LONG}</document>what does it say?"},
        ],
        tools=[{"type": "function", "function": {"name": "f", "description": LONG}}],
        max_tokens=50,
        n=2,
    )
    assert text == "what does it say?"
    assert (found.system, found.tool_results, found.user, found.output) == (100, 200, 4, 100)
    assert 100 <= found.documents <= 110
    assert 100 <= found.history <= 120
    assert 100 <= found.tools <= 130
    assert found.context == sum(found.row().values()) - found.output


@pytest.mark.parametrize(
    ("api", "body", "system", "user"),
    [
        (Api.MESSAGES, {"system": LONG, "messages": [{"role": "user", "content": "hello you"}]}, 100, 2),
        (Api.MESSAGES, {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]}, 0, 100),
        (Api.RESPONSES, {"instructions": LONG, "input": LONG}, 100, 100),
        (Api.COMPLETION, {"prompt": LONG}, 0, 100),
        (Api.EMBEDDING, {"input": [LONG, LONG]}, 0, 200),
    ],
)  # fmt: skip
def test_every_api_has_its_words(api: Api, body: dict[str, Any], system: int, user: int) -> None:
    """Where each API keeps its instructions and its question."""
    found, text = parts(api, **body)
    assert (found.system, found.user) == (system, user)
    assert text


def test_blocks_that_are_documents_or_results() -> None:
    """Anthropic's blocks are what their type says, whoever's turn they stand in."""
    content = [
        {"type": "document", "source": {"type": "text", "data": LONG}},
        {"type": "tool_result", "tool_use_id": "1", "content": LONG},
        {"type": "text", "text": "and now?"},
    ]
    found, text = parts(Api.MESSAGES, messages=[{"role": "user", "content": content}], max_tokens=5)
    assert found.documents >= 100
    assert found.tool_results >= 100
    assert (found.user, text) == (2, "and now?")


def test_nothing_said_by_the_user_is_no_question() -> None:
    """A conversation that an assistant began has no last user turn."""
    found, text = parts(Api.CHAT, messages=[{"role": "assistant", "content": LONG}])
    assert (found.user, found.history, text) == (0, 100, "")
