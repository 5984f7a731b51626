"""Whose time it was, and who pays for it: every microsecond and every last digit accounted for."""

import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.attribution import Run, share_time
from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.chargeback import OnBox, charge_back, each_request

WORK = TokenWork(a_us=Decimal("17.42"), b0_us=Decimal("28.18"), k_us=Decimal("0.05908"))
spans = some.lists(some.tuples(some.integers(0, 10**7), some.integers(0, 10**6)), max_size=30).map(sorted)


def run(number: int, start_s: float, lasts_s: float, *, key: str = "team", answered: bool = True) -> OnBox:
    """A request of one key."""
    return OnBox(f"r{number}", key, "chat", "small", start_s, start_s + lasts_s, 100 * number, 10, 0, answered)


def key_of(one: OnBox) -> str:
    """Charged by key."""
    return one.key


def test_a_moment_is_shared_by_those_who_run_in_it() -> None:
    """From 0 to 10 alone, 10 to 20 with another, 20 to 30 the other alone: 15 each, 30 busy."""
    done = list(share_time([Run("a", 0, 20), Run("b", 10, 30)]))
    assert [(share.item, share.work_ns) for share in done] == [("a", 15_000), ("b", 15_000)]
    assert done[-1].busy_us == 30


@given(spans=spans)
def test_shares_are_the_time_in_which_anything_ran(spans: list[tuple[int, int]]) -> None:
    """They add up to the busy time: the length of all runs laid over each other; nobody gets a negative one."""
    done = list(share_time(Run(number, start, start + lasts) for number, (start, lasts) in enumerate(spans)))
    assert sorted(share.item for share in done) == list(range(len(spans)))
    covered, reached = 0, 0
    for start, lasts in spans:
        covered += max(0, start + lasts - max(start, reached))
        reached = max(reached, start + lasts)
    busy = done[-1].busy_us if done else 0
    assert busy == covered
    assert sum(share.work_ns for share in done) == pytest.approx(covered * 1000, abs=len(spans))
    assert all(share.work_ns >= 0 for share in done)


@given(
    runs=some.lists(
        some.tuples(some.floats(0, 900), some.floats(0, 200), some.sampled_from("abc"), some.booleans()), max_size=25
    ).map(sorted),
    bill=some.decimals(0, 10**6, places=2),
    by_tokens=some.booleans(),
)
def test_groups_and_requests_and_rest_equal_the_bill(
    runs: list[tuple[float, float, str, bool]], bill: Decimal, *, by_tokens: bool
) -> None:
    """By groups and request by request, with what nobody asked for: the invoice to the last digit."""
    rows = [run(n, at, lasts, key=key, answered=ok) for n, (at, lasts, key, ok) in enumerate(runs, 1)]
    work = WORK if by_tokens else None
    whole = charge_back(rows, key_of, usd_bill=bill, since_s=0, until_s=1000, work=work)
    rest = whole.allocation.usd_unattributed_alloc
    each = [usd for _, usd in each_request(rows, whole, until_s=1000, work=work)]
    assert len(each) == len(rows)
    assert sum((charge.usd_alloc for charge in whole.charges), rest) == bill
    assert sum(each, rest) == bill


def test_failed_work_is_charged_and_shown_apart() -> None:
    """An hour of which half was idle, a third answered one team, a sixth failed another: $600 split so."""
    rows = [run(1, 0, 1200, key="a"), run(2, 1200, 600, key="b", answered=False)]
    whole = charge_back(rows, key_of, usd_bill=Decimal(600), since_s=0, until_s=3600)
    paid = {charge.group: (charge.usd_served_alloc, charge.usd_failed_alloc) for charge in whole.charges}
    assert paid == {"a": (Decimal(200), Decimal(0)), "b": (Decimal(0), Decimal(100))}
    assert whole.allocation.usd_idle_alloc == 300


def test_token_work_weighs_what_time_does_not() -> None:
    """Side by side for the same time, the one with the longer prompt owes more, in the ratio of the work."""
    rows = [run(1, 0, 60, key="short"), run(9, 0, 60, key="long")]
    by_time = charge_back(rows, key_of, usd_bill=Decimal(100), since_s=0, until_s=60)
    by_work = charge_back(rows, key_of, usd_bill=Decimal(100), since_s=0, until_s=60, work=WORK)
    assert {charge.usd_alloc for charge in by_time.charges} == {Decimal(50)}
    assert by_work.charges[0].group == "long"
    assert by_work.charges[0].usd_alloc > 4 * by_work.charges[1].usd_alloc


def test_nobody_asked() -> None:
    """All of the bill is idle, and no group is made up."""
    whole = charge_back([], key_of, usd_bill=Decimal("9.99"), since_s=0, until_s=60)
    assert (whole.charges, whole.allocation.usd_idle_alloc) == ((), Decimal("9.99"))


def test_what_cannot_be_is_refused() -> None:
    """A clock that runs backwards, and more sleep than time."""
    with pytest.raises(ValueError, match="start_us: the clock goes backwards at request 2"):
        list(share_time([Run("a", 10, 20), Run("b", 0, 5)]))
    with pytest.raises(ValueError, match="end_us: request 1 ends before it starts"):
        list(share_time([Run("a", 10, 5)]))
    with pytest.raises(ValueError, match="exceed period_us"):
        charge_back([run(1, 0, 50)], key_of, usd_bill=Decimal(1), since_s=0, until_s=60, asleep_s=20)


@pytest.mark.slow
def test_a_million_requests_in_seconds_and_little_memory() -> None:
    """A million rows take seconds of CPU, and the memory of those that run at once."""

    def rows(count: int) -> Iterator[OnBox]:
        return (run(number % 50, number * 2.0, 9.0, key=f"k{number % 7}") for number in range(count))

    began = process_time()
    whole = charge_back(rows(1_000_000), key_of, usd_bill=Decimal(3000), since_s=0, until_s=2_628_000)
    assert process_time() - began < 8  # 3 s on an idle machine
    assert whole.requests == 1_000_000
    tracemalloc.start()
    charge_back(rows(50_000), key_of, usd_bill=Decimal(3000), since_s=0, until_s=2_628_000)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
