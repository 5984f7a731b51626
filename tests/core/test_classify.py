"""Operator rules against the ways a word can be dressed."""

import pytest

from localfleet.config import parse_settings
from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import classify
from localfleet.core.label import Label
from localfleet.rulebook import build_rules

RULES = build_rules(
    parse_settings(
        b"version: 1\nlocal:\n  small: {weights: smollm2-135m-instruct}\nprivacy:\n  rules:\n"
        b"    - {name: project, words: [Blueheron, 'Projet \xc3\x89toile']}\n"
        b"    - {name: customer, pattern: 'CUST-[0-9]{6}'}\n"
    )
)


def label_of(text: str) -> Label:
    """The label of a text from a caller whose default is public."""
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    spans = (Span(where="messages[].content", text=text),)
    return classify(Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=spans), RULES).label


@pytest.mark.parametrize(
    "text",
    [
        "status of Blueheron please",
        "BLUEHERON",
        "(blueheron)",
        "Blue\u200bheron",
        "look up CUST-123456",
        "look up CUST\u2010\uff11\uff12\uff13\uff14\uff15\uff16",
        "le Projet Étoile avance",
    ],
)
def test_an_operators_word_is_found_however_it_is_dressed(text: str) -> None:
    """Any case, beside any punctuation, with invisible or wide characters in it."""
    assert label_of(text) is Label.RESTRICTED


@pytest.mark.parametrize("text", ["blueherons nest here", "a blue heron", "CUST-12345", "l'étoile"])
def test_other_words_are_left_alone(text: str) -> None:
    """Whole words only."""
    assert label_of(text) is Label.PUBLIC
