"""
The ledger's receipts as a month's work: one row for each task, model and tier, with its tokens, money and second tries.

SQL does the adding, so a million receipts take the memory of a few rows.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from localfleet.core.advice.seen import Done, Period
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.storage.money import add_up
from localfleet.storage.reading import reading
from localfleet.storage.report import count_where, split_sums
from localfleet.storage.schema import receipts

__all__ = ["work_done"]


def work_done(home: Path, *, since: float, until: float) -> Period:
    """Receipts with `since <= at < until`, those of requests that reached a model. Raises `LedgerFault`."""
    when = (receipts.c.at >= since) & (receipts.c.at < until) & receipts.c.model.is_not(None)
    task, tier = func.coalesce(receipts.c.task, "none"), func.coalesce(receipts.c.tier, "none")
    asked = receipts.c.action.is_(None)
    unknown = receipts.c.cost_pico.is_(None) & (receipts.c.attempts > 0)
    query = (
        select(
            task,
            receipts.c.model,
            tier,
            count_where(asked),
            count_where(asked & (receipts.c.outcome != Reason.ANSWERED.value)),
            count_where(asked & (receipts.c.attempts > 1)),
            count_where(asked & (receipts.c.label == Label.RESTRICTED.value)),
            func.coalesce(func.sum(receipts.c.input_tokens), 0),
            func.coalesce(func.sum(receipts.c.output_tokens), 0),
            func.coalesce(func.sum(receipts.c.cache_read_tokens), 0),
            func.coalesce(func.sum(receipts.c.cache_write_tokens), 0),
            count_where(unknown),
            *split_sums(receipts.c.cost_pico),
            func.group_concat(receipts.c.cost_rest),
        )
        .where(when)
        .group_by(task, receipts.c.model, tier)
        .order_by(count_where(asked).desc(), task, receipts.c.model)
    )
    with reading(home) as database:
        if database is None:
            return Period(rows=(), first_at=None, last_at=None)
        with database.snapshot():
            rows = database.all(query)
            first, last = database.all(select(func.min(receipts.c.at), func.max(receipts.c.at)).where(when))[0]
    return Period(rows=tuple(_done(*row) for row in rows), first_at=first, last_at=last)


def _done(*row: Any) -> Done:
    task, model, tier, requests, failed, again, restricted, tokens_in, tokens_out, read, written, unknown = row[:12]
    return Done(
        task=task,
        model=model,
        tier=tier,
        requests=requests,
        failed=failed,
        second_tries=again,
        restricted=restricted,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cost_usd=add_up(*row[12:15]),
        cost_unknown=unknown,
    )
