"""Hours asleep and waking out of the changes that were seen: nothing counts twice, and the bill adds up."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.box_states import Change, Quiet, Unused, box_spans, wakes
from localfleet.core.cost.chargeback import OnBox, charge_back, each_request
from localfleet.core.fleet import Readiness

changes = some.lists(
    some.builds(Change, some.floats(-100, 1100), some.sampled_from(["one", "two"]), some.sampled_from(list(Readiness))),
    max_size=20,
)
runs = some.lists(some.tuples(some.floats(0, 1000), some.floats(0, 150), some.booleans()), max_size=20).map(sorted)


def on_box(rows: list[tuple[float, float, bool]]) -> list[OnBox]:
    """Requests of one key."""
    return [
        OnBox(f"r{number}", "team", "chat", "one", at, at + lasts, 10, 10, 0, good)
        for number, (at, lasts, good) in enumerate(rows)
    ]


def test_a_box_of_two_models_is_awake_while_either_is() -> None:
    """One loads from 10 to 20; the other is asleep all along; both sleep from 50; a wake of 3 s; then down."""
    seen = [
        Change(0, "two", Readiness.ASLEEP),
        Change(10, "one", Readiness.LOADING),
        Change(20, "one", Readiness.READY),
        Change(50, "one", Readiness.ASLEEP),
        Change(80, "two", Readiness.WARMING),
        Change(83, "two", Readiness.READY),
        Change(90, "two", Readiness.DOWN),
        Change(95, "one", Readiness.DOWN),
    ]
    spans = box_spans(seen, since_s=0, until_s=100)
    assert [(quiet, start / 1e6, end / 1e6) for quiet, start, end in spans] == [
        (Quiet.ASLEEP, 0, 10),
        (Quiet.WAKING, 10, 20),
        (Quiet.ASLEEP, 50, 80),
        (Quiet.WAKING, 80, 83),
        (Quiet.ASLEEP, 90, 95),
    ]
    assert wakes(spans) == [10, 3]


def test_what_came_before_the_period_holds_in_it() -> None:
    """Asleep since long ago: asleep for the whole of it; nothing seen: nothing known."""
    spans = box_spans([Change(-500, "one", Readiness.ASLEEP)], since_s=0, until_s=60)
    assert [(span.start_us, span.end_us) for span in spans] == [(0, 60_000_000)]
    assert box_spans([], since_s=0, until_s=60) == []


@given(seen=changes, rows=runs)
def test_no_microsecond_counts_twice(seen: list[Change], rows: list[tuple[float, float, bool]]) -> None:
    """What is waking, asleep and busy is held against a count of every moment between two changes."""
    spans = box_spans(seen, since_s=0, until_s=1000)
    unused = Unused(spans)
    taken = [(round(at * 1e6), min(round((at + lasts) * 1e6), 10**9)) for at, lasts, _ in rows]
    for start, end in taken:
        unused.watch(start, end)
    unused.finish()
    edges = sorted({edge for span in spans for edge in span[1:]} | {edge for pair in taken for edge in pair})
    counted = dict.fromkeys(Quiet, 0)
    for start, end in pairwise(edges):
        if any(left <= start and end <= right for left, right in taken):
            continue
        for span in spans:
            if span.start_us <= start and end <= span.end_us:
                counted[span.quiet] += end - start
    assert counted == {Quiet.WAKING: unused.waking_us, Quiet.ASLEEP: unused.asleep_us}


@given(seen=changes, rows=runs, bill=some.decimals(0, 10**6, places=2))
def test_with_sleep_and_wakes_the_shares_equal_the_bill(
    seen: list[Change], rows: list[tuple[float, float, bool]], bill: Decimal
) -> None:
    """Served, failed, idle, waking, asleep, and request by request: the invoice to the last digit."""
    spans = box_spans(seen, since_s=0, until_s=1000)
    whole = charge_back(on_box(rows), lambda run: run.key, usd_bill=bill, since_s=0, until_s=1000, spans=spans)
    split = whole.allocation
    each = [usd for _, usd in each_request(on_box(rows), whole, until_s=1000)]
    assert sum(each, split.usd_unattributed_alloc) == bill
    assert split.usd_served_alloc + split.usd_failed_alloc + split.usd_unattributed_alloc == bill
    assert split.time.idle_us >= 0


def test_asleep_all_month_is_no_idle_time() -> None:
    """At odd fractions of a second too: the whole bill is asleep."""
    spans = box_spans([Change(0.0000004, "one", Readiness.ASLEEP)], since_s=0.1234567, until_s=99.7654321)
    whole = charge_back(
        [], lambda run: run.key, usd_bill=Decimal(7), since_s=0.1234567, until_s=99.7654321, spans=spans
    )
    assert whole.allocation.usd_asleep_alloc == 7
    assert whole.allocation.usd_idle_alloc == 0
    with pytest.raises(ValueError, match="exceed period_us"):
        charge_back([], lambda run: run.key, usd_bill=Decimal(7), since_s=0, until_s=9, asleep_s=10)
