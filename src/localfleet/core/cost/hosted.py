"""
What a request costs on a hosted model, and from when on its prompt cache pays.

    usd = [ I (1 - h - w) p_in + I h p_read + I w p_write + O p_out ] x multiplier / 1,000,000

The arithmetic and the tiers of a price are in `core/pricing.py`; a receipt and a plan share them. An unknown price is
`None` and never comes here: it stays unknown.
"""

from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.amount import require
from localfleet.core.pricing import Price, usd_for_mean

__all__ = ["TokenShape", "cache_break_even_share", "cache_saving_share", "usd_per_request_hosted"]

ONE = Decimal(1)


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


def usd_per_request_hosted(price: Price, shape: TokenShape, *, multiplier: Decimal = ONE) -> Decimal:
    """Dollars for one request of this shape; `multiplier` is what batch work pays of the price (0.5 is half)."""
    require("multiplier", multiplier, above_low=True)
    usd = usd_for_mean(
        price,
        input_tokens=shape.input_tokens,
        output_tokens=shape.output_tokens,
        cache_read_tokens=shape.input_tokens * shape.cache_read_share,
        cache_write_tokens=shape.input_tokens * shape.cache_write_share,
    )
    return usd * multiplier


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
