"""Reports: sums are exact, groups are right, nothing is counted twice."""

import statistics
from decimal import Context, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from ledger_rig import AT, Clock, receipt, until

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.money import add_up, pico_ceiling, split
from localfleet.storage.report import By, recent, totals
from localfleet.storage.verify import verify

_EXACT = Context(prec=500)
_COSTS = some.decimals(min_value=0, max_value=1_000_000, allow_nan=False, allow_infinity=False)


def _sum(costs: list[Decimal]) -> Decimal:
    total = Decimal(0)
    for cost in costs:
        total = _EXACT.add(total, cost)
    return total


@given(_COSTS)
def test_a_cost_is_split_without_loss(cost: Decimal) -> None:
    """Whole pico-dollars and the rest make the cost again, exactly; the bound is never below it."""
    whole, rest = split(cost)
    assert whole is not None
    assert add_up(None, whole, rest) == cost
    bound = pico_ceiling(cost)
    assert bound is not None
    assert 0 <= _EXACT.subtract(Decimal(bound).scaleb(-12, _EXACT), cost) < Decimal("1e-12")


def test_costs_sum_exactly(ledger: SqliteLedger) -> None:
    """Whatever the costs, the report's sum is their sum to the last decimal, and the chain agrees."""
    settled: dict[str, list[Decimal]] = {}

    @settings(max_examples=50, deadline=None)
    @given(some.lists(_COSTS | some.decimals(min_value=0, max_value=1, places=18), min_size=1, max_size=40))
    def settle(costs: list[Decimal]) -> None:
        model = f"model-{len(settled)}"
        settled[model] = costs
        for number, cost in enumerate(costs):
            ledger.settle(receipt(number, model=model, cost_usd=cost))

    settle()
    assert until(lambda: ledger._writer.unwritten == 0)
    said = {total.group: total for total in totals(ledger.home, by="model")}
    assert said.keys() == settled.keys()
    for model, costs in settled.items():
        assert said[model].requests == len(costs), (model, costs)
        assert said[model].cost_usd == _sum(costs), (model, costs)
    assert ledger.dropped == 0
    assert verify(ledger.home).ok


def test_sums_beyond_64_bits_stay_exact(home: Path) -> None:
    """Ten receipts of nine million dollars are ninety million dollars, not an overflow."""
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(10):
        ledger.settle(receipt(number, cost_usd=Decimal("9000000.000000000001")))
    ledger.close()
    (total,) = totals(home, by="tier")
    assert total.cost_usd == Decimal("90000000.00000000001")
    assert ledger.dropped == 0


@pytest.fixture
def day(home: Path) -> Path:
    """A mixed day: measured, estimated, failed, refused, of unknown price."""
    ledger = SqliteLedger(home, clock=Clock())
    ledger.settle(receipt(1, cost_usd=Decimal("0.1"), total_ms=10.0))
    ledger.settle(receipt(2, cost_usd=Decimal("0.2"), total_ms=20.0, label=Label.RESTRICTED, task=None))
    ledger.settle(
        receipt(
            3,
            model="mini",
            tier="low_cost",
            cost_usd=None,
            usage=Usage(input_tokens=7, output_tokens=3, measured=False),
        )
    )
    ledger.settle(
        receipt(4, model="mini", tier="low_cost", outcome=Reason.TIMED_OUT, status=504, usage=None, at=AT + 90_000)
    )
    ledger.settle(
        receipt(
            5, model=None, tier=None, outcome=Reason.KEY_RATE_LIMIT, status=429, attempts=(), usage=None, cost_usd=None
        )
    )
    ledger.close()
    return home


def test_a_group_holds_what_happened(day: Path) -> None:
    """Requests, failures, tokens measured and estimated apart, exact cost, unknown prices, times."""
    by_model = {total.group: total for total in totals(day, by="model")}
    small, mini, none = by_model["small"], by_model["mini"], by_model["none"]
    assert (small.requests, small.failed, small.cost_usd) == (2, 0, Decimal("0.3"))
    assert (small.input_tokens, small.output_tokens, small.estimated_input_tokens) == (200, 40, 0)
    assert (small.median_ms, small.p95_ms) == (10.0, 20.0)
    assert (mini.requests, mini.failed, mini.cost_unknown) == (2, 1, 1)
    assert (mini.input_tokens, mini.estimated_input_tokens, mini.estimated_output_tokens) == (0, 7, 3)
    assert (none.requests, none.failed, none.cost_unknown) == (1, 1, 0)


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("tier", {"local": 2, "low_cost": 2, "none": 1}),
        ("label", {"internal": 4, "restricted": 1}),
        ("task", {"classification": 4, "none": 1}),
        ("key", {"abcd1234": 5}),
        ("reason", {"local_first": 5}),
        ("outcome", {"answered": 3, "timed_out": 1, "key_rate_limit": 1}),
        ("day", {"2026-09-21": 4, "2026-09-22": 1}),
        ("api", {"chat": 5}),
    ],
)
def test_groups(day: Path, by: By, groups: dict[str, int]) -> None:
    """Each way of grouping counts every request once."""
    assert {total.group: total.requests for total in totals(day, by=by)} == groups


def test_a_report_covers_its_time_and_no_more(day: Path) -> None:
    """`since` is in, `until` is out."""
    assert sum(total.requests for total in totals(day, by="key", since=AT, until=AT + 90_000)) == 4
    assert sum(total.requests for total in totals(day, by="key", since=AT + 90_000)) == 1
    assert totals(day, by="key", since=AT + 90_001) == []


def test_median_and_95th_percentile_are_nearest_ranks(home: Path) -> None:
    """Against the statistics module over a hundred times in shuffled order."""
    times = [float(n * 37 % 100) for n in range(100)]
    ledger = SqliteLedger(home, clock=Clock())
    for number, total_ms in enumerate(times):
        ledger.settle(receipt(number, total_ms=total_ms))
    ledger.close()
    (total,) = totals(home, by="model")
    assert total.median_ms == statistics.median_low(times)
    assert total.p95_ms == sorted(times)[94]


def test_without_a_ledger_reports_are_empty(home: Path) -> None:
    """Nothing was recorded, and asking creates nothing."""
    assert totals(home, by="model") == []
    assert recent(home) == []
    assert not home.exists()


def test_recent_pages_backwards(day: Path) -> None:
    """Newest first; the next page begins where the last one ended."""
    first = recent(day, limit=2)
    second = recent(day, limit=9, before=first[-1].seq)
    assert [line.request_id for line in first + second] == ["req-5", "req-4", "req-3", "req-2", "req-1"]
    assert second[0].cost_usd is None
    assert second[1].cost_usd == Decimal("0.2")
    assert second[1].label == "restricted"
    assert second[0].measured is False
    assert first[0].measured is None
    assert second[1].stream is False
