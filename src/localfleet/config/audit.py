"""`audit:`, where the head of the ledger's chain goes, so that a cut-off or rewritten end shows."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from localfleet.config.shape import Shape, check_outside_url

__all__ = ["Audit"]

Path = Annotated[str, Field(min_length=1, max_length=4096)]


class Audit(Shape):
    """Places beyond the state folder that get each head; none of them gets a part of any request."""

    every_s: float = Field(default=60, ge=1, le=86_400)
    """Seconds between two heads, while the chain grows."""
    timeout_s: float = Field(default=5, gt=0, le=60)
    """Seconds that one delivery may take."""
    file: Path | None = None
    """A file that gets one line for each head: on another disk, or a mount of another machine."""
    checkpoint: Path | None = None
    """A file that is replaced by each head, in the form of transparency logs."""
    syslog: str | None = None
    """`unix:/dev/log`, `udp://host:514` or `tcp://host:601`; RFC 5424."""
    webhook: str | None = None
    """A URL that gets each head by POST."""

    @field_validator("syslog")
    @classmethod
    def _a_receiver(cls, value: str | None) -> str | None:
        if value is None or (value.startswith("unix:/") and len(value) > len("unix:/")):
            return value
        parts = urlsplit(value)
        known: tuple[Literal["udp"], Literal["tcp"]] = ("udp", "tcp")
        if parts.scheme not in known or not parts.hostname or not parts.port or parts.path or parts.username:
            msg = "is `unix:/dev/log`, `udp://host:514` or `tcp://host:601`"
            raise ValueError(msg)
        return value

    @field_validator("webhook")
    @classmethod
    def _a_safe_url(cls, value: str | None) -> str | None:
        if value is not None:
            check_outside_url(value, "somebody on the way could change the head")
        return value
