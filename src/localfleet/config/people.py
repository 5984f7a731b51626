"""`people:`, the queue of requests that no model answered."""

from pydantic import Field

from localfleet.config.shape import Shape

__all__ = ["People"]


class People(Shape):
    """How long requests wait for a person, and whether they outlive the router."""

    key_env: str | None = None
    """The variable with the key that seals them on disk, 64 hexadecimal digits; without one they are in memory."""
    keep_hours: float = Field(default=72, gt=0, le=8760)
    """After so long a ticket is forgotten, answered or not."""
    most: int = Field(default=1000, ge=1, le=100_000)
    """Tickets that wait at one time; beyond it the error goes to the caller as it is."""
