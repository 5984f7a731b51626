"""APGR and its kin against what they are by definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from localfleet.training.measures import apgr, bootstrap, cpt, interval_of_auc, interval_of_share, pgr, sides

GAINS = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=4, max_size=40).filter(lambda gains: sum(gains) > 0)


@given(GAINS)
def test_a_score_that_says_nothing_is_random(gains: list[float]) -> None:
    """Ties share their gain, so a constant has APGR 0.5 whatever the order of the file."""
    assert abs(apgr(np.zeros(len(gains)), np.array(gains)) - 0.5) < 1e-9


@given(GAINS, st.randoms())
def test_a_score_and_its_opposite_make_one(gains: list[float], random: object) -> None:
    """Asking the other way round loses what asking this way won."""
    score = np.random.default_rng(len(gains)).normal(size=len(gains))
    assert abs(apgr(score, np.array(gains)) + apgr(-score, np.array(gains)) - 1) < 1e-9


@given(GAINS)
def test_nothing_beats_the_oracle(gains: list[float]) -> None:
    """The gain itself orders best, and PGR ends at 1."""
    gain = np.array(gains)
    best = apgr(gain, gain)
    assert best >= apgr(np.arange(len(gain), dtype=np.float64), gain) - 1e-9
    assert abs(pgr(gain, gain)[-1] - 1) < 1e-9


def test_cpt_by_hand() -> None:
    """Four prompts, one of them gains: half of it needs a quarter of the calls."""
    gain = np.array([0.0, 1.0, 0.0, 0.0])
    assert cpt(np.array([0.0, 3.0, 1.0, 2.0]), gain, 0.5) == 0.25
    assert cpt(np.array([3.0, 0.0, 1.0, 2.0]), gain, 0.5) == 1.0


def test_the_interval_holds_the_figure() -> None:
    """Resampling gives an interval around the figure, the same one each time."""
    random = np.random.default_rng(3)
    gain = random.choice([-1.0, 0.0, 1.0], 400, p=[0.1, 0.6, 0.3])
    score = gain + random.normal(size=400)
    low, high = bootstrap(score, gain, rounds=200)
    assert low < apgr(score, gain) < high
    assert bootstrap(score, gain, rounds=200) == (low, high)


def test_sides_by_hand() -> None:
    """Two of five belong up: one of the two sent up is right, one stays down wrongly, so three of five are right."""
    found = sides(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0, -1.0]))
    assert (found["accuracy"], found["never"]) == (0.6, 0.6)
    assert abs(found["auc"] - 5 / 6) < 1e-9
    assert found["accuracy_low"] < 0.6 < found["accuracy_high"]


@given(GAINS)
def test_words_that_say_the_same_of_all_are_a_coin(gains: list[float]) -> None:
    """Ties count half in the AUC, and in the accuracy as if as many had been drawn."""
    gain = np.array(gains)
    found, ups = sides(np.zeros(len(gain)), gain), float((gain > 0).mean())
    assert found["auc"] == 0.5
    assert abs(found["accuracy"] - (ups**2 + (1 - ups) ** 2)) < 1e-9


def test_intervals_are_those_of_the_textbook() -> None:
    """Wilson's for 8 of 10; Hanley and McNeil's narrows with the prompts, and is all where one side is empty."""
    low, high = interval_of_share(0.8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    few, many = interval_of_auc(0.7, 20, 80), interval_of_auc(0.7, 200, 800)
    assert few[0] < many[0] < 0.7 < many[1] < few[1]
    assert interval_of_auc(0.5, 0, 9) == (0.0, 1.0)
