"""The token bucket: never more than its size at once, never more than its rate over time."""

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.rate import Bucket, TokenBucket


@given(st.integers(1, 600), st.lists(st.floats(0, 30), max_size=60))
def test_never_more_than_the_rate_allows(per_minute: int, pauses: list[float]) -> None:
    """Over any stretch of time: the full bucket, and what came in meanwhile."""
    bucket, now, granted = Bucket(per_minute=per_minute, at=0.0), 0.0, 0
    for pause in pauses:
        now += pause
        granted += bucket.take(now) == 0
        assert granted <= per_minute + now * per_minute / 60 + 1e-6


@given(st.integers(1, 600))
def test_the_wait_is_as_long_as_needed(per_minute: int) -> None:
    """Empty after its size; after the wait it gives again, and not before."""
    bucket = Bucket(per_minute=per_minute, at=0.0)
    assert [bucket.take(0.0) for _ in range(per_minute)] == [0.0] * per_minute
    wait = bucket.take(0.0)
    assert 0 < wait <= 60 / per_minute + 1e-9
    assert bucket.take(wait * 0.9) > 0
    assert bucket.take(wait * 1.01) == 0


def test_a_clock_that_goes_back_refills_nothing() -> None:
    """A monotonic clock does not; if one did, it would not be a free pass."""
    bucket = Bucket(per_minute=1, at=100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(10.0) > 0
    assert bucket.take(10.0) > 0


@given(st.integers(60, 60_000), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5000)), max_size=60))
def test_tokens_over_time_are_no_more_than_the_rate(per_minute: int, asked: list[tuple[float, int]]) -> None:
    """Whoever has some left may ask; what is overdrawn is one answer at most, and is waited for."""
    bucket, now, used = TokenBucket(per_minute=per_minute, at=0.0), 0.0, 0
    for pause, tokens in asked:
        now += pause
        wait_s = bucket.wait_s(now)
        if wait_s == 0:
            bucket.spend(tokens)
            used += tokens
        else:
            assert bucket.wait_s(now + wait_s * 1.001) == 0
            now += wait_s * 1.001
        assert used <= per_minute + now * per_minute / 60 + 5000
