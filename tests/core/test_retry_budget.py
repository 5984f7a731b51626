"""The budget of retries over all requests, with a clock made of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.retry_budget import AT_LEAST, WINDOW_S, RetryBudget


def test_a_quiet_router_may_always_retry_a_little() -> None:
    """Ten in a window without any request, and ten again when they have slid out of it."""
    budget = RetryBudget(share=0.1)
    assert [budget.allows(1000.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert not budget.allows(1009.9)
    assert [budget.allows(1020.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_busy_router_may_retry_a_share() -> None:
    """A tenth of a thousand requests, and the ten."""
    budget = RetryBudget(share=0.1)
    for _ in range(1000):
        budget.asked(1000.0)
    assert sum(budget.allows(1000.0) for _ in range(1000)) == 110


def test_no_share_leaves_the_floor() -> None:
    """Share 0: ten in a window, whatever comes."""
    budget = RetryBudget(share=0)
    for _ in range(1000):
        budget.asked(5.0)
    assert sum(budget.allows(5.0) for _ in range(1000)) == 10


@given(steps=st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300))
def test_a_storm_is_bounded_in_every_window(steps: list[tuple[float, bool]]) -> None:
    """However it comes: the retries of any window are at most twice what the requests around it allow."""
    budget, now = RetryBudget(share=0.1), 100.0
    asked, retried = list[float](), list[float]()
    for pause_s, retry in steps:
        now += pause_s
        if retry and budget.allows(now):
            retried.append(now)
        elif not retry:
            budget.asked(now)
            asked.append(now)
        within = sum(now - at < WINDOW_S for at in retried)
        around = sum(now - at < 3 * WINDOW_S for at in asked)
        assert within <= 2 * (AT_LEAST + 0.1 * around)
