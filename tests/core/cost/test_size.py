"""How many boxes: the least that keeps each promise, textbook queues, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localfleet.core.cost.replay import replay
from localfleet.core.cost.size import erlang_c, kimura_wait_s, replicas_for_peak, size_fleet
from localfleet.core.cost.traffic import Late, Requests, TrafficClass, requests


def burst(count: int, rule: TrafficClass) -> Requests:
    """All at once."""
    nothing = [0.0] * count
    return requests(at_s=nothing, input_tokens=nothing, output_tokens=nothing, classes=[rule])


def test_the_least_that_keeps_the_promise() -> None:
    """Ten requests of 1 s at once, none may wait over 2 s: four replicas, and the sentence says what three would do."""
    sized = size_fleet(burst(10, TrafficClass(name="open")), np.full(10, 1.0), gone_share=0.0, spare=1)
    assert (sized.needed, sized.spare, sized.replicas) == (5, 1, 6)
    assert sized.seen.spill_share == 0
    assert "open: 10.00% would leave with 4, over 0.00%" in sized.because


def test_restricted_work_is_sized_by_its_wait() -> None:
    """It never leaves, so its 99th percentile is what counts."""
    rule = TrafficClass(name="private", late=Late.QUEUE, restricted=True)
    sized = size_fleet(burst(10, rule), np.full(10, 1.0))
    assert sized.seen.of("private").wait_p99_s <= 2
    assert "private: 1 of 100 would wait" in sized.because


def test_a_search_that_ends_says_so() -> None:
    """A request that alone breaks the promise cannot be sized for."""
    rule = TrafficClass(name="private", late=Late.QUEUE, restricted=True)
    sized = size_fleet(burst(100, rule), np.full(100, 60.0), most=2)
    assert not sized.kept
    assert sized.needed == 2


@settings(deadline=None, max_examples=50)
@given(gaps=some.lists(some.floats(0, 3), min_size=2, max_size=30), work=some.floats(0.1, 4))
def test_one_fewer_breaks_it(gaps: list[float], work: float) -> None:
    """The found number keeps the promise, and one less does not."""
    times = np.cumsum(gaps)
    trace = requests(at_s=times, input_tokens=times * 0, output_tokens=times * 0)
    seconds = np.full(len(times), work)
    sized = size_fleet(trace, seconds, gone_share=0.0)
    assert sized.seen.spill_share == 0
    if sized.needed > 1:
        assert replay(trace, seconds, replicas=sized.needed - 1).spill_share > 0


def test_v6_erlang_c_of_the_textbook() -> None:
    """Two servers at half load wait with 1/3, ten at eight with 0.409."""
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3, rel=1e-12)
    assert erlang_c(10, 8.0) == pytest.approx(0.4091801507964435, rel=1e-9)
    assert erlang_c(3, 3.0) == 1.0


def test_kimura_is_exact_for_one_server_of_exponential_work() -> None:
    """M/M/1 at 1/2 load of 1 s: the mean wait is 1 s; no variation, no wait; too much load, no end."""
    assert kimura_wait_s(1, requests_per_s=0.5, seconds_per_request=1, ca2=1, cs2=1) == pytest.approx(1.0)
    assert kimura_wait_s(1, requests_per_s=0.5, seconds_per_request=1, ca2=0, cs2=0) == 0
    assert kimura_wait_s(1, requests_per_s=2, seconds_per_request=1, ca2=1, cs2=1) == float("inf")


def test_without_a_trace_the_busiest_window_counts() -> None:
    """30 a second of 0.1 s each at a limit of 0.85: 3.53, so four."""
    assert replicas_for_peak(requests_per_s_peak=30, seconds_per_request=0.1) == 4
    assert replicas_for_peak(requests_per_s_peak=0, seconds_per_request=0.1) == 0
    with pytest.raises(ValueError, match="requests_per_s_peak"):
        replicas_for_peak(requests_per_s_peak=float("nan"), seconds_per_request=0.1)
