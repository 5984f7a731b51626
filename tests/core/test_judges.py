"""Judges of answers: each finds what it is for, and lets a good answer pass."""

from collections.abc import Mapping
from math import exp, log
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.config.cascade import ModelJudge
from localfleet.core.judges.confidence import Confidence, entropy, margin, mean_logprob
from localfleet.core.judges.consistency import Consistency, agreement
from localfleet.core.judges.grade import INSTRUCTIONS, Grader, question
from localfleet.core.judges.language import language_of
from localfleet.core.judges.schema import fits
from localfleet.core.judges.spoken import Check, Spoken, Token, ToolCall
from localfleet.core.judges.validators import (
    Json,
    Language,
    Length,
    NotCutOff,
    Pattern,
    Refusal,
    Repetition,
    ToolCalls,
)
from localfleet.core.judges.verdict_of_call import read_score
from localfleet.core.reason import Reason
from localfleet.rulebook import matcher_of

GOOD = "The capital of France is Paris, and it has been so for a very long time, as every school book says."
GERMAN = "Die Hauptstadt von Frankreich ist Paris, und das ist sie nicht erst seit gestern, wie jeder weiß."
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "kind": {"enum": ["a", "b"]}},
    "required": ["age"],
    "additionalProperties": False,
}
BAD: tuple[tuple[Check, Spoken, str], ...] = (
    (Length(least_chars=5), Spoken(text="No"), "too_short"),
    (Length(most_chars=5), Spoken(text=GOOD), "too_long"),
    (Length(), Spoken(text=" \n"), "too_short"),
    (NotCutOff(), Spoken(text=GOOD, cut_off=True), "cut_off"),
    (Refusal(), Spoken(text="I'm sorry, but I can't help with that."), "refused"),
    (Refusal(), Spoken(text="I cannot assist with this request."), "refused"),
    (Refusal(), Spoken(text="As an AI language model, I don\u2019t have opinions."), "refused"),
    (Refusal(), Spoken(text="Es tut mir leid, das geht nicht."), "refused"),
    (Refusal(), Spoken(text="", refused=True), "refused"),
    (Repetition(), Spoken(text="the cat sat on the mat and " * 9), "repeats_itself"),
    (ToolCalls(), Spoken(text="", calls=(ToolCall(name="find", arguments='{"q":'),), offered=frozenset({"find"})),
     "unparsable_tool_call"),
    (ToolCalls(), Spoken(text="", calls=(ToolCall(name="find", arguments="[]"),), offered=frozenset({"find"})),
     "unparsable_tool_call"),
    (ToolCalls(), Spoken(text="", calls=(ToolCall(name="lose", arguments="{}"),), offered=frozenset({"find"})),
     "unknown_tool"),
    (Json(), Spoken(text=GOOD, asked_json=True), "not_json"),
    (Json(), Spoken(text='```json\n{"age": 3}\n```', asked_json=True), "not_json"),
    (Json(always=True), Spoken(text='{"age": NaN}'), "not_json"),
    (Json(schema=SCHEMA), Spoken(text='{"kind": "a"}'), "not_after_schema"),
    (Json(), Spoken(text='{"age": -1}', asked_json=True, schema=SCHEMA), "not_after_schema"),
    (Pattern(matcher=matcher_of(r"\bLyon\b")), Spoken(text=GOOD), "pattern_missing"),
    (Language(wanted="en"), Spoken(text=GERMAN), "other_language"),
    (Language(wanted="en"), Spoken(text="フランスの首都はパリです。とても古い町です。"), "other_language"),
)  # fmt: skip
FINE: tuple[tuple[Check, Spoken], ...] = (
    (Length(least_chars=5, most_chars=500), Spoken(text=GOOD)),
    (Length(), Spoken(text="", calls=(ToolCall(name="find", arguments="{}"),))),
    (Length(least_chars=500), Spoken(text=GOOD, whole=False)),
    (Refusal(), Spoken(text="Sorry for the long answer: the capital is Paris.")),
    (Refusal(), Spoken(text="I can tell you that. The word unfortunately is an adverb.")),
    (Repetition(), Spoken(text=GOOD)),
    (ToolCalls(), Spoken(text="", calls=(ToolCall(name="find", arguments=""),), offered=frozenset({"find"}))),
    (Json(), Spoken(text=GOOD)),
    (Json(schema=SCHEMA), Spoken(text='```json\n{"age": 3, "kind": "b"}\n```')),
    (Json(), Spoken(text="{", asked_json=True, whole=False)),
    (Pattern(matcher=matcher_of(r"\bParis\b")), Spoken(text=GOOD)),
    (Language(wanted="de"), Spoken(text=GERMAN)),
    (Language(wanted="de"), Spoken(text="Paris.")),
)


@pytest.mark.parametrize(("check", "spoken", "word"), BAD)
def test_a_bad_answer_is_found(check: Check, spoken: Spoken, word: str) -> None:
    """Each validator names what is wrong, and that sends the request on as invalid."""
    said = check.judge(spoken)
    assert (said.word, said.reason, said.passed) == (word, Reason.ANSWER_INVALID, False)


@pytest.mark.parametrize(("check", "spoken"), FINE)
def test_a_good_answer_passes(check: Check, spoken: Spoken) -> None:
    """A validator that found fault with good answers would send everything on."""
    assert check.judge(spoken).passed


@pytest.mark.parametrize(
    ("value", "schema", "good"),
    [
        ({"age": 3}, SCHEMA, True),
        ({"age": 3.0}, SCHEMA, True),
        ({"age": True}, SCHEMA, False),
        ({"age": 3, "more": 1}, SCHEMA, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True),
        ([1, 2], {"items": {"type": "integer"}, "minItems": 3}, False),
        (1, {"const": True}, False),
        (
            {"a": {"a": {}}},
            {"$ref": "#/$defs/x", "$defs": {"x": {"additionalProperties": {"$ref": "#/$defs/x"}}}},
            True,
        ),
        (5, {"oneOf": [{"type": "integer"}, {"minimum": 3}]}, False),
        (5, {"anyOf": [{"type": "string"}, {"minimum": 3}]}, True),
        (5, {"not": {"type": "string"}}, True),
        (5, {"type": "no-such-type"}, False),
        (5, {"$ref": "#"}, False),
        (5, {"$ref": "https://elsewhere/x"}, False),
        (5, False, False),
    ],
)
def test_json_is_held_against_its_schema(value: Any, schema: Mapping[str, Any], *, good: bool) -> None:
    """The keywords that models are asked for; nonsense in a schema fits nothing and raises nothing."""
    assert fits(value, schema) is good


probabilities = st.floats(min_value=1e-6, max_value=1.0)


@given(st.lists(st.lists(probabilities, min_size=1, max_size=5), min_size=1, max_size=20))
def test_confidence_measures_stay_in_their_bounds(places: list[list[float]]) -> None:
    """A margin is from 0 to 1, an entropy from 0 to log of what was told, a mean log probability at most 0."""
    tokens = []
    for told in places:
        total = sum(told) * 1.01
        top = tuple(log(one / total) for one in told)
        tokens.append(Token(logprob=max(top), top=top))
    spread, gap = entropy(tuple(tokens)), margin(tuple(tokens))
    assert mean_logprob(tuple(tokens)) <= 0
    assert spread is not None
    assert -1e-9 <= spread <= log(6) + 1e-9
    assert gap is None or -1e-9 <= gap <= 1


def test_confidence_by_hand() -> None:
    """Two tokens, worked out with pencil and paper; and a certain one has no entropy."""
    sure, split = Token(logprob=0.0, top=(0.0, -50.0)), Token(logprob=log(0.5), top=(log(0.5), log(0.5)))
    assert mean_logprob((sure, split)) == pytest.approx(log(0.5) / 2)
    assert margin((sure, split)) == pytest.approx(0.5)
    assert entropy((sure, split)) == pytest.approx(log(2) / 2)
    judge = Confidence(least_logprob=-0.4, least_margin=0.4, most_entropy=0.4)
    assert judge.judge(Spoken(text="x", tokens=(sure, split))).score == pytest.approx(exp(log(0.5) / 2))
    assert judge.judge(Spoken(text="x", tokens=(sure, split))).passed
    assert judge.judge(Spoken(text="x", tokens=(split,))).reason is Reason.ANSWER_UNSURE
    assert Confidence(least_margin=0.1).judge(Spoken(text="x", tokens=(Token(logprob=0.0),))).reason is not None


def test_without_log_probabilities_nobody_is_sure() -> None:
    """An engine that tells none makes the answer unsure, and unsure routes up."""
    said = Confidence(least_logprob=-9).judge(Spoken(text=GOOD))
    assert (said.word, said.reason) == ("no_logprobs", Reason.ANSWER_UNSURE)


@given(st.text(), st.text())
def test_agreement_is_symmetric_and_bounded(one: str, other: str) -> None:
    """The same text agrees wholly with itself; which of two came first changes nothing."""
    assert 0 <= agreement(one, other) <= 1
    assert agreement(one, other) == agreement(other, one)
    assert agreement(one, one) == 1


def test_answers_that_differ_are_unsure() -> None:
    """Short answers agree or do not; without any other answer nothing is sure."""
    judge = Consistency(samples=2, least=0.6)
    assert judge.judge("Paris.", ["paris", " Paris "]).passed
    assert judge.judge("Paris.", ["Lyon", "Paris"]).reason is Reason.ANSWER_UNSURE
    assert judge.judge("Paris.", []).word == "no_samples"


@pytest.mark.parametrize(
    ("said", "word"),
    [("5", "passed"), ("Grade: 4", "passed"), ("3", "low_grade"), ("4.5", "no_grade"), ("10", "no_grade"),
     ("no idea", "no_grade"), (None, "no_grade")],
)  # fmt: skip
def test_a_grade_is_read_or_unsure(said: str | None, word: str) -> None:
    """One digit from 1 to 5; anything else is no grade."""
    assert Grader(model="judge", least=4).judge(said).word == word


def test_every_aspect_has_words_that_ask_for_a_digit() -> None:
    """What `looks_at` may say and what ships are the same; each is told to answer as it is read."""
    assert set(get_args(ModelJudge.model_fields["looks_at"].annotation)) == set(INSTRUCTIONS)
    assert all("1 to 5" in words and words.endswith("the digit alone.") for words in INSTRUCTIONS.values())
    assert Grader(model="judge", aspect="safety").judge("2").aspect == "safety"


def test_a_judge_reads_the_ends_of_a_long_text() -> None:
    """A context that is too small would make every long answer unjudged."""
    text = question("begin" + "x" * 100_000 + "end", "a")
    assert len(text) < 13_000
    assert "begin" in text
    assert "end" in text


@pytest.mark.parametrize(
    ("said", "score"), [(True, 1.0), (False, 0.0), (0.25, 0.25), (2, None), ("1", None), (None, None), (-0.1, None)]
)
def test_the_word_of_an_own_judge(said: object, score: float | None) -> None:
    """True, false, or a score from 0 to 1; what is none of these is a judge that failed."""
    assert read_score(said) == score


@pytest.mark.parametrize(
    ("text", "language"),
    [(GOOD, "en"), (GERMAN, "de"), ("Москва является столицей России", "ru"), ("Paris", None), ("", None),
     ("La capitale de la France est Paris et les habitants sont fiers de cette ville pour le reste", "fr"),
     ("La capital de España es Madrid y los madrileños son muy amables con la gente que viene por trabajo", "es")],
)  # fmt: skip
def test_a_plain_language_is_told(text: str, language: str | None) -> None:
    """By script or by common words; a short text is of no language."""
    assert language_of(text) == language
