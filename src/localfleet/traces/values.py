"""What a file of traffic says, in one form for all formats: a request, a provider's bucket, a row of the worksheet."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

__all__ = ["Arrival", "Bucket", "WorksheetRow"]


class Arrival(NamedTuple):
    """
    One request. A tuple, because a file holds a million.

    `at_s` is Unix time where the file has dates, else seconds from the file's own zero. `cache_read_tokens` and
    `cache_write_tokens` are parts of `input_tokens`. Names are empty where the file has none.
    """

    line: int
    at_s: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    model: str = ""
    task: str = ""
    label: str = ""
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """
    What a provider counted or billed between two moments (Unix seconds) for one model. `None` is not said.

    Tokens are a partition: `cache_read_tokens` and `cache_write_tokens` are parts of `input_tokens`.
    """

    line: int
    start_s: float
    end_s: float
    provider: str
    model: str
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorksheetRow:
    """One row of the budget worksheet: a workflow and its month. Shares are 0 to 1, tokens are means per request."""

    line: int
    workflow: str
    first_tier: str
    fallback: str
    monthly_requests: float
    avg_input_tokens: float
    avg_output_tokens: float
    fallback_share: float
    retry_share: float
    usd_per_completed_action: Decimal | None = None
