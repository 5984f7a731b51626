"""
What a turn at a local model is worth right now, by the file of `cost export-router`: zero while the box has slack.

The hour of the week tells what is usual then, the line what is so at this moment; the higher of the two counts. Up to
60 % of the waiting budget the line says nothing, then it rises to what the most valuable work would pay elsewhere,
as `live_bid` of `core/cost/shadow.py` does, without numpy: it is asked for every request.
"""

from decimal import Decimal
from math import inf

from localfleet.core.fleet import EngineState
from localfleet.core.value import value

__all__ = ["HOURS_PER_WEEK", "Bid", "bid_usd", "hour_of_week"]

SLACK_SHARE = 0.6
HOURS_PER_WEEK = 168
EPOCH_HOUR = 3 * 24
FREE = Decimal(0)


@value
class Bid:
    """
    Of one local model. `seconds_per_request` are replica-seconds in the mean, `usd_per_replica_s_highest` is the most
    that a second saves with any class of work, `wait_budget_s` how long a request may wait for its first token.
    """

    model: str
    seconds_per_request: float
    usd_per_replica_s_highest: float
    wait_budget_s: float
    usd_per_replica_s_by_hour: tuple[float, ...] = ()
    """Of each hour of the week from Monday 0:00 UTC on: what a second is usually worth then; empty: not known."""
    until_s: float = inf
    """Unix time from which on it has no say: old prices are no prices, and a router does not stop for them."""

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        if not (self.seconds_per_request > 0 and self.wait_budget_s > 0 and self.usd_per_replica_s_highest >= 0):
            raise ValueError("seconds and budget are above 0, a price is not below it")
        if len(self.usd_per_replica_s_by_hour) not in {0, HOURS_PER_WEEK}:
            raise ValueError("a week has 168 hours")


def bid_usd(bid: Bid, state: EngineState, at_s: float) -> Decimal:
    """US dollars that one more request displaces at a time: 0 for an idle model in an idle hour, and out of date."""
    if at_s >= bid.until_s:
        return FREE
    usual = bid.usd_per_replica_s_by_hour[hour_of_week(at_s)] if bid.usd_per_replica_s_by_hour else 0.0
    filled = (state.wait_s / bid.wait_budget_s - SLACK_SHARE) / (1 - SLACK_SHARE)
    usd_per_s = max(usual, bid.usd_per_replica_s_highest * min(1.0, max(0.0, filled)))
    return Decimal(usd_per_s * bid.seconds_per_request) if usd_per_s > 0 else FREE


def hour_of_week(at_s: float) -> int:
    """0 to 167 of a Unix time, from Monday 0:00 UTC on; the epoch was a Thursday."""
    return int(at_s // 3600 + EPOCH_HOUR) % HOURS_PER_WEEK
