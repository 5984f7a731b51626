"""Counters over restarts, gaps as numbers, names that mean the same model, drift."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.cost.counters import Reading, counted, points_between
from localfleet.core.cost.fit import fit_step, fit_work
from localfleet.core.cost.points import Point
from localfleet.core.cost.reconcile import Book, drifts, gaps, matched


def reading(at_s: float, tokens: float, **more: float) -> Reading:
    """A reading with as many tokens in as out."""
    return Reading(at_s=at_s, input_tokens=tokens, output_tokens=tokens, **more)


@given(lives=st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=5), min_size=1, max_size=4))
def test_all_increases_count_whatever_restarts_there_were(lives: list[list[int]]) -> None:
    """Each process counts from zero; what each had counted at its last reading is in the sum, once."""
    pages, at = [reading(0.0, 0.0, started_s=0.0)], 0.0
    for number, life in enumerate(lives):
        so_far = 0.0
        for more in life:
            so_far += more
            at += 10
            pages.append(reading(at, so_far, started_s=100.0 * number))
    total = counted(pages)
    assert total.input_tokens == total.output_tokens == sum(map(sum, lives))
    assert total.restarts == len(lives) - 1
    assert total.blind_s == 10 * (len(lives) - 1)


def test_a_counter_that_fell_is_a_restart_even_where_no_start_is_told() -> None:
    """Engines without a start time are known by their counters."""
    total = counted([reading(0, 100), reading(10, 150), reading(20, 30), reading(30, 45)])
    assert (total.input_tokens, total.restarts, total.blind_s) == (95, 1, 10)


@pytest.mark.parametrize("pages", [[reading(0, 1)], [reading(5, 1), reading(5, 2)], [reading(5, 1), reading(4, 2)]])
def test_readings_that_tell_no_increase(pages: list[Reading]) -> None:
    """One reading, or a clock that stands or goes back."""
    with pytest.raises(ValueError, match="order of time"):
        counted(pages)


def test_stretches_become_points() -> None:
    """Batch and step by Little's law; a rate only where the box was full at both ends."""
    before = reading(0, 0, requests=0, decode_s=0, gaps_s=0, gaps=0, waiting=3)
    after = reading(10, 4000, requests=40, decode_s=80.0, gaps_s=79.2, gaps=3960, waiting=1)
    (point,) = points_between([before, after])
    assert (point.input_tokens, point.output_tokens, point.requests_per_s) == (100, 100, 4.0)
    assert (point.batch, point.step_ms) == pytest.approx((8.0, 20.0))
    idle = reading(20, 8000, requests=80, decode_s=160.0, gaps_s=158.4, gaps=7920, waiting=0)
    assert points_between([after, idle])[0].requests_per_s is None
    assert points_between([after, reading(20, 4001, requests=41)]) == []


def test_every_gap_is_a_number() -> None:
    """What one book has more than the other, with its sign; a model that only one knows is all gap."""
    ours = {"mini": Book(requests=100.0, input_tokens=1000.0, usd=Decimal("1.00"))}
    theirs = {"mini": Book(requests=110.0, usd=Decimal("0.95")), "other": Book(requests=5.0, usd=Decimal(3))}
    found = {(gap.model, gap.measure): gap for gap in gaps(ours, theirs, source="openai")}
    assert set(found) == {("mini", "requests"), ("mini", "usd"), ("other", "requests"), ("other", "usd")}
    assert found["mini", "requests"].share == pytest.approx(10 / 110)
    assert found["mini", "usd"].difference == Decimal("-0.05")
    assert found["other", "usd"].share == 1.0
    unbilled = gaps({"mini": ours["mini"], "best": Book(requests=7.0)}, {"mini": theirs["mini"]}, source="openai")
    assert [gap.share for gap in unbilled if gap.model == "best"] == [-1.0]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("gpt-4o-mini-2024-07-18", "mini"),
        ("gpt-4o-mini-2024-07-18, input", "mini"),
        ("gpt-4o", "big"),
        ("gpt-4o-mini", "mini"),
        ("gpt-4o-audio", None),
        ("claude-haiku-4-5-20251001", "haiku"),
        ("Claude Haiku 4.5", "haiku"),
        ("claude-haiku-4", None),
    ],
)
def test_names_of_one_model(name: str, ours: str | None) -> None:
    """A date apart it is the same model; a longer name is another one, whose money must not land here."""
    declared = [("big", "openai/gpt-4o"), ("mini", "gpt-4o-mini"), ("haiku", "claude-haiku-4-5")]
    assert matched(name, declared) == ours


def test_drift_is_measured_over_predicted() -> None:
    """A box that takes a fifth longer than it was calibrated to has a ratio of 1.2, by work and by step."""

    def rate(into: float, out: float) -> float:
        return 1e6 / (20 * into + 30 * out + 0.05 * out * (into + out / 2))

    shapes = ((64, 64), (64, 1024), (1024, 64), (1024, 1024), (4096, 256))
    work = fit_work([Point(input_tokens=i, output_tokens=o, requests_per_s=rate(i, o)) for i, o in shapes])
    step = fit_step([Point(input_tokens=9, output_tokens=9, batch=b, step_ms=10 + b) for b in (1, 4, 16)])
    live = [
        Point(input_tokens=500, output_tokens=200, requests_per_s=rate(500, 200) / 1.2, batch=8, step_ms=18 * 1.2),
        Point(input_tokens=300, output_tokens=300, batch=200, step_ms=1),
    ]
    found = {each.what: each for each in drifts(live, work=work, steps=[step])}
    assert found["token work"].ratio == pytest.approx(1.2)
    assert found["affine step"].ratio == pytest.approx(1.2)
    assert (found["token work"].points, found["affine step"].points) == (1, 1)
