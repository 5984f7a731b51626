"""The breaker, with a clock made of numbers."""

from localfleet.engines.breaker import Breaker


def broken(at: float = 100.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(3):
        breaker.failed(at, probe=False)
    return breaker


def test_three_failures_in_a_row_open_it() -> None:
    """Two do not, nor three with a success between."""
    breaker = Breaker()
    breaker.failed(1, probe=False)
    breaker.failed(2, probe=False)
    assert breaker.opens_in_s(2) is None
    breaker.succeeded()
    breaker.failed(3, probe=False)
    breaker.failed(3, probe=False)
    assert breaker.opens_in_s(3) is None
    breaker.failed(3, probe=False)
    assert breaker.opens_in_s(3) == 1.0


def test_one_probe_at_a_time_and_success_closes() -> None:
    """After the pause one request may try; the others wait for it."""
    breaker = broken()
    assert breaker.opens_in_s(101) is None
    assert breaker.enter()
    assert breaker.opens_in_s(101) is not None
    breaker.succeeded()
    assert breaker.opens_in_s(101) is None
    assert not breaker.enter()


def test_pauses_double_up_to_half_a_minute() -> None:
    """1, 2, 4, 8, 16, 30, 30 seconds."""
    breaker, now, pauses = broken(0), 0.0, []
    for _ in range(7):
        wait_s = breaker.opens_in_s(now)
        assert wait_s is not None
        pauses.append(wait_s)
        now += wait_s
        breaker.failed(now, probe=breaker.enter())
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_probe_that_left_frees_its_place() -> None:
    """A cancelled probe tells nothing; the next request is the probe."""
    breaker = broken()
    assert breaker.enter()
    breaker.left(probe=False)
    assert breaker.opens_in_s(101) is not None
    breaker.left(probe=True)
    assert breaker.opens_in_s(101) is None
    assert breaker.enter()


def test_late_failures_do_not_lengthen_the_pause() -> None:
    """Requests that began before it opened tell nothing new."""
    breaker = broken(100)
    for at in (100.1, 100.5, 100.9):
        breaker.failed(at, probe=False)
    assert breaker.opens_in_s(100.9) is not None
    assert breaker.opens_in_s(101) is None


def test_a_rate_limit_with_a_time_shuts_for_it_at_most_a_minute() -> None:
    """Without a time it stays open; another answer does not end the limit early."""
    breaker = Breaker()
    breaker.limited(0, None, probe=False)
    assert breaker.opens_in_s(0) is None
    breaker.limited(0, 7, probe=False)
    breaker.succeeded()
    assert breaker.opens_in_s(0) == 7
    assert breaker.opens_in_s(7) is None
    breaker.limited(10, 3600, probe=False)
    assert breaker.opens_in_s(10) == 60
