"""
What a turn at a local model is worth right now, by the file of `cost export-router`: zero while the box has slack.

The line alone tells, as it is at this moment. Up to 60 % of the waiting budget a second of the box is free; from there
it rises in a straight line to what the most valuable work would pay elsewhere. The same line as `live_bid` of
`core/cost/shadow.py`, without numpy: it is asked for every request.
"""

from decimal import Decimal

from localfleet.core.fleet import EngineState
from localfleet.core.value import value

__all__ = ["Bid", "bid_usd"]

SLACK_SHARE = 0.6
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

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        if not (self.seconds_per_request > 0 and self.wait_budget_s > 0 and self.usd_per_replica_s_highest >= 0):
            raise ValueError("seconds and budget are above 0, a price is not below it")


def bid_usd(bid: Bid, state: EngineState) -> Decimal:
    """US dollars that one more request displaces: 0 for an idle model, what is saved elsewhere for a full one."""
    filled = (state.wait_s / bid.wait_budget_s - SLACK_SHARE) / (1 - SLACK_SHARE)
    if filled <= 0:
        return FREE
    usd_per_s = bid.usd_per_replica_s_highest * min(1.0, filled)
    return Decimal(usd_per_s * bid.seconds_per_request)
