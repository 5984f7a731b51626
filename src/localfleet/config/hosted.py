"""`hosted:`, models somebody else runs, and what they cost."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from localfleet.config.data_policy import ProviderFacts
from localfleet.config.form import FormEntry
from localfleet.config.routing import Level, Quality
from localfleet.config.shape import ModelRef, Name, Shape, Usd, check_outside_url
from localfleet.core.ask import Api, Need

__all__ = ["HostedModel", "PriceEntry", "TierEntry"]


class TierEntry(Shape):
    """What a request with more input than `above_input_tokens` pays, for all of its tokens."""

    above_input_tokens: Annotated[int, Field(ge=1)]
    usd_per_mtok_in: Usd
    usd_per_mtok_out: Usd
    usd_per_mtok_cache_read: Usd | None = None
    usd_per_mtok_cache_write: Usd | None = None


class PriceEntry(Shape):
    """One dated price. Append a new entry when a provider changes its rates; never edit an old one."""

    since: date
    usd_per_mtok_in: Usd
    usd_per_mtok_out: Usd
    usd_per_mtok_cache_read: Usd | None = None
    usd_per_mtok_cache_write: Usd | None = None
    tiers: tuple[TierEntry, ...] = ()
    source: str

    @field_validator("tiers")
    @classmethod
    def _once(cls, tiers: tuple[TierEntry, ...]) -> tuple[TierEntry, ...]:
        if len({tier.above_input_tokens for tier in tiers}) < len(tiers):
            raise ValueError("two tiers begin at the same `above_input_tokens`; keep one of them")
        return tiers


class HostedModel(Shape):
    """A model somebody else runs."""

    provider: Annotated[str, Field(pattern=r"^[a-z0-9_]{2,40}$")]
    model: ModelRef
    tier: Name
    accepts: Literal["public", "internal"]
    api_key_env: str | None = None
    api_key_file: str | None = None
    base_url: str | None = None
    context_tokens: int | None = Field(default=None, ge=128)
    max_output_tokens: int | None = Field(default=None, ge=1)
    can: frozenset[Need] | None = None
    level: Level | None = None
    quality: Quality | None = None
    apis: frozenset[Api] | None = None
    form: FormEntry | None = None
    specialised: tuple[Name, ...] = ()
    """What it was made for; `auto` leaves it alone: its name, a task's row and tasks of these names reach it."""
    prices: tuple[PriceEntry, ...] = ()
    data_policy: ProviderFacts | None = None
    """What the provider does with text; without it nothing is known of it."""
    timeout_s: float = Field(default=120, gt=0)

    @field_validator("accepts", mode="before")
    @classmethod
    def _never_restricted(cls, value: object) -> object:
        if value == "restricted":
            msg = (
                "no hosted model may accept restricted text: use public or internal, or serve the model under `local:`"
            )
            raise ValueError(msg)
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is not None:
            check_outside_url(value, "the key and the prompts would travel in clear")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> "HostedModel":
        if self.api_key_env and self.api_key_file:
            msg = "give the key by `api_key_env:` or by `api_key_file:`, not both"
            raise ValueError(msg)
        if not self.api_key_env and not self.api_key_file:
            msg = "say where the provider's key is: `api_key_env: NAME` (a variable) or `api_key_file: PATH`"
            raise ValueError(msg)
        if sorted(self.prices, key=lambda price: price.since) != list(self.prices):
            msg = "`prices:` go from the oldest to the newest"
            raise ValueError(msg)
        return self
