"""The budget worksheet between files, ledger and core: tiers get prices, the box its part, answers their column."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from localfleet.core.advice.alerts import Listing
from localfleet.core.advice.work import Role, Work, role_of, usd_of_price
from localfleet.core.advice.worksheet import Line, Priced, Scenario
from localfleet.cost.inputs import Misuse
from localfleet.cost.paper import aligned, dollars, plain
from localfleet.traces.values import WorksheetRow
from localfleet.traces.worksheet import COLUMNS

__all__ = ["as_csv", "lines_of", "recorded_rows", "worksheet_json", "worksheet_lines"]


def lines_of(
    rows: Sequence[WorksheetRow], found: Sequence[Listing], *, usd_fixed: Decimal | None, recorded: bool = False
) -> tuple[Line, ...]:
    """
    Rows with the price of a call; a tier is a model's name, a role (`low_cost`, `premium`) or `local`.

    In `recorded` rows a model that is not listed any more has an unknown price; in typed ones it raises `Misuse`.
    """
    local = [row for row in rows if role_of(row.first_tier) is Role.LOCAL]
    tokens = sum((_tokens(row) for row in local), Decimal(0))
    per_token = usd_fixed / tokens if usd_fixed is not None and tokens else None
    if recorded:
        names = {item.name for item in found}
        gone = {tier for row in rows for tier in (row.first_tier, row.fallback) if tier and tier not in names}
        found = [*found, *(Listing(name=tier, role=Role.UNNAMED, price=None) for tier in gone)]
    return tuple(_line(row, found, per_token) for row in rows)


def recorded_rows(works: Sequence[Work]) -> tuple[WorksheetRow, ...]:
    """
    A month's work as worksheet rows: the first tier of a task is where most of it ends at the first attempt.

    Second attempts that ended elsewhere count as fallbacks, those that ended there as retries.
    """
    return tuple(
        _recorded(number, task, [work for work in works if work.task == task])
        for number, task in enumerate(dict.fromkeys(work.task for work in works), start=1)
    )


def worksheet_lines(done: Sequence[Priced], ways: Sequence[Scenario]) -> list[str]:
    """The worksheet with exactly its columns, then advice, then the same month in other ways."""
    lines = aligned([COLUMNS, *(_cells(item) for item in done)], right=range(3, len(COLUMNS)))
    lines += [f"{item.line.workflow}: {item.advice}" for item in done if item.advice]
    unknown = [item.line.workflow for item in done if item.usd_per_action is None]
    if unknown:
        lines.append(f"no price is known for {', '.join(unknown)}, so no sum is; --fixed-usd-per-month prices the box")
    else:
        lines += [f"{way.name}: {dollars(way.usd_per_month)} a month" for way in ways]
    return lines


def as_csv(done: Sequence[Priced]) -> str:
    """The worksheet as CSV, with exactly its columns; an unknown answer is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in done:
        line, answer = item.line, item.usd_per_action
        shares = (_short(line.fallback_share), _short(line.retry_share))
        sizes = (_short(line.requests), _short(line.input_tokens), _short(line.output_tokens))
        last = "" if answer is None else f"{answer:.9f}"
        writer.writerow((line.workflow, line.first_tier, line.fallback, *sizes, *shares, last))
    return out.getvalue()


def worksheet_json(done: Sequence[Priced], ways: Sequence[Scenario]) -> dict[str, Any]:
    """Rows and scenarios as plain values."""
    return {"rows": [{**plain(item.line), **_answers(item)} for item in done], "scenarios": plain(list(ways))}


def _answers(item: Priced) -> Mapping[str, Any]:
    return {
        "usd_per_completed_action": plain(item.usd_per_action),
        "usd_per_month": plain(item.usd_per_month),
        "fallback_pays_up_to_share": plain(item.limit_share),
        "advice": item.advice,
    }


def _cells(item: Priced) -> tuple[str, ...]:
    line = item.line
    return (
        line.workflow,
        line.first_tier,
        line.fallback,
        f"{line.requests:,.0f}",
        f"{line.input_tokens:,.0f}",
        f"{line.output_tokens:,.0f}",
        f"{line.fallback_share:.1%}",
        f"{line.retry_share:.1%}",
        dollars(item.usd_per_action),
    )


def _line(row: WorksheetRow, found: Sequence[Listing], per_token: Decimal | None) -> Line:
    return Line(
        workflow=row.workflow,
        first_tier=row.first_tier,
        fallback=row.fallback,
        requests=Decimal(repr(row.monthly_requests)),
        input_tokens=Decimal(repr(row.avg_input_tokens)),
        output_tokens=Decimal(repr(row.avg_output_tokens)),
        fallback_share=Decimal(repr(row.fallback_share)),
        retry_share=Decimal(repr(row.retry_share)),
        usd_first=_call(row.first_tier, row, found, per_token),
        usd_fallback=_call(row.fallback, row, found, per_token) if row.fallback else None,
    )


def _call(tier: str, row: WorksheetRow, found: Sequence[Listing], per_token: Decimal | None) -> Decimal | None:
    """One call on a tier, US dollars; raises `Misuse` for a tier that is nobody's name and no role."""
    into, out = Decimal(repr(row.avg_input_tokens)), Decimal(repr(row.avg_output_tokens))
    if role_of(tier) is Role.LOCAL:
        return None if per_token is None else per_token * (into + out)
    named = [item for item in found if item.name == tier]
    of_role = [item for item in found if item.role is role_of(tier) and item.role is not Role.UNNAMED]
    if not named and not of_role:
        known = ", ".join([*(item.name for item in found), "local", "low_cost", "balanced", "premium"])
        raise Misuse(f"line {row.line}: the tier of {row.workflow} must be one of: {known}")
    usd = [usd_of_price(item.price, input_tokens=into, output_tokens=out) for item in named or of_role if item.price]
    return min(usd, default=None)


def _tokens(row: WorksheetRow) -> Decimal:
    return Decimal(repr(row.monthly_requests)) * Decimal(repr(row.avg_input_tokens + row.avg_output_tokens))


def _recorded(number: int, task: str, works: Sequence[Work]) -> WorksheetRow:
    first = max(works, key=lambda work: work.requests - work.second_tries)
    others = [work for work in works if work.model != first.model]
    fallback = max(others, key=lambda work: work.second_tries, default=None)
    requests = sum((work.requests for work in works), Decimal(0))
    elsewhere = sum((work.second_tries for work in others), Decimal(0))
    into = sum((work.input_tokens for work in works), Decimal(0))
    out = sum((work.output_tokens for work in works), Decimal(0))
    return WorksheetRow(
        line=number,
        workflow=task,
        first_tier="local" if first.role is Role.LOCAL else first.model,
        fallback="" if fallback is None or not elsewhere else _name(fallback),
        monthly_requests=float(requests),
        avg_input_tokens=float(into / requests),
        avg_output_tokens=float(out / requests),
        fallback_share=float(elsewhere / requests),
        retry_share=float(first.second_tries / requests),
    )


def _name(work: Work) -> str:
    return "local" if work.role is Role.LOCAL else work.model


def _short(value: Decimal) -> str:
    """Without an exponent and without trailing zeros."""
    return f"{value.normalize():f}"
