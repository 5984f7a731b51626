"""What the ledger saw of a period: sums by task, model and tier, before anything is made of them."""

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Done", "Period"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """
    What one task had done by one model, named as the ledger names them. `cost_usd` leaves out `cost_unknown` requests.

    A request counts once, at the model that answered it; tokens and money of drafts, judges and stages at theirs, also
    where those answered nothing themselves (`requests` 0). `second_tries` are requests that went to more than one door;
    `restricted` those that may not leave.
    """

    task: str
    model: str
    tier: str
    requests: int
    failed: int
    second_tries: int
    restricted: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: Decimal
    cost_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The work between two moments: `first_at` and `last_at` (Unix seconds) are those of the receipts, `None`: none."""

    rows: tuple[Done, ...]
    first_at: float | None
    last_at: float | None
