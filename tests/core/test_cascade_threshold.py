"""The threshold of a cascade's judge: its promise in worlds whose truth is known, and what is said on too little."""

import random
from math import exp

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localfleet.core.cascade_threshold import KINDS, Judged, Proposal, proposed

LAST = 0.9
"""How often the last door is right, in every world here."""


def drawn(chance: random.Random, count: int, hidden: float = 0.0) -> list[Judged]:
    """A judge whose score is the first door's chance to be right; each answer unknown with a chance of its own."""
    found = []
    for _ in range(count):
        score = chance.random()
        first = float(chance.random() < score)
        last = float(chance.random() < LAST)
        found.append(
            Judged(
                score=score,
                first=None if chance.random() < hidden else first,
                last=None if chance.random() < hidden else last,
            )
        )
    return found


def true_quality(least: float) -> float:
    """The share of always-last quality of that world where answers from `least` on go out: by hand."""
    return (least * LAST + (1 - least * least) / 2) / LAST


@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_a_promise_is_broken_no_more_often_than_it_says(hidden: float) -> None:
    """Of 60 promises with 90 % confidence at most 6 may be broken, and luck adds seven; unknown answers break none."""
    chance = random.Random(7)
    found = [proposed(drawn(chance, 500, hidden), KINDS["callable"], quality=0.9, confidence=0.9) for _ in range(60)]
    claims = [one for one in found if one is not None]
    assert sum(true_quality(one.value) < 0.9 for one in claims) <= 13
    assert len(claims) > 30


def test_more_is_let_out_where_more_is_known() -> None:
    """The threshold falls with the data, and less goes on."""
    few = proposed(drawn(random.Random(5), 400), KINDS["callable"], quality=0.97, confidence=0.95)
    many = proposed(drawn(random.Random(5), 8000), KINDS["callable"], quality=0.97, confidence=0.95)
    assert isinstance(few, Proposal)
    assert isinstance(many, Proposal)
    assert many.value < few.value
    assert many.claim.strong_share < few.claim.strong_share
    assert many.claim.seen_quality >= 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_lets_no_lower_score_pass(kind: str) -> None:
    """Every candidate of every judge, through the key and back; rounding is never to the lax side."""
    one = KINDS[kind]
    for score in one.scores:
        assert one.score(one.written(score)) >= score - 1e-12
        assert one.score(one.written(score)) <= score + 0.51


def test_the_keys_are_those_of_the_file() -> None:
    """A grade of 1 to 5, a natural logarithm, a share."""
    assert KINDS["model"].written(0.75) == 4
    assert KINDS["confidence"].written(exp(-0.7001)) == -0.7
    assert KINDS["consistency"].written(0.6) == 0.6


def test_too_little_or_too_bad_is_no_threshold() -> None:
    """Fifty answers prove nothing; nor do thousands of which the last door's is known of none."""
    assert proposed(drawn(random.Random(1), 50), KINDS["callable"], quality=0.97, confidence=0.95) is None
    unknown = [Judged(score=0.5, first=1.0, last=None)] * 3000
    assert proposed(unknown, KINDS["callable"], quality=0.97, confidence=0.95) is None


@settings(max_examples=40, deadline=None)
@example([(None, None, 1.0), (None, None, 1.0), (None, None, 0.5), (0.0, None, None), (0.0, None, None)], "callable")
@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=60
    ),
    st.sampled_from(sorted(KINDS)),
)
def test_any_records_give_a_threshold_or_none(
    rows: list[tuple[float | None, float | None, float | None]], kind: str
) -> None:
    """No record breaks it; what has no score always goes on."""
    recorded = [Judged(score=score, first=first, last=last) for score, first, last in rows]
    found = proposed(recorded, KINDS[kind], quality=0.6, confidence=0.6)
    if found is not None:
        assert found.claim.seen_quality >= 0.59
        assert found.claim.strong_share >= sum(one.score is None for one in recorded) / len(recorded)
