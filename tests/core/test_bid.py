"""The live price of a turn: zero while idle, rising with the line, what is displaced when the box is full."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.cost.shadow import live_bid
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.routing.bid import Bid, bid_usd

BID = Bid(model="small", seconds_per_request=0.5, usd_per_replica_s_highest=0.01, wait_budget_s=2.0)


def waiting(wait_s: float) -> EngineState:
    """A model whose line takes so long."""
    return EngineState(readiness=Readiness.READY, wait_s=wait_s)


def test_an_idle_box_is_free_and_a_full_one_costs_what_it_displaces() -> None:
    """Half a second at one cent a second is half a cent; beyond the budget it rises no further."""
    assert bid_usd(BID, waiting(0)) == bid_usd(BID, waiting(1.2)) == 0
    assert float(bid_usd(BID, waiting(2.0))) == pytest.approx(0.005)
    assert bid_usd(BID, waiting(60)) == bid_usd(BID, waiting(2.0))
    assert isinstance(bid_usd(BID, waiting(1.6)), Decimal)


@given(wait_s=st.floats(0, 100), more_s=st.floats(0, 100))
def test_it_is_the_cores_live_bid_and_never_falls(wait_s: float, more_s: float) -> None:
    """A longer line is never cheaper, and the same line is drawn by the cost core."""
    expected = 0.5 * live_bid(wait_s=wait_s, wait_budget_s=2.0, usd_per_replica_s_highest=0.01)
    assert float(bid_usd(BID, waiting(wait_s))) == pytest.approx(expected, abs=1e-12)
    assert bid_usd(BID, waiting(wait_s + more_s)) >= bid_usd(BID, waiting(wait_s))


def test_what_is_no_price_is_refused() -> None:
    """A budget or work of nothing."""
    with pytest.raises(ValueError, match="above 0"):
        Bid(model="small", seconds_per_request=0, usd_per_replica_s_highest=1, wait_budget_s=1)
