"""`traces:`, where one span for each request goes, as OpenTelemetry has it."""

from typing import Literal
from urllib.parse import unquote

from pydantic import Field, field_validator

from localfleet.config.shape import Shape, check_outside_url

__all__ = ["Traces", "read_headers"]


class Traces(Shape):
    """A collector that gets numbers and names of the file; no text, and of restricted requests counts alone."""

    url: str
    """The whole address that takes spans: OTLP over HTTP as JSON, such as `https://otel.example.com/v1/traces`."""
    restricted: Literal["counts", "omit"] = "counts"
    """Whether a restricted request has a span of counts, or none."""
    headers_env: str | None = None
    """The variable with headers for the collector, as OTEL_EXPORTER_OTLP_HEADERS has them: `name=value,name=value`."""
    every_s: float = Field(default=5, ge=0.1, le=3600)
    """Seconds between two deliveries; a full one goes at once."""
    timeout_s: float = Field(default=5, gt=0, le=60)
    """Seconds that one delivery may take; no request waits for it."""
    most_waiting: int = Field(default=4096, ge=1, le=1_000_000)
    """Spans that wait for a collector that is slow or gone; what comes beyond them is dropped and counted."""

    @field_validator("url")
    @classmethod
    def _a_safe_url(cls, value: str) -> str:
        check_outside_url(value, "somebody on the way could read who asks what of whom")
        return value


def read_headers(text: str) -> dict[str, str]:
    """The headers in `name=value,name=value`, values as in a URL; raises `ValueError`, without a word of it."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        name, value = name.strip().lower(), unquote(value.strip())
        if (
            not equals
            or not name
            or not name.replace("-", "").isalnum()
            or not (value.isascii() and value.isprintable())
        ):
            raise ValueError("headers are written name=value,name=value")
        headers[name] = value
    return headers
