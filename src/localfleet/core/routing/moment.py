"""What strategies may look at beside the ask and the fleet: what was said, what was learned, what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal

from localfleet.core.reason import Reason
from localfleet.core.routing.parts import NOTHING_READ, Parts
from localfleet.core.routing.prior import Outcomes
from localfleet.core.value import value

__all__ = ["QUIET", "Moment", "Stay"]


@value
class Stay:
    """Where a conversation was served last, and the level that is kept up for it."""

    model: str
    level: int
    easier: int = 0
    """Requests in a row that asked for less."""


@value
class Moment:
    """
    A snapshot for one decision. `text` is the last user turn, and leaves the process in no record.

    `vector` is the embedding of `text`, where a classifier reads embeddings and it was made in time.
    `graded` is the level (1 to 5) that a local model gave; `level` the one that the request needs, by `because`,
    and `own_level` without what the conversation adds. `stay` is what is remembered of the conversation, `ms_by_model`
    the usual milliseconds to the first byte, `requests_an_hour` how many of this task came within the last hour,
    `marginal_usd` what a local model's turn is worth to others, `outcomes` what callers said of answers.
    """

    text: str = ""
    parts: Parts = NOTHING_READ
    vector: Sequence[float] | None = None
    hurried: bool = False
    """Deciding takes too long these days: the dear signals have no opinion."""
    graded: int | None = None
    level: int | None = None
    own_level: int | None = None
    because: Reason | None = None
    stay: Stay | None = None
    ms_by_model: Mapping[str, float] = field(default_factory=dict)
    requests_an_hour: int = 0
    marginal_usd: Mapping[str, Decimal] = field(default_factory=dict)
    outcomes: Outcomes | None = None


QUIET = Moment()
