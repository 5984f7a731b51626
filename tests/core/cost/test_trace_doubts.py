"""What a trace does not know is said: gaps, doubled lines, a coarse clock, an hour, too few requests."""

import pytest

from localfleet.core.cost.trace_doubts import trace_doubts
from localfleet.core.cost.traffic import Requests, requests

HOUR = 3600.0


def trace(at_s: list[float], tokens: int = 100) -> Requests:
    """Requests that differ in their input."""
    return requests(
        at_s=at_s, input_tokens=[tokens + number for number in range(len(at_s))], output_tokens=[10] * len(at_s)
    )


def steady(count: int, every_s: float = 7.3, start_s: float = 0.0) -> list[float]:
    """One request after the other."""
    return [start_s + number * every_s for number in range(count)]


def test_a_clean_trace_of_days_is_not_doubted() -> None:
    """Thirty thousand requests over two and a half days."""
    assert trace_doubts(trace(steady(30_000)), spill_share=0.001) == ()


@pytest.mark.parametrize(
    ("at_s", "says"),
    [
        (steady(20_000) + steady(20_000, start_s=40 * 24 * HOUR), "nothing came for 38.3 days of 41.7 days"),
        (steady(2_000, 1.1), "36.6 minutes of traffic know nothing of the rest of the day"),
        ([float(number // 4) for number in range(36_000)], "share 9,000 moments"),
        (steady(100), "is less than one: the trace is too short"),
    ],
)
def test_each_doubt_has_its_sentence(at_s: list[float], says: str) -> None:
    """In the units that a person would use."""
    assert any(says in told for told in trace_doubts(trace(at_s), spill_share=0.001))


def test_doubled_lines_are_seen() -> None:
    """Every request twice, to the moment and the token."""
    at = sorted(steady(15_000) * 2)
    doubled = requests(at_s=at, input_tokens=[number // 2 for number in range(30_000)], output_tokens=[10] * 30_000)
    assert any("were lines doubled?" in told for told in trace_doubts(doubled, spill_share=0.001))
