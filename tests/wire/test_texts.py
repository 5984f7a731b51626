"""Every text of a body is seen, wherever it stands: a token planted anywhere is found again."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.wire.texts import KNOWN, STRUCTURE, WORDS, spans_of

TOKEN = "zq7canary7qz"
NUMBER = 4_111_222_333
KEYS = st.sampled_from([*sorted(KNOWN), *sorted(STRUCTURE), "x_note", "", "*", "a.b", "[]"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.sampled_from(["hello", *sorted(WORDS)]), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)
BODIES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def joined(body: dict[str, Any]) -> str:
    """What the detectors read."""
    return "\n".join(span.text for span in spans_of(body))


def planted(value: Any, seed: Any, path: tuple[Any, ...] = ()) -> list[Any]:
    """Every copy of `value` with the seed in one more place: instead of a value, as an item, as a key."""
    out: list[Any] = [seed]
    if isinstance(value, dict):
        out.append({**value, "x": seed})
        out.append({**value, str(seed): 1})
        for key, inner in value.items():
            out += [{**value, key: one} for one in planted(inner, seed)]
            out.append({str(seed) if k == key else k: v for k, v in value.items()})
    if isinstance(value, list):
        out += [[*value, seed], [seed, *value]]
        for i, inner in enumerate(value):
            out += [[*value[:i], one, *value[i + 1 :]] for one in planted(inner, seed)]
    return out


@settings(max_examples=150, deadline=None)
@given(BODIES)
def test_a_token_is_seen_wherever_it_stands(body: dict[str, Any]) -> None:
    """As a value, a list item or a key, under known and unknown names, at any depth."""
    for variant in planted(body, TOKEN)[1:]:
        without_model = {key: value for key, value in variant.items() if key != "model"}
        assert (TOKEN in joined(variant)) is (TOKEN in repr(without_model))


@settings(max_examples=60, deadline=None)
@given(BODIES, st.sampled_from([NUMBER, -NUMBER, 10_000, 12345.5]))
def test_a_long_number_is_seen_wherever_it_stands(body: dict[str, Any], number: float) -> None:
    """A card or telephone number need not be a string."""
    for variant in planted(body, number)[1:]:
        without_model = {key: value for key, value in variant.items() if key != "model"}
        if str(number) in repr(without_model):
            assert str(abs(number)) in joined(variant)


@pytest.mark.parametrize("number", [4111111111111111.0, -4111111111111111.0])
def test_a_number_of_a_table_has_no_tail(number: float) -> None:
    """Tables with an empty cell turn whole numbers into floats; ".0" behind a card would hide it from the detectors."""
    assert joined({"rows": [{"card": number}]}).endswith("card: 4111111111111111")


def test_the_model_is_not_a_text_but_only_at_the_top() -> None:
    """The top-level name is replaced before anything leaves; any other `model` travels."""
    assert joined({"model": TOKEN}) == ""
    assert TOKEN in joined({"metadata": {"model": TOKEN}})


def test_an_unknown_key_never_stands_in_a_path() -> None:
    """Paths can be shown to people and kept: a key of the caller's is a star there."""
    spans = spans_of({"secret name": [{"another one": "text"}], "messages": [{"content": "hi", "secret name": 1}]})
    assert {span.where for span in spans} <= {"*", "*[].*", "messages[].content", "messages[].*"}
    assert "secret name" in "\n".join(span.text for span in spans)


def test_the_key_gives_its_value_context() -> None:
    """Detectors look for words beside a number: an unknown key is such a word."""
    assert joined({"patient_ssn": "078051120"}) == "patient_ssn: 078051120"
    assert joined({"patient_ssn": 78051120}).endswith("78051120")


def test_everyday_words_are_dropped_only_where_they_are_structure() -> None:
    """`role: user` says nothing; the same word in a text is a text."""
    assert joined({"messages": [{"role": "user", "content": "user"}]}) == "user"
    assert joined({"messages": [{"role": TOKEN}]}) == TOKEN


@pytest.mark.parametrize(
    ("value", "text"), [("Legal", "Legal"), (4711, "4711"), (True, "true"), (2.5, "2.5"), ("user", "user")]
)
def test_a_field_of_a_rule_is_always_a_text(value: Any, text: str) -> None:
    """Small numbers, flags and everyday words count where an operator's rule looks."""
    for key in ("cost_center", "role"):
        spans = spans_of({"metadata": {key: value}}, frozenset({"metadata", key}))
        assert [(span.where, span.text) for span in spans] == [(f"metadata.{key}", text)]


def test_depth_and_length_exhaust_nothing() -> None:
    """A body as deep as the parser allows and one with many items are walked without recursion."""
    deep: Any = TOKEN
    for _ in range(1000):
        deep = {"a": [deep]}
    assert TOKEN in joined({"x": deep})
    assert len(spans_of({"x": ["word"] * 50_000})) >= 50_000


@given(
    turn=st.fixed_dictionaries(
        {"role": st.one_of(SCALARS, st.just([])), "content": st.one_of(SCALARS, st.just(["a"]), st.just({"text": "b"}))}
    )
)
def test_a_plain_turn_is_read_as_it_is_walked(turn: dict[str, Any]) -> None:
    """The short way for turns of a role and a text gives the spans that the long way gives, which a field opens."""
    body = {"messages": [turn, {"role": "user", "content": "hello"}], "input": turn, "x": [turn]}
    assert spans_of(body) == spans_of(body, frozenset({"no such field"}))
