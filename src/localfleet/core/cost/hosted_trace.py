"""What each request of a trace costs on a hosted model, in the tier of its own input: `hosted.py` by columns."""

from decimal import Decimal

import numpy as np

from localfleet.core.amount import require
from localfleet.core.cost.traffic import Floats, Requests
from localfleet.core.pricing import Price, PriceTier

__all__ = ["usd_hosted"]

ONE = Decimal(1)


def usd_hosted(price: Price, trace: Requests, *, multiplier: Decimal = ONE) -> Floats:
    """Dollars for each request of a trace."""
    require("multiplier", multiplier, above_low=True)
    usd = _at(price, trace)
    for tier in sorted(price.tiers, key=lambda tier: tier.above_input_tokens):
        usd = np.where(trace.input_tokens > tier.above_input_tokens, _at(tier, trace), usd)
    return usd * float(multiplier)


def _at(rates: Price | PriceTier, trace: Requests) -> Floats:
    p_in, p_out = float(rates.usd_per_mtok_in), float(rates.usd_per_mtok_out)
    p_read = p_in if rates.usd_per_mtok_cache_read is None else float(rates.usd_per_mtok_cache_read)
    p_write = p_in if rates.usd_per_mtok_cache_write is None else float(rates.usd_per_mtok_cache_write)
    read, write = trace.cache_read_tokens, trace.cache_write_tokens
    plain = trace.input_tokens - read - write
    return (plain * p_in + read * p_read + write * p_write + trace.output_tokens * p_out) / 1e6
