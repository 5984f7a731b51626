"""Splits: sticky sides, intervals that hold at every look, and a gate on quality and cost."""

import random
from dataclasses import replace
from decimal import Decimal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.split import CONTROL, TRIAL, Experiment, Side, radius, side_of, summed, weighed

KEY = b"k" * 32
TENTH = Experiment(name="e", task="t", doors=("mini",), share=0.1, by="session", margin=0.02, most_cost_ratio=1.0)


@given(st.text(), st.floats(0, 1))
def test_a_side_is_kept(who: str, share: float) -> None:
    """The same session is always on the same side; nobody is in a trial of nobody, everybody in one of all."""
    experiment = replace(TENTH, share=share)
    assert side_of(experiment, who, key=KEY) == side_of(experiment, who, key=KEY)
    assert side_of(replace(TENTH, share=0), who, key=KEY) == CONTROL
    assert side_of(replace(TENTH, share=1), who, key=KEY) == TRIAL


@given(st.text(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_growing_share_moves_nobody_back(who: str, share: float, more: float) -> None:
    """Who was in the trial stays in it when it grows."""
    if side_of(replace(TENTH, share=share), who, key=KEY) == TRIAL:
        assert side_of(replace(TENTH, share=share + more), who, key=KEY) == TRIAL


def test_the_share_is_the_share_and_draws_are_independent() -> None:
    """A tenth of many, and another experiment draws others."""
    many = [str(i) for i in range(20_000)]
    first = {who for who in many if side_of(TENTH, who, key=KEY) == TRIAL}
    other = {who for who in many if side_of(replace(TENTH, name="f"), who, key=KEY) == TRIAL}
    assert 0.09 < len(first) / len(many) < 0.11
    assert 0.005 < len(first & other) / len(many) < 0.015


def test_the_interval_holds_at_every_look() -> None:
    """Of 400 coins watched over 2,000 tosses each, at most one in twenty ever leaves its interval."""
    lots = random.Random(7)
    widths = [radius(n) for n in range(1, 2001)]
    left = 0
    for _ in range(400):
        heads = 0
        for n, width in enumerate(widths, 1):
            heads += lots.random() < 0.5
            if abs(heads / n - 0.5) > width:
                left += 1
                break
    assert left <= 20


def test_the_interval_narrows() -> None:
    """Endless without anything said, and the narrower the more is."""
    widths = [radius(n) for n in (0, 10, 100, 1000, 100_000)]
    assert widths[0] == inf
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.01


def side(quality: float, usd: str | None = "1", scored: int = 100_000, count: int = 100_000) -> Side:
    """A side with much said."""
    return Side(count=count, scored=scored, quality=quality, usd=None if usd is None else Decimal(usd))


@pytest.mark.parametrize(
    ("control", "trial", "says", "why"),
    [
        (side(0.8), side(0.8, "0.5"), "promote", "no dearer"),
        (side(0.8), side(0.7, "0.5"), "stop", "worse"),
        (side(0.8), side(0.9, "2"), "stop", "dearer"),
        (side(0.8), side(0.9, scored=10), "go_on", "not enough"),
        (side(0.8), side(0.99, count=10), "go_on", "too few"),
        (side(0.8), side(0.9, None), "go_on", "unknown"),
        (side(0.0, scored=0), side(1.0, scored=0), "go_on", "not enough"),
    ],
)
def test_the_gate(control: Side, trial: Side, says: str, why: str) -> None:
    """Promoted only where it is no worse for sure and no dearer; too little data is no reason for anything."""
    verdict = weighed(control, trial, TENTH)
    assert verdict.says == says
    assert why in verdict.why
    assert -1 <= verdict.low <= verdict.high <= 1


def test_a_side_from_its_requests() -> None:
    """What nobody scored counts in the money only, and one unknown cost makes the mean unknown."""
    made = summed([1.0, None, 0.5], [Decimal(1), Decimal(2), Decimal(3)])
    assert (made.count, made.scored, made.quality, made.usd) == (3, 2, 0.75, Decimal(2))
    assert summed([None], [None]).usd is None
