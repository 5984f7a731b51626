"""
A month's work, one line for each task on each model, and what may be said about it.

Everything in this room reads these lines; none of it reads a file, a price list or a clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from localfleet.core.pricing import Price, usd_for_mean

__all__ = ["Finding", "Role", "Work", "role_of", "total_usd", "usd_of_price"]


class Role(StrEnum):
    """What a tier is for. `local` has no price per token; `unnamed` is a tier whose name says nothing."""

    LOCAL = "local"
    LOW_COST = "low_cost"
    BALANCED = "balanced"
    PREMIUM = "premium"
    UNNAMED = "unnamed"


NAMES: tuple[tuple[Role, frozenset[str]], ...] = (
    (Role.LOCAL, frozenset({"local", "self-hosted", "self_hosted", "privacy"})),
    (Role.LOW_COST, frozenset({"low_cost", "low-cost", "low", "budget", "cheap", "fast", "small", "economy"})),
    (Role.BALANCED, frozenset({"balanced", "mid", "middle", "medium", "general", "standard"})),
    (Role.PREMIUM, frozenset({"premium", "deep", "high", "best", "top", "flagship", "frontier"})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """
    One task on one model for a month. Tokens are sums of the month.

    `usd` is the hosted bill: zero for a local model (its cost is fixed and stands elsewhere), `None` where no price is
    known. `usd_output` is the part of it for output. `second_tries` counts requests that went to a second door.
    """

    task: str
    model: str
    role: Role
    requests: Decimal
    input_tokens: Decimal
    output_tokens: Decimal
    usd: Decimal | None
    usd_output: Decimal | None = None
    failed: Decimal = Decimal(0)
    second_tries: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing to know: what it is about, a sentence, what it rests on, and its weight in the score (0 to 100 points).

    `usd_per_month` is what mending it could save at most; `None` where nobody can say.
    """

    kind: str
    sentence: str
    points: Decimal = Decimal(0)
    usd_per_month: Decimal | None = None


def role_of(tier: str) -> Role:
    """What a tier's name says it is for."""
    word = tier.strip().lower()
    return next((role for role, names in NAMES if word in names), Role.UNNAMED)


def usd_of_price(price: Price, *, input_tokens: Decimal, output_tokens: Decimal) -> Decimal:
    """What a sum of tokens costs at a price, nothing cached."""
    return usd_for_mean(price, input_tokens=input_tokens, output_tokens=output_tokens)


def total_usd(works: Iterable[Work]) -> Decimal:
    """The hosted bill as far as it is known."""
    return sum((work.usd for work in works if work.usd is not None), Decimal(0))
