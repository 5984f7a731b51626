"""
What a completed action costs: the question asked, not the call made.

    usd = [ classify + E[n_first] first + judge + f E[n_second] second ] / completed

Every attempt is paid, and a request that escalates pays both tiers. Dollars are per request, shares are 0 to 1.
"""

from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.amount import require

__all__ = ["ActionCost", "Attempts", "escalation_limit_share", "usd_per_action"]

ONE = Decimal(1)
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """One tier: dollars of a call, the chance that one attempt succeeds, and how many attempts it may make."""

    usd_per_call: Decimal
    success_share: Decimal = ONE
    most: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible chances and negative prices."""
        require("usd_per_call", self.usd_per_call)
        require("success_share", self.success_share, high=1)
        require("most", Decimal(self.most), low=1)

    @property
    def completed_share(self) -> Decimal:
        """The chance that one of the attempts succeeds: 1 - (1 - q)^A."""
        return ONE - (ONE - self.success_share) ** self.most

    @property
    def calls(self) -> Decimal:
        """Calls made per request: (1 - (1 - q)^A) / q, and A where none succeeds."""
        if self.success_share == 0:
            return Decimal(self.most)
        return self.completed_share / self.success_share


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCost:
    """
    One completed action on average, and its parts per request. `usd_per_action` is `None` where nothing completes.

    The parts are on the basis of the prices that were given; `usd_per_request` is their sum.
    """

    usd_classify: Decimal
    usd_first: Decimal
    usd_judge: Decimal
    usd_second: Decimal
    escalated_share: Decimal
    completed_share: Decimal

    @property
    def usd_per_request(self) -> Decimal:
        """What one request costs, completed or not."""
        return self.usd_classify + self.usd_first + self.usd_judge + self.usd_second

    @property
    def usd_per_action(self) -> Decimal | None:
        """What one completed request costs, those that failed paid with it."""
        return self.usd_per_request / self.completed_share if self.completed_share else None


def usd_per_action(
    first: Attempts,
    second: Attempts | None = None,
    *,
    escalated_share: Decimal | None = None,
    usd_classify: Decimal = NOTHING,
    usd_judge: Decimal = NOTHING,
) -> ActionCost:
    """
    Parts and chance of an action over one or two tiers.

    `escalated_share` of `None`: exactly what the first tier does not complete. A larger one sends good answers up as
    well, a smaller one keeps bad ones; what escalates is taken to be the failed ones first.
    """
    require("usd_classify", usd_classify)
    require("usd_judge", usd_judge)
    done = first.completed_share
    if second is None:
        if escalated_share:
            raise ValueError("escalated_share: there is no second tier to escalate to")
        share = NOTHING
    else:
        share = ONE - done if escalated_share is None else require("escalated_share", escalated_share, high=1)
    return ActionCost(
        usd_classify=usd_classify,
        usd_first=first.calls * first.usd_per_call,
        usd_judge=usd_judge,
        usd_second=NOTHING if second is None else share * second.calls * second.usd_per_call,
        escalated_share=share,
        completed_share=min(done, ONE - share) + (NOTHING if second is None else share * second.completed_share),
    )


def escalation_limit_share(*, usd_first: Decimal, usd_second: Decimal, usd_judge: Decimal = NOTHING) -> Decimal:
    """
    The escalated share up to which trying the first tier is cheaper than going to the second at once.

    1 - (first + judge) / second; below 0: never try the first.
    """
    require("usd_first", usd_first)
    require("usd_judge", usd_judge)
    require("usd_second", usd_second, above_low=True)
    return ONE - (usd_first + usd_judge) / usd_second
