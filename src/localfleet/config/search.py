"""`search:`, endpoints that a pipeline's stage asks; what comes back are the documents of the next stage."""

from typing import Literal

from pydantic import Field, field_validator

from localfleet.config.data_policy import ProviderFacts
from localfleet.config.shape import Name, Place, Shape, Usd, check_outside_url

__all__ = ["Search"]


class Search(Shape):
    """
    One search endpoint: SearXNG as it is, or another with an answer in JSON.

    Wherever it stands, it passes queries on: it is a hosted door, also on this machine.
    """

    url: str
    accepts: Literal["public", "internal"]
    usd_per_query: Usd | None = None
    """Without it the price is unknown, which is never zero."""
    tier: Name = "search"
    send: Literal["form", "query", "json"] = "form"
    """How the query goes: in the body of a POST (form, JSON), or in the address of a GET, where logs keep it."""
    query_field: str = Field(default="q", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    params: dict[str, str | int | bool] = Field(default={"format": "json"})
    """Further fields of each request."""
    api_key_env: str | None = None
    key_header: Literal["authorization", "x-api-key", "x-subscription-token"] = "authorization"
    results_field: Place = "results"
    """Where the list of results stands in the answer, with dots."""
    most_results: int = Field(default=5, ge=1, le=50)
    result_chars: int = Field(default=2000, ge=1, le=100_000)
    """Most of the text of one result."""
    query_chars: int = Field(default=400, ge=1, le=10_000)
    """Most of a query; what is longer is cut at a word."""
    timeout_s: float = Field(default=10, gt=0)
    data_policy: ProviderFacts | None = None

    @field_validator("accepts", mode="before")
    @classmethod
    def _never_restricted(cls, value: object) -> object:
        if value == "restricted":
            msg = "no search endpoint may accept restricted text: it passes queries on; use public or internal"
            raise ValueError(msg)
        return value

    @field_validator("url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        check_outside_url(value, "the query would travel in clear")
        return value
