"""
The volume where fixed cost and a price per token meet, and whether one box can serve it.

On total cost (fixed and marginal). Zero volume is no traffic and never an answer.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from localfleet.core.cost.hour import HOURS_PER_MONTH

__all__ = ["NO_TRAFFIC", "BreakEven", "Pays", "break_even"]

NO_TRAFFIC = "no traffic: nothing to compare"


class Pays(StrEnum):
    """Whether and where fixed cost beats a price per token."""

    AT = "at"
    BEYOND_CAPACITY = "beyond capacity"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """
    The volume where both cost the same. `requests_per_month` is `None` when there is none (`never`).

    `capacity_share` over 1 means more than this box can serve. `utilisation_share` is the mean busy share there.
    """

    pays: Pays
    requests_per_month: Decimal | None = None
    tokens_per_month: Decimal | None = None
    capacity_share: Decimal | None = None
    utilisation_share: Decimal | None = None


def break_even(
    *,
    usd_per_month_fixed: Decimal,
    usd_per_request_marginal: Decimal,
    usd_per_request_hosted: Decimal,
    tokens_per_request: Decimal,
    requests_per_month_capacity: Decimal,
    box_seconds_per_request: Decimal,
) -> BreakEven:
    """Where `fixed + n x marginal` meets `n x hosted`, and whether one box can serve that many."""
    margin = usd_per_request_hosted - usd_per_request_marginal
    if margin <= 0:
        return BreakEven(pays=Pays.NEVER)
    requests = usd_per_month_fixed / margin
    return BreakEven(
        pays=Pays.AT if requests <= requests_per_month_capacity else Pays.BEYOND_CAPACITY,
        requests_per_month=requests,
        tokens_per_month=requests * tokens_per_request,
        capacity_share=requests / requests_per_month_capacity,
        utilisation_share=requests * box_seconds_per_request / (HOURS_PER_MONTH * 3600),
    )
