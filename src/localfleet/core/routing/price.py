"""By price: what one request would cost at each door, and the cheapest first."""

from decimal import Decimal

from localfleet.core.ask import WORDLESS, Ask
from localfleet.core.fleet import Model
from localfleet.core.pricing import usd_for_mean, usd_worst

__all__ = ["by_price", "expected_usd", "most_output_tokens", "worst_usd"]

FREE = Decimal(0)
EXPECTED_OUTPUT_TOKENS = 512
"""Where the caller sets no smaller limit: the order of doors needs one figure for all, not a forecast."""


def expected_usd(ask: Ask, model: Model) -> Decimal | None:
    """Marginal money of one request: 0 on the box (law 11), `None` where the price is unknown."""
    if model.local:
        return FREE
    if model.price is None:
        return None
    usual = 0 if ask.api in WORDLESS else EXPECTED_OUTPUT_TOKENS
    output = min(ask.max_output_tokens or usual, usual) * ask.choices
    own = 0 if model.form is None else model.form.input_tokens
    tokens_usd = usd_for_mean(model.price, input_tokens=ask.input_tokens + own, output_tokens=output)
    return tokens_usd + model.price.usd_per_request if model.price.usd_per_request else tokens_usd


def worst_usd(ask: Ask, model: Model) -> Decimal | None:
    """The most one request can cost: one token per byte of the body, and every output token the limit allows."""
    if model.local:
        return FREE
    if model.price is None:
        return None
    own = 0 if model.form is None else model.form.input_bytes
    return usd_worst(model.price, input_tokens=ask.input_bytes + own, output_tokens=most_output_tokens(ask, model))


def most_output_tokens(ask: Ask, model: Model) -> int:
    """As many as the caller, the model or its context allow, for all answers together; none where no word is said."""
    if ask.api in WORDLESS:
        return 0
    return (ask.max_output_tokens or model.max_output_tokens or model.context_tokens) * ask.choices


def by_price(ask: Ask, models: list[Model]) -> list[Model]:
    """Cheapest first, unknown prices last, ties by name."""
    if len(models) < 2:
        return models

    def rank(model: Model) -> tuple[bool, Decimal, str]:
        usd = expected_usd(ask, model)
        return (usd is None, usd or Decimal(0), model.name)

    return sorted(models, key=rank)
