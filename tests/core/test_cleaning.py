"""Answers made like those of other models, however their text was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.cleaning import Cleaned, Cleaner
from localfleet.core.form import AnswerForm, Form

ALL = AnswerForm(thinking="apart", unfence=True, prefixes=("Assistant:", "AI:"))


def cleaned(form: AnswerForm, pieces: list[str], *, json: bool = True) -> Cleaned:
    """All that pieces make."""
    cleaner = Cleaner(form, json=json)
    shown = [*map(cleaner.feed, pieces), cleaner.end()]
    return Cleaned("".join(one.text for one in shown), "".join(one.thought for one in shown))


@pytest.mark.parametrize(
    ("form", "json", "said", "shown"),
    [
        (ALL, True, '<think>hm</think>\n\nAssistant: ```json\n{"a": 1}\n```\n', Cleaned('{"a": 1}', "hm")),
        (ALL, True, '{"a": "```"}', Cleaned('{"a": "```"}')),
        (ALL, True, "```\n[1]\n``` so", Cleaned("[1]\n``` so")),
        (ALL, False, "```json\n{}\n```", Cleaned("```json\n{}\n```")),
        (ALL, False, "So <think> is a tag.", Cleaned("So <think> is a tag.")),
        (ALL, False, "<think>never closed", Cleaned("", "never closed")),
        (ALL, False, "Assist", Cleaned("Assist")),
        (ALL, False, "ai: yes", Cleaned("yes")),
        (AnswerForm(thinking="drop", starts_inside=True), False, "hm</think> yes", Cleaned("yes")),
        (AnswerForm(), True, " <think>a</think> ```json\n{}\n```", Cleaned(" <think>a</think> ```json\n{}\n```")),
    ],
)
def test_an_answer_is_made_like_others(form: AnswerForm, said: str, shown: Cleaned, *, json: bool) -> None:
    """Thinking, prefixes and fences go where the operator says, and nothing else changes; whole or letter by letter."""
    assert cleaned(form, [said], json=json) == shown
    assert cleaned(form, list(said), json=json) == shown


PARTS = st.sampled_from(
    ["<think>", "</think>", "```", "```json\n", "\n```", "Assistant:", "AI", " ", "\n", "{}", "ß", "x"]
)


@given(st.lists(PARTS, max_size=8).map("".join), st.data(), st.booleans())
def test_cuts_change_nothing(said: str, data: st.DataObject, json: bool) -> None:  # drawn
    """However a text is cut, the same is shown of it."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))
    pieces = [said[i:j] for i, j in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    for form in (ALL, AnswerForm(thinking="apart", starts_inside=True, unfence=True), AnswerForm(prefixes=("AI:",))):
        assert cleaned(form, pieces, json=json) == cleaned(form, [said], json=json)


def test_own_words_count() -> None:
    """What is said around a prompt has a size, and nothing has none."""
    form = Form(before="Be brief.", after="Answer in German.")
    assert form.around("You are kind.") == "Be brief.\n\nYou are kind.\n\nAnswer in German."
    assert form.input_tokens == 2 + 4 + 4 + 4
    assert form.input_bytes >= len(form.around("").encode())
    assert Form().input_tokens == Form().input_bytes == 0
