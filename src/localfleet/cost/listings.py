"""Hosted models as they may be bought today, with role and price: those of models.yaml, else a few well-known ones."""

from collections.abc import Mapping
from datetime import date

from localfleet.config import HostedModel, Settings
from localfleet.core.advice.alerts import Listing
from localfleet.core.advice.work import Role, role_of
from localfleet.core.pricing import Price, price_at
from localfleet.price_map import PriceMap, price_history

__all__ = ["listings", "noted_prices", "price_json"]

WELL_KNOWN = (
    ("openai", "gpt-4o-mini", Role.LOW_COST),
    ("mistral", "mistral-small-latest", Role.LOW_COST),
    ("gemini", "gemini-2.5-flash", Role.LOW_COST),
    ("anthropic", "claude-haiku-4-5", Role.BALANCED),
    ("openai", "gpt-4o", Role.PREMIUM),
    ("anthropic", "claude-opus-4-7", Role.PREMIUM),
)
"""Where no models.yaml names hosted models; a name the price map does not hold is left out."""


def listings(settings: Settings | None, prices: PriceMap, today: date) -> tuple[Listing, ...]:
    """Every hosted model of the file; without any, the well-known ones."""
    if settings is not None and settings.hosted:
        return tuple(_declared(name, model, prices, today) for name, model in settings.hosted.items())
    found = ((name, role, prices.find(provider, name)) for provider, name, role in WELL_KNOWN)
    return tuple(
        Listing(name=name, role=role, price=listed.price, retires_on=listed.retires_on)
        for name, role, listed in found
        if listed is not None
    )


def _declared(name: str, model: HostedModel, prices: PriceMap, today: date) -> Listing:
    listed = prices.find(model.provider, model.model)
    return Listing(
        name=name,
        role=role_of(model.tier),
        price=price_at(price_history(model, listed), today),
        retires_on=listed.retires_on if listed else None,
    )


def price_json(price: Price) -> dict[str, str | None]:
    """A price as plain text, for a note that is read again."""
    return {
        "usd_per_mtok_in": f"{price.usd_per_mtok_in:f}",
        "usd_per_mtok_out": f"{price.usd_per_mtok_out:f}",
        "usd_per_mtok_cache_read": None
        if price.usd_per_mtok_cache_read is None
        else f"{price.usd_per_mtok_cache_read:f}",
        "usd_per_mtok_cache_write": None
        if price.usd_per_mtok_cache_write is None
        else f"{price.usd_per_mtok_cache_write:f}",
        "version": price.version,
    }


def noted_prices(found: tuple[Listing, ...]) -> Mapping[str, dict[str, str | None]]:
    """What to note of today's prices, by model."""
    return {item.name: price_json(item.price) for item in found if item.price is not None}
