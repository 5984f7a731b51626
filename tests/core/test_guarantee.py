"""The promise of a threshold: tried by simulation on worlds whose truth is known."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.routing.guarantee import THRESHOLDS, Outcome, claimed, proven

BASE = 0.86
"""How often the strong model is right, in every world here."""


def drawn(chance: random.Random, count: int, slope: float) -> list[Outcome]:
    """Outcomes of a world in which the weak model falls behind with the square of the score."""
    found = []
    for _ in range(count):
        score = chance.random()
        weak = float(chance.random() < BASE - slope * score * score)
        found.append(Outcome(score=score, weak=weak, strong=float(chance.random() < BASE)))
    return found


def true_quality(threshold: float, slope: float) -> float:
    """The share of always-strong quality that a threshold has in that world: an integral by hand."""
    return 1 - slope * threshold**3 / 3 / BASE


@pytest.mark.parametrize("slope", [0.2, 0.5, 0.86])
def test_a_promise_is_broken_no_more_often_than_it_says(slope: float) -> None:
    """Of 100 promises with 90 % confidence at most 10 may be broken, and luck adds nine more at the very most."""
    chance = random.Random(7)
    claims = [claimed(drawn(chance, 400, slope), quality=0.95, confidence=0.9) for _ in range(100)]
    broken = [claim for claim in claims if claim is not None and true_quality(claim.threshold, slope) < 0.95]
    assert len(broken) <= 19
    assert sum(claim is not None for claim in claims) > 50


def test_the_bet_is_fair_at_the_border() -> None:
    """Where quality is exactly what was to be disproven, the proof succeeds in no more than its share of trials."""
    chance = random.Random(11)
    # 0.7 x 0.3 - 0.3 x 0.7 = 0: the mean loss is nothing, the worst case of the hypothesis.
    won = sum(
        proven([-0.3 if chance.random() < 0.7 else 0.7 for _ in range(300)], most=0.97, confidence=0.9)
        for _ in range(300)
    )
    assert won <= 30 + 16


def test_too_little_data_promises_nothing() -> None:
    """Fifty outcomes prove nothing at 97 % and 95 %, however well the weak model does."""
    same = [Outcome(score=at / 50, weak=1.0, strong=1.0) for at in range(50)]
    assert claimed(same, quality=0.97, confidence=0.95) is None


def test_a_weak_model_that_is_as_good_answers_everything() -> None:
    """With outcomes enough the highest threshold is proven, and only what scores 1 still goes up."""
    same = [Outcome(score=at / 500, weak=1.0, strong=1.0) for at in range(500)]
    claim = claimed(same, quality=0.97, confidence=0.95)
    assert claim is not None
    assert claim.threshold == THRESHOLDS[-1] == 1.0
    assert claim.strong_share == 0
    assert claim.seen_quality == 1


def test_more_outcomes_promise_more() -> None:
    """The same world on ten times the data: a higher threshold, fewer calls of the strong model."""
    few = claimed(drawn(random.Random(5), 500, 0.5), quality=0.97, confidence=0.95)
    many = claimed(drawn(random.Random(5), 5000, 0.5), quality=0.97, confidence=0.95)
    assert few is not None
    assert many is not None
    assert many.threshold > few.threshold
    assert many.strong_share < few.strong_share


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=60), st.floats(0.5, 0.99))
def test_any_outcomes_give_a_claim_or_none(rows: list[tuple[float, float, float]], quality: float) -> None:
    """No outcome breaks it, and what is claimed was also seen."""
    outcomes = [Outcome(score=score, weak=weak, strong=strong) for score, weak, strong in rows]
    claim = claimed(outcomes, quality=quality, confidence=0.8)
    assert claim is None or claim.seen_quality >= quality - 1e-9
