"""A fixed bill split until nothing is left: exact to the last digit for any times and any requests."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.allocation import BoxTime, allocate, shares

bills = some.decimals(0, 10**9, places=4)
spans = some.lists(some.integers(0, 10**12), min_size=5, max_size=5).filter(sum)


@given(bill=bills, spans=spans)
def test_the_parts_equal_the_bill(bill: Decimal, spans: list[int]) -> None:
    """Served, failed, idle, waking and asleep are never negative and add up to the bill to the last digit."""
    served, failed, waking, asleep, idle = spans
    time = BoxTime(period_us=sum(spans), served_us=served, failed_us=failed, waking_us=waking, asleep_us=asleep)
    split = allocate(bill, time)
    assert time.idle_us == idle
    assert split.usd_served_alloc + split.usd_failed_alloc + split.usd_unattributed_alloc == bill
    assert min(split.usd_served_alloc, split.usd_failed_alloc, split.usd_unattributed_alloc) >= 0


@given(bill=bills, work=some.lists(some.integers(0, 10**9), min_size=1, max_size=50).filter(sum), idle=some.integers(0))
def test_requests_and_the_rest_equal_the_bill(bill: Decimal, work: list[int], idle: int) -> None:
    """Shares of the requests and what no request caused are the invoice; each share follows its work."""
    split = allocate(bill, BoxTime(period_us=sum(work) + idle, served_us=sum(work)))
    each = list(shares(split.usd_served_alloc, sum(work), work))
    assert sum(each) + split.usd_unattributed_alloc == bill
    for share, us in zip(each, work, strict=True):
        assert abs(share - split.usd_served_alloc * us / sum(work)) <= Decimal("2e-9")


def test_a_bill_finer_than_a_billionth_keeps_its_digits() -> None:
    """The bill's own last digit is never cut."""
    bill = Decimal("10.123456789012345")
    split = allocate(bill, BoxTime(period_us=3, served_us=1, asleep_us=1))
    assert split.usd_served_alloc + split.usd_unattributed_alloc == bill


def test_a_month_by_hand() -> None:
    """Half of $300 idle, a third served, a sixth failed."""
    split = allocate(Decimal(300), BoxTime(period_us=6, served_us=2, failed_us=1))
    assert (split.usd_served_alloc, split.usd_failed_alloc, split.usd_idle_alloc) == (*map(Decimal, (100, 50, 150)),)


def test_work_counted_twice_is_refused() -> None:
    """More work than time, or shares that do not make the whole, are errors that name the field."""
    with pytest.raises(ValueError, match="exceed period_us"):
        BoxTime(period_us=10, served_us=8, failed_us=3)
    with pytest.raises(ValueError, match="work_us: the parts add up to 3 and not to 4"):
        list(shares(Decimal(1), 4, [1, 2]))
    with pytest.raises(ValueError, match="usd_bill must be a finite number"):
        allocate(Decimal("NaN"), BoxTime(period_us=1))
