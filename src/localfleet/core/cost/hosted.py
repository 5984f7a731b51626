"""
What a hosted model charges: cache reads and writes as parts of the input, batch discount, tiers by context, dates.

    usd = [ I (1 - h - w) p_in + I h p_read + I w p_write + O p_out ] x batch / 1,000,000

An unknown price is `None` and stays unknown; it is never zero. A price has a day and a source, or it is refused.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from localfleet.core.amount import require
from localfleet.core.cost.traffic import Floats, Requests
from localfleet.core.pricing import Price

__all__ = [
    "STALE_AFTER_DAYS",
    "ContextTier",
    "HostedPrice",
    "TokenShape",
    "cache_break_even_share",
    "cache_saving_share",
    "hosted_on",
    "stale",
    "usd_hosted",
    "usd_per_request_hosted",
]

MTOK = Decimal(1_000_000)
STALE_AFTER_DAYS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShape:
    """
    One request, or the mean of many. `cache_read_share` (h) and `cache_write_share` (w) are parts of the input.

    Reasoning tokens count as output. Means need not be whole.
    """

    input_tokens: Decimal
    output_tokens: Decimal
    cache_read_share: Decimal = Decimal(0)
    cache_write_share: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Refuse impossible tokens, and a partition that is none."""
        require("input_tokens", self.input_tokens)
        require("output_tokens", self.output_tokens)
        require("cache_read_share", self.cache_read_share, high=1)
        require("cache_write_share", self.cache_write_share, high=1)
        require("cache_read_share + cache_write_share", self.cache_read_share + self.cache_write_share, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTier:
    """Prices for requests with more input than `above_input_tokens`; `None` stays what it was below."""

    above_input_tokens: int
    usd_per_mtok_in: Decimal
    usd_per_mtok_out: Decimal
    usd_per_mtok_cache_read: Decimal | None = None
    usd_per_mtok_cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedPrice:
    """
    A dated list price. A cache price of `None` is not listed and counts as the plain input price.

    `batch_multiplier` of `None`: no batch endpoint is known. `tokens_ratio` scales the tokens that were counted with
    another model's tokenizer (1: none is known). `currency` other than USD is refused: convert before.
    """

    name: str
    usd_per_mtok_in: Decimal
    usd_per_mtok_out: Decimal
    since: date
    source: str
    usd_per_mtok_cache_read: Decimal | None = None
    usd_per_mtok_cache_write: Decimal | None = None
    batch_multiplier: Decimal | None = None
    tiers: tuple[ContextTier, ...] = ()
    tokens_ratio: Decimal = Decimal(1)
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Refuse a price without day or source, in another currency, or below zero."""
        _dated(self)
        require(f"usd_per_mtok_in of {self.name}", self.usd_per_mtok_in)
        require(f"usd_per_mtok_out of {self.name}", self.usd_per_mtok_out)
        for field, value in (
            ("usd_per_mtok_cache_read", self.usd_per_mtok_cache_read),
            ("usd_per_mtok_cache_write", self.usd_per_mtok_cache_write),
        ):
            if value is not None:
                require(f"{field} of {self.name}", value)
        if self.batch_multiplier is not None:
            require(f"batch_multiplier of {self.name}", self.batch_multiplier, high=1, above_low=True)
        require(f"tokens_ratio of {self.name}", self.tokens_ratio, above_low=True)

    def at(self, input_tokens: Decimal | float) -> "HostedPrice | ContextTier":
        """The prices for a request with so much input."""
        reached = [tier for tier in self.tiers if input_tokens > tier.above_input_tokens]
        return max(reached, key=lambda tier: tier.above_input_tokens, default=self)


def hosted_on(name: str, price: Price, *, read_on: date) -> HostedPrice:
    """A price of `models.yaml` or of the price map; `read_on` stands in where it carries no day of its own."""
    return HostedPrice(
        name=name,
        usd_per_mtok_in=price.usd_per_mtok_in,
        usd_per_mtok_out=price.usd_per_mtok_out,
        usd_per_mtok_cache_read=price.usd_per_mtok_cache_read,
        usd_per_mtok_cache_write=price.usd_per_mtok_cache_write,
        since=price.since or read_on,
        source=price.source or price.version or "models.yaml",
    )


def stale(price: HostedPrice, *, today: date) -> str:
    """A warning for a price that is old, or not yet true; empty for a fresh one."""
    age = (today - price.since).days
    if age < 0:
        return f"the price of {price.name} holds from {price.since.isoformat()} on, which is not yet"
    if age > STALE_AFTER_DAYS:
        return f"the price of {price.name} is {age} days old ({price.source}): look it up again"
    return ""


def usd_per_request_hosted(price: HostedPrice, shape: TokenShape, *, batch: bool = False) -> Decimal:
    """Dollars for one request of this shape; `batch` takes the batch discount, and raises where none is known."""
    into, out = shape.input_tokens * price.tokens_ratio, shape.output_tokens * price.tokens_ratio
    tier = price.at(into)
    read = _first(tier.usd_per_mtok_cache_read, tier.usd_per_mtok_in)
    write = _first(tier.usd_per_mtok_cache_write, tier.usd_per_mtok_in)
    plain = 1 - shape.cache_read_share - shape.cache_write_share
    per_in = plain * tier.usd_per_mtok_in + shape.cache_read_share * read + shape.cache_write_share * write
    return (into * per_in + out * tier.usd_per_mtok_out) / MTOK * _discount(price, batch=batch)


def usd_hosted(price: HostedPrice, trace: Requests, *, batch: bool = False) -> Floats:
    """Dollars for each request of a trace, each in the tier of its own input."""
    ratio = float(price.tokens_ratio)
    into, out = trace.input_tokens * ratio, trace.output_tokens * ratio
    read, write = trace.cache_read_tokens * ratio, trace.cache_write_tokens * ratio
    usd = np.zeros(len(trace))
    edges = [None, *sorted(price.tiers, key=lambda tier: tier.above_input_tokens)]
    for edge in edges:
        tier: HostedPrice | ContextTier = edge or price
        here = into > edge.above_input_tokens if edge else np.ones(len(trace), dtype=np.bool_)
        p_in = float(tier.usd_per_mtok_in)
        p_read = float(_first(tier.usd_per_mtok_cache_read, tier.usd_per_mtok_in))
        p_write = float(_first(tier.usd_per_mtok_cache_write, tier.usd_per_mtok_in))
        every = (into - read - write) * p_in + read * p_read + write * p_write + out * float(tier.usd_per_mtok_out)
        usd = np.where(here, every, usd)
    return usd / 1e6 * float(_discount(price, batch=batch))


def cache_break_even_share(*, read_multiplier: Decimal, write_multiplier: Decimal) -> Decimal:
    """
    The hit share from which caching a prefix saves anything: (w - 1) / (w - r), multipliers of the input price.

    0 where writing costs no more than plain input.
    """
    require("read_multiplier", read_multiplier, high=1)
    require("write_multiplier", write_multiplier, above_low=True)
    if write_multiplier <= 1:
        return Decimal(0)
    return (write_multiplier - 1) / (write_multiplier - read_multiplier)


def cache_saving_share(*, uses: int, read_multiplier: Decimal, write_multiplier: Decimal) -> Decimal:
    """What caching saves on a prefix that is used `uses` times: 1 - (w + r (uses - 1)) / uses. Negative: it costs."""
    require("uses", Decimal(uses), low=1)
    return 1 - (write_multiplier + read_multiplier * (uses - 1)) / uses


def _discount(price: HostedPrice, *, batch: bool) -> Decimal:
    if not batch:
        return Decimal(1)
    if price.batch_multiplier is None:
        msg = f"batch_multiplier of {price.name}: no batch price is known; leave `batch` out or state it"
        raise ValueError(msg)
    return price.batch_multiplier


def _first(listed: Decimal | None, plain: Decimal) -> Decimal:
    return plain if listed is None else listed


def _dated(price: HostedPrice) -> None:
    since: object = price.since  # the types say a date; files do not
    if not isinstance(since, date):
        msg = f"since of {price.name}: a price without a date cannot be used; give the day on which it was read"
        raise ValueError(msg)  # noqa: TRY004  # all of this room's refusals are of one kind
    if not price.source.strip():
        msg = f"source of {price.name}: a price without a source cannot be used; say where it was read"
        raise ValueError(msg)
    if price.currency != "USD":
        msg = f"currency of {price.name}: all prices must be in USD, this one is in {price.currency}; convert it first"
        raise ValueError(msg)
