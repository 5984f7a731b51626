"""Bursts played against boxes: laws of a queue, restricted work that never spills, speed, and refusals."""

from dataclasses import replace
from decimal import Decimal
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.replay import replay, work_s
from localfleet.core.cost.traffic import Late, Requests, TrafficClass, merge, requests, trace_facts

WORK = TokenWork(a_us=Decimal("17.42"), b0_us=Decimal("28.18"), k_us=Decimal("0.05908"))
SPILLS = TrafficClass(name="open", wait_budget_s=2.0)
STAYS = TrafficClass(name="private", wait_budget_s=2.0, late=Late.QUEUE, restricted=True)

gaps = some.lists(some.floats(0, 5), min_size=2, max_size=40)


def stream(count: int, every_s: float, rule: TrafficClass = SPILLS) -> Requests:
    """Equal requests at equal distances."""
    return requests(
        at_s=[number * every_s for number in range(count)],
        input_tokens=[1000.0] * count,
        output_tokens=[100.0] * count,
        classes=[rule],
    )


def test_a_burst_by_hand() -> None:
    """Four requests of 2 s at once and a budget of 2 s: two start within it, two spill; none of it is the mean."""
    burst = stream(4, 0.0)
    seen = replay(burst, np.full(4, 2.0), replicas=1)
    assert seen.wait_s.tolist() == [0, 2, 4, 4]
    assert (seen.of("open").served, seen.of("open").spilled, seen.spill_share) == (2, 2, 0.5)
    assert replay(burst, np.full(4, 2.0), replicas=2).wait_s.tolist() == [0, 1, 2, 3]


def test_restricted_work_never_spills() -> None:
    """It waits over its budget and is counted; no setting can make it leave."""
    seen = replay(stream(4, 0.0, STAYS), np.full(4, 2.0), replicas=1).of("private")
    assert (seen.served, seen.spilled, seen.over_budget, seen.wait_max_s) == (4, 0, 2, 6.0)
    with pytest.raises(ValueError, match="late of private must be queue or shed"):
        replace(STAYS, late=Late.SPILL)


def test_shed_work_is_refused_and_not_bought_elsewhere() -> None:
    """A shed request is neither served nor spilled."""
    seen = replay(stream(4, 0.0, replace(STAYS, late=Late.SHED)), np.full(4, 2.0), replicas=1).of("private")
    assert (seen.served, seen.shed, seen.spilled) == (2, 2, 0)


@settings(deadline=None)
@given(gaps=gaps, work=some.floats(0.01, 3), replicas=some.integers(1, 5))
def test_what_comes_is_served_or_leaves(gaps: list[float], work: float, replicas: int) -> None:
    """Nothing is lost, nobody who is served waited over the budget, and one replica for each request never spills."""
    times = np.cumsum(gaps)
    trace = requests(at_s=times, input_tokens=times * 0, output_tokens=times * 0, classes=[SPILLS])
    seconds = np.full(len(times), work)
    seen = replay(trace, seconds, replicas=replicas).of("open")
    assert seen.served + seen.spilled == seen.requests == len(times)
    assert 0 <= seen.wait_p50_s <= seen.wait_p99_s <= seen.wait_max_s <= 2.0
    assert replay(trace, seconds, replicas=2 * len(times)).spill_share == 0


@settings(deadline=None)
@given(gaps=gaps, work=some.floats(0.01, 3))
def test_twice_the_boxes_at_half_the_speed_serve_as_many(gaps: list[float], work: float) -> None:
    """The fluid queue knows only their product, so a queue that never spills waits exactly as long."""
    times = np.cumsum(gaps)
    trace = requests(at_s=times, input_tokens=times * 0, output_tokens=times * 0, classes=[STAYS])
    one = replay(trace, np.full(len(times), work), replicas=1).wait_s
    two = replay(trace, np.full(len(times), 2 * work), replicas=2).wait_s
    assert two == pytest.approx(one)


def test_the_box_gains_from_its_own_cache() -> None:
    """Input that is cached costs no prefill; the stated share of the box goes before the provider's."""
    trace = requests(at_s=[0, 1], input_tokens=[1000, 1000], output_tokens=[10, 10], cache_read_tokens=[0, 400])
    plain, hit = work_s(trace, WORK)
    assert (plain - hit) * 1e6 == pytest.approx(400 * 17.42)
    assert work_s(trace, WORK, prefix_hit_share=0.4).tolist() == pytest.approx([hit, hit])


def test_traces_share_a_box_with_their_rules_apart() -> None:
    """Merged traces keep their classes and end together."""
    both = merge(stream(10, 1.0, STAYS), stream(10, 0.5, SPILLS), until_s=4.0)
    assert [int(both.of(name).sum()) for name in ("private", "open")] == [5, 9]
    assert both.where(both.of("open")).span_s == 4.0


def test_a_steady_stream_has_no_bursts() -> None:
    """Peak over mean is 1 and the gaps do not vary."""
    seen = trace_facts(stream(1001, 0.1), windows_s=(10.0,))
    assert seen.requests_per_s == pytest.approx(10.01)
    assert seen.peak_to_mean[0][1] == pytest.approx(1, rel=0.02)
    assert seen.interarrival_cv == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at_s": []}, "at_s: the trace is empty"),
        ({"at_s": [0, 2, 1]}, "at_s: the clock goes backwards at row 3"),
        ({"at_s": [0, 1, float("nan")]}, "at_s: row 3 is not a finite number"),
        ({"input_tokens": [1, -1, 1]}, "input_tokens: row 2 is negative"),
        ({"output_tokens": [1, 1]}, "output_tokens: must have one number for each of the 3"),
        ({"cache_read_tokens": [0, 6, 0], "cache_write_tokens": [0, 5, 0]}, r"cache_write_tokens: row 2 exceeds"),
        ({"kind": [0, 0, 1]}, "kind: row 3 names no class"),
    ],
)
def test_bad_traces_are_refused_by_name(change: dict[str, list[float]], message: str) -> None:
    """A wrong column is named, with its row."""
    good = {"at_s": [0, 1, 2], "input_tokens": [10, 10, 10], "output_tokens": [1, 1, 1]}
    with pytest.raises(ValueError, match=message):
        requests(**{**good, **change})  # type: ignore[arg-type]  # a name among them is of another type


def test_a_million_requests_replay_within_seconds() -> None:
    """20,000 within 0.1 s and 1,000,000 within 5 s of CPU, columns and percentiles included."""
    gaps = np.random.default_rng(1).exponential(0.1, 1_000_000)
    for count, limit_s in ((20_000, 0.1), (1_000_000, 5.0)):
        began = process_time()
        trace = requests(
            at_s=np.cumsum(gaps[:count]), input_tokens=np.full(count, 1000.0), output_tokens=np.full(count, 100.0)
        )
        seen = replay(trace, work_s(trace, WORK), replicas=1)
        assert process_time() - began < limit_s
        assert seen.requests == count
