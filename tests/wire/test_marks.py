"""`localfleet_label` on pieces of a body: it raises the label, wherever it stands, and leaves with nothing."""

import json
from typing import Any

import pytest

from localfleet.core.ask import Api, Caller
from localfleet.core.label import Label
from localfleet.wire.read import Letter, read_ask

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)


def read(body: dict[str, Any], headers: dict[str, str] | None = None) -> Letter:
    """A chat body."""
    whole = {"model": "auto", **body}
    return read_ask(whole, api=Api.CHAT, headers=headers or {}, caller=CALLER, request_id="r", size=99)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x", "localfleet_label": "restricted"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "localfleet_label": "Restricted"}]}]},
        {
            "messages": [{"role": "user", "content": "x"}],
            "documents": [{"text": "y", "localfleet_label": "restricted"}],
        },
        {"messages": [{"role": "user", "content": "x"}], "localfleet_label": "restricted"},
        {"messages": [{"role": "user", "content": "x"}], "a": [{"b": {"localfleet_label": "nonsense"}}]},
        {"messages": [{"role": "user", "content": "x"}], "a": {"localfleet_label": 7}},
        {"messages": [{"role": "user", "content": "x"}], "a": {"localfleet_label": None}},
    ],
)
def test_a_mark_anywhere_raises_the_label_and_does_not_leave(body: dict[str, Any]) -> None:
    """On a tool's result, a part, a document, the body, deep inside; one that cannot be read is restricted."""
    letter = read(body)
    assert (letter.ask.declared, letter.ask.declared_by) == (Label.RESTRICTED, "chunk")
    assert "localfleet_label" not in json.dumps(letter.body)
    assert not any("localfleet_label" in span.text for span in letter.ask.spans)
    assert letter.ask.unreadable == ()


def test_the_highest_word_wins() -> None:
    """Of several marks, headers and metadata, none lowers what another says."""
    chunks = [{"text": "a", "localfleet_label": "public"}, {"text": "b", "localfleet_label": "internal"}]
    body = {"messages": [{"role": "user", "content": "x"}], "documents": chunks}
    assert read(body).ask.declared is Label.INTERNAL
    high = read(body, {"x-localfleet-privacy": "restricted"})
    assert (high.ask.declared, high.ask.declared_by) == (Label.RESTRICTED, "header")
    low = read(body, {"x-localfleet-privacy": "public"})
    assert (low.ask.declared, low.ask.declared_by) == (Label.INTERNAL, "chunk")


def test_a_conversation_is_the_same_with_and_without_marks() -> None:
    """Its fingerprints are those of what was said: a client that forgets the mark next time is known all the same."""
    turn = {"role": "user", "content": "x"}
    assert (
        read({"messages": [{**turn, "localfleet_label": "restricted"}]}).ask.turns
        == read({"messages": [turn]}).ask.turns
    )


def test_text_that_speaks_of_the_mark_is_no_mark() -> None:
    """In content the words are words."""
    assert read({"messages": [{"role": "user", "content": "localfleet_label: restricted"}]}).ask.declared is None
