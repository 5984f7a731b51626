"""Stages and the labels that go with their texts: of restricted text only a closed form is not restricted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.judges.schema import fits
from localfleet.core.label import Label
from localfleet.core.pipeline import Field, Held, Stage, closed, distinct, items_of, rendered, schema_of

FIELDS: dict[str, Field] = {"age": "integer", "income": "number", "married": "boolean", "band": ("Low", "High")}
labels = st.sampled_from(list(Label))


@given(labels, labels, labels, st.sets(st.sampled_from(["a", "b"]), min_size=1))
def test_a_question_is_as_sensitive_as_all_it_reads(one: Label, other: Label, floor: Label, reads: set[str]) -> None:
    """Law 1: never below any text that has a place in it, nor below what was said of the request."""
    stage = Stage(name="s", model="auto", prompt=" ".join(f"{{{name}}}" for name in sorted(reads)))
    known = {"a": Held(items=("x",), label=one), "b": Held(items=("y",), label=other)}
    _, label = rendered(stage, known, floor)
    assert label == max([floor, *(known[name].label for name in reads)])


def test_texts_are_put_in_as_they_are() -> None:
    """A text with braces in it opens no other place: nobody's words can fetch another's."""
    stage = Stage(name="s", model="auto", prompt="Read {a}, then {item}.", each="b")
    known = {"a": Held(items=("{b} {secret}",), label=Label.PUBLIC), "b": Held(items=("B",), label=Label.RESTRICTED)}
    text, label = rendered(stage, known, Label.PUBLIC, item="{a}")
    assert text == "Read {b} {secret}, then {a}."
    assert label is Label.RESTRICTED


def test_a_list_is_lines_without_bullets() -> None:
    """What models write as a list is one; a bound keeps a pipeline from growing."""
    held = Held(items=("1. first\n\n- second\n* third\n(4) fourth",), label=Label.PUBLIC)
    assert items_of(held, 9) == ("first", "second", "third", "fourth")
    assert items_of(held, 2) == ("first", "second")
    assert items_of(Held(items=("a\nb", "c"), label=Label.PUBLIC), 9) == ("a\nb", "c")


def test_what_says_the_same_is_kept_once() -> None:
    """Near duplicates go, what differs stays, in its order."""
    claims = ["The town has 9 wells.", "the town has 9 wells", "The town has 12 wells and a lake.", "It is old."]
    assert distinct(claims) == (claims[0], claims[2], claims[3])


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ('{"age": 41, "income": 1234.5, "married": true, "band": "low"}', [41, 1234.5, True, "Low"]),
        ('Here it is:\n```json\n{"age": 41}\n```', [41, None, None, None]),
        ('{"age": "41", "income": true, "married": "yes", "band": "Low income of Jane"}', [None] * 4),
        ('{"age": 4155551234, "income": 4111111.11, "name": "Jane"}', [None] * 4),
        ('{"age": 1e300, "income": 1e5}', [None, 100_000, None, None]),
        ("I cannot do that.", [None] * 4),
        ("[1, 2]", [None] * 4),
        ("", [None] * 4),
    ],
)
def test_a_closed_structure_holds_what_was_declared(said: str, made: list[Any]) -> None:
    """Keys and words are the operator's; everything else is null."""
    assert list(json.loads(closed(said, FIELDS)).values()) == made


words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "name"]) | words, values, max_size=6), words)
def test_no_word_of_an_answer_comes_through(found: dict[str, Any], around: str) -> None:
    """Whatever a model writes, what comes out is made of the operator's words, truth values and short numbers."""
    made = json.loads(closed(around + json.dumps(found), FIELDS))
    assert list(made) == list(FIELDS)
    for name, value in made.items():
        assert value is None or isinstance(value, bool) or name != "married"
        assert value in {None, "Low", "High"} or name != "band"
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert sum(map(str.isdigit, str(value))) <= 6


def test_an_engine_is_held_to_the_same_form() -> None:
    """The schema that a local engine is given takes exactly what is kept."""
    schema = schema_of(FIELDS)
    assert fits({"age": 4, "income": 1.5, "married": False, "band": "High"}, schema)
    assert not fits({"age": 4, "income": 1.5, "married": False, "band": "High", "name": "Jane"}, schema)
    assert not fits({"age": 4, "income": 1.5, "married": False, "band": "middle"}, schema)
