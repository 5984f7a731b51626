"""
What ran on the box, request by request, for a chargeback: when, for whom, and how it ended.

Streams: a million receipts take the memory of one. An action's own receipt is left out where its parts have theirs.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from localfleet.core.cost.chargeback import OnBox
from localfleet.core.reason import Reason
from localfleet.storage.reading import all_rows, each_row
from localfleet.storage.schema import receipts

__all__ = ["last_receipt", "on_box"]


def last_receipt(home: Path) -> int:
    """The number of the newest receipt, to leave out what is written later; 0 without any. Raises `LedgerFault`."""
    return sum(int(newest) for (newest,) in all_rows(home, select(func.coalesce(func.max(receipts.c.seq), 0))))


def on_box(home: Path, *, since: float, until: float, last: int) -> Iterator[OnBox]:
    """Requests with `since <= at < until` up to receipt `last` that a local model worked on, by their start."""
    # Numbers of our own and a word of this code base, no text of anybody's.
    query = f"""
        SELECT request_id, key_id, coalesce(task, 'none'), model,
               at + coalesce(queue_ms, 0) / 1000.0 AS start_s,
               at + max(coalesce(total_ms, 0), coalesce(queue_ms, 0)) / 1000.0,
               coalesce(input_tokens, 0), coalesce(output_tokens, 0), coalesce(cache_read_tokens, 0),
               outcome = '{Reason.ANSWERED.value}'
        FROM receipts
        WHERE at >= {since!r} AND at < {until!r} AND tier = 'local' AND model IS NOT NULL AND attempts > 0
              AND seq <= {last:d}
        ORDER BY start_s
    """  # noqa: S608  # see above
    yield from map(OnBox._make, each_row(home, query))
