"""The live price of a turn: zero while idle, rising with the line, what is displaced when the box is full."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.cost.shadow import live_bid
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.routing.bid import HOURS_PER_WEEK, Bid, bid_usd, hour_of_week

BID = Bid(model="small", seconds_per_request=0.5, usd_per_replica_s_highest=0.01, wait_budget_s=2.0)


def waiting(wait_s: float) -> EngineState:
    """A model whose line takes so long."""
    return EngineState(readiness=Readiness.READY, wait_s=wait_s)


def test_an_idle_box_is_free_and_a_full_one_costs_what_it_displaces() -> None:
    """Half a second at one cent a second is half a cent; beyond the budget it rises no further."""
    assert bid_usd(BID, waiting(0), 0.0) == bid_usd(BID, waiting(1.2), 0.0) == 0
    assert float(bid_usd(BID, waiting(2.0), 0.0)) == pytest.approx(0.005)
    assert bid_usd(BID, waiting(60), 0.0) == bid_usd(BID, waiting(2.0), 0.0)
    assert isinstance(bid_usd(BID, waiting(1.6), 0.0), Decimal)


@given(wait_s=st.floats(0, 100), more_s=st.floats(0, 100))
def test_it_is_the_cores_live_bid_and_never_falls(wait_s: float, more_s: float) -> None:
    """A longer line is never cheaper, and the same line is drawn by the cost core."""
    expected = 0.5 * live_bid(wait_s=wait_s, wait_budget_s=2.0, usd_per_replica_s_highest=0.01)
    assert float(bid_usd(BID, waiting(wait_s), 0.0)) == pytest.approx(expected, abs=1e-12)
    assert bid_usd(BID, waiting(wait_s + more_s), 0.0) >= bid_usd(BID, waiting(wait_s), 0.0)


def test_what_is_no_price_is_refused() -> None:
    """A budget or work of nothing."""
    with pytest.raises(ValueError, match="above 0"):
        Bid(model="small", seconds_per_request=0, usd_per_replica_s_highest=1, wait_budget_s=1)
    with pytest.raises(ValueError, match="168"):
        replace(BID, usd_per_replica_s_by_hour=(1.0,))


def test_the_hour_of_the_week_counts_before_the_line_grows() -> None:
    """A busy hour has its price though the box idles just now, the next hour its own; a full line goes above both."""
    by_hour = tuple(0.004 if hour == 24 * 2 + 9 else 0.0 for hour in range(HOURS_PER_WEEK))
    bid, wednesday = replace(BID, usd_per_replica_s_by_hour=by_hour), datetime(2026, 11, 25, 9, 59, tzinfo=UTC)
    assert hour_of_week(wednesday.timestamp()) == 57
    assert float(bid_usd(bid, waiting(0), wednesday.timestamp())) == pytest.approx(0.002)
    assert float(bid_usd(bid, waiting(9), wednesday.timestamp())) == pytest.approx(0.005)
    assert bid_usd(bid, waiting(0), (wednesday + timedelta(minutes=1)).timestamp()) == 0
