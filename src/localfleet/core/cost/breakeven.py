"""
Where fixed cost and a price per token meet: as a volume, a busy share, a hosted price, a time until it has paid.

All on total cost (`_total` has fixed and marginal in it). Zero volume is no traffic and never an answer.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from localfleet.core.amount import require
from localfleet.core.cost.hour import HOURS_PER_MONTH

__all__ = [
    "NO_TRAFFIC",
    "BreakEven",
    "Pays",
    "break_even",
    "break_even_utilisation",
    "hosted_usd_per_request_total",
    "payback_months",
    "usd_per_busy_gpu_hour",
    "usd_per_mtok_out_total",
]

MTOK = Decimal(1_000_000)
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


def break_even_utilisation(
    *, usd_per_gpu_hour: Decimal, gpus: int, box_seconds_per_request: Decimal, usd_per_request_hosted: Decimal
) -> Decimal:
    """The busy share from which a box of `gpus` is cheaper; over 1: it never is at this speed."""
    value = usd_per_busy_gpu_hour(
        gpus=gpus, box_seconds_per_request=box_seconds_per_request, usd_per_request_hosted=usd_per_request_hosted
    )
    require("usd_per_gpu_hour", usd_per_gpu_hour)
    return usd_per_gpu_hour / value


def usd_per_busy_gpu_hour(*, gpus: int, box_seconds_per_request: Decimal, usd_per_request_hosted: Decimal) -> Decimal:
    """What a fully busy GPU-hour would have cost at the hosted price: 3600 p / (t g)."""
    require("gpus", Decimal(gpus), low=1)
    require("box_seconds_per_request", box_seconds_per_request, above_low=True)
    require("usd_per_request_hosted", usd_per_request_hosted, above_low=True)
    return 3600 * usd_per_request_hosted / (box_seconds_per_request * gpus)


def hosted_usd_per_request_total(*, usd_per_month_total: Decimal, requests_per_month: Decimal) -> Decimal:
    """The hosted price per request at which a box of this month's total would be a tie."""
    require("usd_per_month_total", usd_per_month_total)
    return usd_per_month_total / _traffic(requests_per_month)


def payback_months(
    *, capital_usd: Decimal, usd_per_month_hosted: Decimal, usd_per_month_running: Decimal
) -> Decimal | None:
    """Months until a purchase has paid for itself; `None`: never, running it costs as much as the hosted bill."""
    require("capital_usd", capital_usd, above_low=True)
    require("usd_per_month_hosted", usd_per_month_hosted)
    require("usd_per_month_running", usd_per_month_running)
    saved = usd_per_month_hosted - usd_per_month_running
    return capital_usd / saved if saved > 0 else None


def usd_per_mtok_out_total(
    *, usd_per_gpu_hour: Decimal, gpus: int, requests_per_s: Decimal, output_tokens: Decimal
) -> Decimal:
    """
    All of the box's dollars on its output tokens alone, as many texts print it: r g 1,000,000 / (3600 rate output).

    It counts no input: never hold it against a price per input token.
    """
    require("output_tokens", output_tokens, above_low=True)
    return usd_per_gpu_hour * gpus * MTOK / (3600 * _traffic(requests_per_s) * output_tokens)


def _traffic(volume: Decimal) -> Decimal:
    require("requests", volume)
    if volume == 0:
        raise ValueError(NO_TRAFFIC)
    return volume
