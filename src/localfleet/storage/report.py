"""
What happened, from the `receipts` table: sums by model, tier, label and so on, and the last receipts.

Lives here: reading for people, with SQL doing the adding. May not: writing, or trusting itself: whether the table is
what was recorded is told by `verify.py`.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, Float, Integer, Select, Text, case, cast, func, literal, or_, select

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.storage.money import add_up
from localfleet.storage.reading import all_rows, reading
from localfleet.storage.schema import receipts

__all__ = ["By", "Line", "Total", "begun", "count_where", "recent", "spent_usd", "split_sums", "totals"]

By = Literal["model", "tier", "label", "task", "key", "reason", "outcome", "day", "api", "arm", "all"]

Times = tuple[float | None, float | None]
NO_TIMES: Times = (None, None)
_MILLION = 1_000_000
_NOBODY = "none"
_COLUMN: dict[By, ColumnElement[Any]] = {
    "model": receipts.c.model,
    "tier": receipts.c.tier,
    "label": cast(receipts.c.label, Text),
    "task": receipts.c.task,
    "key": receipts.c.key_id,
    "reason": receipts.c.reason,
    "outcome": receipts.c.outcome,
    "day": func.strftime("%Y-%m-%d", receipts.c.at, "unixepoch"),
    "api": receipts.c.api,
    "arm": receipts.c.arm,
    "all": literal("all"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """
    One line of a report. Measured and estimated tokens are kept apart.

    A request counts once, whatever calls it took; tokens and money are where they went: a draft that was thrown away, a
    judge or a stage counts at its own model.

    `group` is `none` where nothing was recorded (a request refused before any door has no model). `failed` counts
    outcomes other than `answered`. `cost_usd` is exact and leaves out the `cost_unknown` requests that reached a door;
    `reserved_usd` is what requests of unknown outcome could have cost at most. Times are milliseconds from arrival to
    the last byte (or the first), over requests that have one.
    """

    group: str
    requests: int
    failed: int
    input_tokens: int
    output_tokens: int
    estimated_input_tokens: int
    estimated_output_tokens: int
    cost_usd: Decimal
    cost_unknown: int
    reserved_usd: Decimal
    median_ms: float | None
    p95_ms: float | None
    median_first_byte_ms: float | None = None
    p95_first_byte_ms: float | None = None
    shadows: int = 0
    """Beside `requests`: mirrored ones, whose answers nobody got."""
    shadow_usd: Decimal = Decimal(0)
    """Of `cost_usd`, what those cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One receipt, for a list: `at` is Unix time in seconds, times are milliseconds."""

    seq: int
    request_id: str
    at: float
    api: str | None
    key_id: str
    task: str | None
    label: str
    wanted: str | None
    model: str | None
    tier: str | None
    reason: str | None
    outcome: str
    status: int | None
    stream: bool | None
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    measured: bool | None
    cost_usd: Decimal | None
    queue_ms: float | None
    first_byte_ms: float | None
    total_ms: float | None


def totals(home: Path, *, by: By, since: float | None = None, until: float | None = None) -> list[Total]:
    """
    Sums of the requests with `since <= at < until` (Unix seconds), one per group, most requests first.

    An empty list where there is no ledger yet. Days are UTC. Raises `LedgerFault`.
    """
    with reading(home) as database:
        if database is None:
            return []
        with database.snapshot():
            rows = database.all(_sums(by, since, until))
            last, first = (
                {group: (half, most) for group, half, most in database.all(_times(by, column, since, until))}
                for column in (receipts.c.total_ms, receipts.c.first_byte_ms)
            )
    return [_total(by, row, last.get(row[0], NO_TIMES), first.get(row[0], NO_TIMES)) for row in rows]


def recent(home: Path, *, limit: int = 100, before: int | None = None) -> list[Line]:
    """The last receipts, newest first; `before` is the `seq` to go on from. Raises `LedgerFault`."""
    columns = [receipts.c[name] for name in Line.__slots__ if name != "cost_usd"]
    query = select(*columns, receipts.c.cost_pico, receipts.c.cost_rest).order_by(receipts.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(receipts.c.seq < before)
    return [_line(row._mapping) for row in all_rows(home, query)]  # noqa: SLF001  # SQLAlchemy's public name for a row as a mapping


def spent_usd(home: Path, *, key_id: str | None, tier: str | None, since: float) -> Decimal:
    """Money since a time (Unix seconds), for a key or a tier; what is unknown counts with what was reserved for it."""
    owed = func.coalesce(receipts.c.cost_pico, 0) + func.coalesce(receipts.c.reserved_pico, 0)
    query = select(*split_sums(owed), func.group_concat(receipts.c.cost_rest)).where(receipts.c.at >= since)
    if key_id is not None:
        query = query.where(receipts.c.key_id == key_id)
    if tier is not None:
        query = query.where(receipts.c.tier == tier)
    with reading(home) as database:
        return Decimal(0) if database is None else add_up(*database.all(query)[0])


def begun(home: Path, *, key_id: str, since: float) -> int:
    """How many shadows that a key stands for began since a time (Unix seconds). Raises `LedgerFault`."""
    whole = (receipts.c.key_id == key_id) & receipts.c.request_id.endswith("-shadow")
    query = select(func.count()).where(whole & (receipts.c.at >= since))
    with reading(home) as database:
        return 0 if database is None else int(database.all(query)[0][0])


def _group(by: By) -> ColumnElement[Any]:
    return func.coalesce(_COLUMN[by], literal(_NOBODY)).label("of")


def _between(query: Select[Any], since: float | None, until: float | None) -> Select[Any]:
    if since is not None:
        query = query.where(receipts.c.at >= since)
    return query if until is None else query.where(receipts.c.at < until)


def split_sums(pico: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Millions and ones apart: one sum could overflow 64 bits at nine million dollars."""
    return func.sum(pico // _MILLION), func.sum(pico % _MILLION)


def _sums(by: By, since: float | None, until: float | None) -> Select[Any]:
    unknown = (receipts.c.cost_pico.is_(None)) & (receipts.c.attempts > 0)
    measured, guessed = receipts.c.measured == 1, receipts.c.measured == 0
    asked = receipts.c.action.is_(None)
    group, mirrored = _group(by), func.coalesce(receipts.c.role, "") == "shadow"
    query = select(
        group,
        count_where(asked),
        count_where(asked & (receipts.c.outcome != Reason.ANSWERED.value)),
        _add(measured, receipts.c.input_tokens),
        _add(measured, receipts.c.output_tokens),
        _add(guessed, receipts.c.input_tokens),
        _add(guessed, receipts.c.output_tokens),
        count_where(or_(unknown)),
        *split_sums(receipts.c.cost_pico),
        func.group_concat(receipts.c.cost_rest),
        *split_sums(receipts.c.reserved_pico),
        count_where(mirrored & receipts.c.request_id.endswith("-shadow")),
        *split_sums(case((mirrored, receipts.c.cost_pico))),
        func.group_concat(case((mirrored, receipts.c.cost_rest))),
    )
    return _between(query, since, until).group_by(group).order_by(count_where(asked).desc(), group)


def _times(by: By, ms: ColumnElement[float], since: float | None, until: float | None) -> Select[Any]:
    """The value at half and at 95 % of each group's times in order (nearest rank)."""
    group = _group(by)
    rank = func.row_number().over(partition_by=group, order_by=ms).label("rank")
    many = func.count().over(partition_by=group).label("many")
    timed = select(group, ms.label("ms"), rank, many).where(receipts.c.action.is_(None))
    inner = _between(timed, since, until).where(ms.is_not(None)).subquery()
    half = case((inner.c.rank == (inner.c.many + 1) // 2, inner.c.ms))
    most = case((inner.c.rank == (inner.c.many * 95 + 99) // 100, inner.c.ms))
    return select(inner.c.of, func.max(half, type_=Float), func.max(most, type_=Float)).group_by(inner.c.of)


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition; zero where there is none."""
    return func.coalesce(func.sum(case((condition, 1), else_=0), type_=Integer), 0)


def _add(condition: ColumnElement[bool], column: ColumnElement[Any]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, column), else_=0), type_=Integer), 0)


def _total(by: By, row: Any, times: Times, first: Times) -> Total:
    group, requests, failed, tokens_in, tokens_out, guessed_in, guessed_out, unknown = row[:8]
    return Total(
        group=_word(int(group)) if by == "label" else group,
        requests=requests,
        failed=failed,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        estimated_input_tokens=guessed_in,
        estimated_output_tokens=guessed_out,
        cost_usd=add_up(*row[8:11]),
        cost_unknown=unknown,
        reserved_usd=add_up(row[11], row[12], None),
        shadows=row[13],
        shadow_usd=add_up(*row[14:17]),
        median_ms=times[0],
        p95_ms=times[1],
        median_first_byte_ms=first[0],
        p95_first_byte_ms=first[1],
    )


def _line(row: Any) -> Line:
    named = {name: row[name] for name in Line.__slots__ if name != "cost_usd"}
    pico, rest = row["cost_pico"], row["cost_rest"]
    named["cost_usd"] = None if pico is None else add_up(None, pico, rest)
    named["label"] = _word(named["label"])
    named["stream"] = None if named["stream"] is None else bool(named["stream"])
    named["measured"] = None if named["measured"] is None else bool(named["measured"])
    return Line(**named)


def _word(label: int) -> str:
    """The label's word; a number that is none (an edited ledger) is shown as the strictest."""
    return Label(label).word if label in set(Label) else Label.RESTRICTED.word
