"""The alarm on quality that falls: silent on luck, loud on a fall, and by whom."""

import random
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.feedback import Feedback
from localfleet.core.routing.drift import JUDGE, PEOPLE, Drift, rating_of

OF = ("premium", PEOPLE)


def rated(right: float, count: int, drift: Drift, chance: random.Random) -> None:
    """So many answers, each right with this chance."""
    for _ in range(count):
        drift.see(OF, float(chance.random() < right))


def test_a_fall_rings() -> None:
    """From nine of ten to seven of ten: the alarm, with both figures."""
    drift, chance = Drift(), random.Random(1)
    rated(0.9, 600, drift, chance)
    assert not drift.falls()[OF].rings
    rated(0.7, 200, drift, chance)
    fall = drift.falls()[OF]
    assert fall.rings
    assert fall.before - fall.latest > 0.1
    assert (fall.many_before, fall.many_latest) == (600, 200)


def test_luck_does_not_ring() -> None:
    """In forty quiet worlds, looked at after each fifty ratings, the alarm is silent in at least thirty-seven."""
    rang = 0
    for seed in range(40):
        drift, chance = Drift(), random.Random(seed)
        looks = []
        for _ in range(20):
            rated(0.85, 50, drift, chance)
            looks.append(any(fall.rings for fall in drift.falls().values()))
        rang += any(looks)
    assert rang <= 3


def test_a_small_fall_is_the_operator_s_to_mind() -> None:
    """However sure: less than `most` rings nobody."""
    drift = Drift(most=0.2)
    for _ in range(5000):
        drift.see(OF, 1.0)
    for _ in range(200):
        drift.see(OF, 0.9)
    assert not drift.falls()[OF].rings
    drift.most = 0.05
    assert drift.falls()[OF].rings


def test_few_ratings_say_nothing() -> None:
    """Nor does one bad answer after many that were all right."""
    drift = Drift()
    rated(1.0, 249, drift, random.Random(1))
    assert drift.falls() == {}
    rated(1.0, 500, drift, random.Random(1))
    drift.see(OF, 0.0)
    assert not drift.falls()[OF].rings


def test_people_and_judges_are_two_series() -> None:
    """A judge that is stricter than people is no fall."""
    drift = Drift()
    for _ in range(400):
        drift.see(("premium", PEOPLE), 1.0)
        drift.see(("premium", JUDGE), 0.2)
    assert not any(fall.rings for fall in drift.falls().values())


def test_what_a_rating_is() -> None:
    """A score as given; corrected counts as wrong, used as right; silence on all is none."""
    said = partial(Feedback, request_id="r", at=0.0, key_id=None)
    assert rating_of(said(score=0.4, accepted=True)) == 0.4
    assert rating_of(said(corrected=True, accepted=True)) == 0.0
    assert rating_of(said(accepted=False)) == 0.0
    assert rating_of(said(corrected=False)) == 1.0
    assert rating_of(said()) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=600), st.floats(0, 1))
def test_any_ratings_give_figures_that_are_theirs(qualities: list[float], most: float) -> None:
    """Means lie between the least and the best rating; an alarm is always a fall of at least `most`."""
    drift = Drift(most=most)
    for one in qualities:
        drift.see(OF, one)
    for fall in drift.falls().values():
        assert min(qualities) - 1e-9 <= fall.before <= max(qualities) + 1e-9
        assert fall.many_before + fall.many_latest == len(qualities)
        if fall.rings:
            assert fall.before - fall.latest >= most
