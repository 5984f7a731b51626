"""Checks of answers and the gate of a suite: what is right, and an interval that covers what it says."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.suite import Check, Choice, Exact, Matches, Number, Schema, gated, paired
from localfleet.rulebook import matcher_of

CITY = {"type": "object", "required": ["city"], "properties": {"city": {"const": "Oslo"}}}


@pytest.mark.parametrize(
    ("check", "answer", "right"),
    [
        (Exact(texts=("Good morning", "Morning")), ' "good  Morning." ', True),
        (Exact(texts=("positive",)), "not positive", False),
        (Number(number=1234.5), "It is 7, so: 1,234.50.", True),
        (Number(number=42), "42 apples and 3 pears", False),
        (Number(number=3.14, tolerance=0.01), "about 3.149", True),
        (Number(number=-4), "the answer is -4", True),
        (Number(number=1), "none", False),
        (Matches(pattern=matcher_of(r"(?i)^no\b")), "No, it is not.", True),
        (Matches(pattern=matcher_of(r"^no\b")), "perhaps no", False),
        (Schema(schema=CITY), '```json\n{"city": "Oslo"}\n```', True),
        (Schema(schema=CITY), '{"city": "Rome"}', False),
        (Schema(schema=CITY), "Oslo", False),
        (Choice(letter="B"), "(B) Water", True),
        (Choice(letter="B"), "A is wrong, so the answer is B.", True),
        (Choice(letter="B"), "Answer: A", False),
        (Choice(letter="A"), "Argon", False),
        (Choice(letter="A"), "", False),
    ],
)
def test_what_is_right(check: Check, answer: str, right: bool) -> None:
    """Forms that people and models use for the same answer count, others do not."""
    assert check.right(answer) is right


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_an_interval_of_a_difference_holds_the_difference(pairs: list[tuple[bool, bool]]) -> None:
    """It is a range within -1 to 1 around what was seen, and turns around with the sides."""
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    low, high = paired(ours, theirs)
    seen = (sum(ours) - sum(theirs)) / len(pairs) if pairs else 0.0
    assert -1 <= low <= seen <= high <= 1
    assert paired(theirs, ours) == pytest.approx((-high, -low))


def test_the_interval_of_a_difference_covers() -> None:
    """Of 1,000 suites of 60 prompts at least 93 % of the intervals hold the true difference of two tied models."""
    chance, held = random.Random(5), 0
    for _ in range(1000):
        hard = [chance.random() for _ in range(60)]
        ours = [one < 0.8 and chance.random() < 0.9 for one in hard]
        theirs = [one < 0.6 and chance.random() < 0.9 for one in hard]
        low, high = paired(ours, theirs)
        held += low <= 0.2 * 0.9 <= high
    assert held >= 930


@pytest.mark.parametrize(
    ("ours", "theirs", "usd", "says"),
    [
        (300, 280, ("1", "2"), "pass"),
        (300, 280, ("2", "1"), "fail"),
        (300, 280, (None, "1"), "cannot_tell"),
        (100, 280, ("1", "2"), "fail"),
        (275, 280, ("1", "2"), "cannot_tell"),
    ],
)
def test_the_gate(ours: int, theirs: int, usd: tuple[str | None, str], says: str) -> None:
    """Surely no worse and no dearer passes; surely worse or dearer fails; else nobody can tell."""
    known = [None if one is None else Decimal(one) for one in usd]
    sides = ([place < ours for place in range(400)], [place >= 400 - theirs for place in range(400)])
    found = gated(*sides, usd=known[0], usd_today=known[1], margin=0.05, most_cost_ratio=1.0)
    assert found.says == says
