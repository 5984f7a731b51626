"""A trace against slots: laws that any line keeps, and where it differs from the fluid queue."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.cost.fit import fit_step
from localfleet.core.cost.points import Point
from localfleet.core.cost.slots import play_slots, speed_of

jobs = st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 5)), min_size=1, max_size=30)


def arrivals(gaps: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Gaps and works -> times and works."""
    at, times = 0.0, []
    for gap, _ in gaps:
        at += gap
        times.append(at)
    return times, [work for _, work in gaps]


@settings(deadline=None)
@given(gaps=jobs)
def test_one_slot_is_the_queue_of_one_server(gaps: list[tuple[float, float]]) -> None:
    """With one slot a request waits for all the work ahead of it: Lindley's recursion, exactly."""
    at_s, work_s = arrivals(gaps)
    backlog, before, expected = 0.0, at_s[0], []
    for at, work in zip(at_s, work_s, strict=True):
        backlog = max(0.0, backlog - (at - before))
        expected.append(backlog)
        backlog, before = backlog + work, at
    assert [turn.wait_s for turn in play_slots(at_s, work_s, slots=1)] == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(gaps=jobs, slots=st.integers(2, 6), patience_s=st.floats(0, 4))
def test_nobody_waits_longer_than_his_patience(gaps: list[tuple[float, float]], slots: int, patience_s: float) -> None:
    """Who is served waited no longer, who left waited just so long, and with room for all nobody waits."""
    at_s, work_s = arrivals(gaps)
    turns = play_slots(at_s, work_s, slots=slots, patience_s=patience_s)
    assert all(turn.wait_s <= patience_s + 1e-6 for turn in turns)
    assert all(turn.wait_s == patience_s for turn in turns if turn.left)
    assert all(turn.wait_s == 0 for turn in play_slots(at_s, work_s, slots=len(at_s)))


def test_a_batch_takes_in_what_a_fluid_queue_makes_wait() -> None:
    """Ten seconds of work ahead, and no wait at all: slots are free, and all inside share the box."""
    turns = play_slots([0.0] * 10, [1.0] * 10, slots=16, patience_s=0.5)
    assert not any(turn.left or turn.wait_s for turn in turns)


def test_speed_follows_the_measured_step() -> None:
    """One alone gets what the step says; the full box gets all of it."""
    points = [Point(input_tokens=9, output_tokens=9, batch=b, step_ms=10 + b) for b in (1, 4, 16)]
    speed = speed_of(fit_step(points), 16)
    assert speed(16) == pytest.approx(1.0)
    assert speed(1) == pytest.approx((1 / 11) / (16 / 26))
    assert speed_of(None, 4)(1) == 0.25


def test_what_is_no_trace_is_refused() -> None:
    """Lengths that differ, no slots, a clock that goes backwards."""
    for at_s, work_s, slots in (([0.0], [], 1), ([0.0], [1.0], 0), ([1.0, 0.0], [1.0, 1.0], 1)):
        with pytest.raises(ValueError, match="at_s"):
            play_slots(at_s, work_s, slots=slots)
    assert play_slots([], [], slots=1) == []
