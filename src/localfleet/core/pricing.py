"""
The dated price of hosted tokens.

Prices are per million tokens (`usd_per_mtok_*`), as `Decimal`. History is append-only: an entry is never edited, a
later one supersedes it, so that an old receipt keeps its price. Unknown is `None`, never zero.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from localfleet.core.usage import Usage

__all__ = ["Price", "PriceTier", "at_batch_rates", "price_at", "rates_at", "usd_for", "usd_for_mean", "usd_worst"]

MTOK = Decimal(1_000_000)
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """The rates of a request with more input than `above_input_tokens`, for all of it, the output too."""

    above_input_tokens: int
    usd_per_mtok_in: Decimal
    usd_per_mtok_out: Decimal
    usd_per_mtok_cache_read: Decimal | None = None
    usd_per_mtok_cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    A list price with its date and source.

    `since` is the first day it holds; `version` names it in receipts (`litellm-1.106.2`, `models.yaml@2026-11-01`).
    Cache prices default to the plain input price, in each tier to the tier's own. `tiers` are in any order.
    """

    usd_per_mtok_in: Decimal
    usd_per_mtok_out: Decimal
    usd_per_mtok_cache_read: Decimal | None = None
    usd_per_mtok_cache_write: Decimal | None = None
    since: date | None = None
    source: str = ""
    version: str = ""
    tiers: tuple[PriceTier, ...] = ()
    usd_per_mtok_reasoning: Decimal | None = None
    """Output tokens that were spent on thinking, where they have a price of their own; else they are plain output."""
    batch_share: Decimal | None = None
    """What work in a provider's batch pays of all rates; `None`: no batch price is known."""
    usd_per_request: Decimal = NOTHING
    """What each request costs beside its tokens: a search is paid for so."""


def at_batch_rates(price: Price) -> Price:
    """The same price for work that may wait; unchanged where no batch price is known."""
    share = price.batch_share
    if share is None:
        return price

    def cut(rate: Decimal | None) -> Decimal | None:
        return None if rate is None else rate * share

    return replace(
        price,
        usd_per_mtok_in=price.usd_per_mtok_in * share,
        usd_per_mtok_out=price.usd_per_mtok_out * share,
        usd_per_mtok_cache_read=cut(price.usd_per_mtok_cache_read),
        usd_per_mtok_cache_write=cut(price.usd_per_mtok_cache_write),
        usd_per_mtok_reasoning=cut(price.usd_per_mtok_reasoning),
        batch_share=None,
        tiers=tuple(
            replace(
                tier,
                usd_per_mtok_in=tier.usd_per_mtok_in * share,
                usd_per_mtok_out=tier.usd_per_mtok_out * share,
                usd_per_mtok_cache_read=cut(tier.usd_per_mtok_cache_read),
                usd_per_mtok_cache_write=cut(tier.usd_per_mtok_cache_write),
            )
            for tier in price.tiers
        ),
    )


def rates_at(price: Price, input_tokens: Decimal | int) -> Price | PriceTier:
    """The rates for a request with so much input: those of the highest tier that it reaches, else the plain ones."""
    reached = [tier for tier in price.tiers if input_tokens > tier.above_input_tokens]
    return max(reached, key=_edge) if reached else price


def price_at(history: tuple[Price, ...], day: date) -> Price | None:
    """The last entry that holds on `day`; `None` if none does."""
    held = [entry for entry in history if entry.since is None or entry.since <= day]
    return held[-1] if held else None


def usd_for(price: Price, usage: Usage) -> Decimal:
    """What `usage` cost at `price`: each token is priced once, by its part of the partition."""
    usd = usd_for_mean(
        price,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    if price.usd_per_request:
        usd += price.usd_per_request
    if price.usd_per_mtok_reasoning is None or not usage.reasoning_tokens:
        return usd
    plain = rates_at(price, usage.input_tokens).usd_per_mtok_out
    return usd + usage.reasoning_tokens * (price.usd_per_mtok_reasoning - plain) / MTOK


def usd_for_mean(
    price: Price,
    *,
    input_tokens: Decimal | int,
    output_tokens: Decimal | int,
    cache_read_tokens: Decimal | int = 0,
    cache_write_tokens: Decimal | int = 0,
) -> Decimal:
    """The same for token counts that need not be whole, such as the mean request of a month."""
    rates = rates_at(price, input_tokens) if price.tiers else price
    plain = input_tokens - cache_read_tokens - cache_write_tokens
    total = plain * rates.usd_per_mtok_in + output_tokens * rates.usd_per_mtok_out
    if cache_read_tokens:
        read = rates.usd_per_mtok_in if rates.usd_per_mtok_cache_read is None else rates.usd_per_mtok_cache_read
        total += cache_read_tokens * read
    if cache_write_tokens:
        write = rates.usd_per_mtok_in if rates.usd_per_mtok_cache_write is None else rates.usd_per_mtok_cache_write
        total += cache_write_tokens * write
    return total / MTOK


def usd_worst(price: Price, *, input_tokens: int, output_tokens: int) -> Decimal:
    """
    An upper bound: every input token at the dearest input price, every output token produced.

    `input_tokens` is a bound itself, so the dearest of all tiers up to it counts.
    """
    if not price.tiers:
        most_in = max(price.usd_per_mtok_in, price.usd_per_mtok_cache_write or NOTHING)
        most_out = max(price.usd_per_mtok_out, price.usd_per_mtok_reasoning or NOTHING)
        return (input_tokens * most_in + output_tokens * most_out) / MTOK + price.usd_per_request
    reached: list[Price | PriceTier] = [price]
    reached += [tier for tier in price.tiers if input_tokens > tier.above_input_tokens]
    dearest_in = max(max(rates.usd_per_mtok_in, rates.usd_per_mtok_cache_write or NOTHING) for rates in reached)
    dearest_out = max(*(rates.usd_per_mtok_out for rates in reached), price.usd_per_mtok_reasoning or NOTHING)
    return (input_tokens * dearest_in + output_tokens * dearest_out) / MTOK + price.usd_per_request


def _edge(tier: PriceTier) -> int:
    return tier.above_input_tokens
