"""What a provider does with text (`hosted.<name>.data_policy:`), and what is demanded (`privacy.providers:`, plans)."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from localfleet.config.shape import Shape

__all__ = ["ProviderDemand", "ProviderFacts"]

Region = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="a region in lower case")]
Jurisdiction = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="two capital letters, such as DE, US or EU")]
Company = Annotated[str, Field(min_length=1, max_length=128)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class ProviderFacts(Shape):
    """Facts that you state, with who says so and when you looked; what is left out is unknown, and counts as worst."""

    region: Region | None = None
    jurisdiction: Jurisdiction | None = None
    retention_days: Days | None = None
    trains: bool | None = None
    zero_data_retention: bool | None = None
    subprocessors: tuple[Company, ...] | None = None
    source: Annotated[str, Field(min_length=1)]
    checked: date

    @model_validator(mode="after")
    def _zero_is_zero(self) -> "ProviderFacts":
        if self.zero_data_retention and self.retention_days:
            msg = "zero data retention keeps nothing: leave out `retention_days:`, or say `zero_data_retention: false`"
            raise ValueError(msg)
        return self


class ProviderDemand(Shape):
    """What a provider must be for text to go there; a key left out demands nothing."""

    regions: tuple[Region, ...] | None = None
    jurisdictions: tuple[Jurisdiction, ...] | None = None
    exclude_jurisdictions: tuple[Jurisdiction, ...] = ()
    retention_days: Days | None = None
    no_training: bool = False
    zero_data_retention: bool = False
    subprocessors: tuple[Company, ...] | None = None
