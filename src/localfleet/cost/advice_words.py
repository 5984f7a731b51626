"""Advice on paper: lines for people, plain values for JSON. No figure is made here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from localfleet.core.advice.alerts import Alert
from localfleet.core.advice.bother import Bother
from localfleet.core.advice.mix import TierShare
from localfleet.core.advice.score import Score
from localfleet.core.advice.stack import Row, Stack
from localfleet.core.advice.work import Finding
from localfleet.cost.month import Month
from localfleet.cost.paper import aligned, plain

__all__ = ["Advice", "advice_json", "advice_lines", "alert_lines", "stack_json", "stack_lines"]

HEAD = ("task", "first", "fallback", "requests", "tokens in", "out", "USD a month", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """All that `cost advise` found. `usd_fixed` of `None`: no box is described."""

    month: Month
    shares: tuple[TierShare, ...]
    findings: tuple[Finding, ...]
    score: Score
    bother: Bother
    usd_fixed: Decimal | None


def advice_lines(advice: Advice) -> list[str]:
    """The grade first, then why, then whether to bother at all."""
    month = advice.month
    if not month.works:
        return ["no traffic: the ledger holds no request that reached a model in these days"]
    lines = [
        f"score {advice.score.grade} ({advice.score.points:.0f} of 100)",
        f"read off {month.requests_seen:,} requests in {month.days:.1f} days",
    ]
    lines += [f"  -{item.points:.0f}  {item.sentence}" for item in advice.score.reasons]
    lines += [f"   0  {item.sentence}" for item in advice.findings if not item.points]
    if not advice.findings:
        lines.append("  nothing to mend was found")
    for share in advice.shares:
        money = "" if share.usd_share is None else f", {share.usd_share:.0%} of the bill (${share.usd:,.2f} a month)"
        lines.append(f"{share.role}: {share.request_share:.0%} of the requests{money}")
    if advice.usd_fixed is not None:
        lines.append(f"box: ${advice.usd_fixed:,.2f} a month, used or not")
    if month.note:
        lines.append(f"note: {month.note}")
    return [*lines, advice.bother.sentence]


def advice_json(advice: Advice) -> dict[str, Any]:
    """The same for machines; money and shares as numbers, unknown as null."""
    return {
        "grade": advice.score.grade,
        "points": plain(advice.score.points),
        "findings": plain(advice.findings),
        "tiers": plain(advice.shares),
        "bother": plain(advice.bother),
        "usd_per_month_fixed": plain(advice.usd_fixed),
        "days": advice.month.days,
        "requests_seen": advice.month.requests_seen,
        "note": advice.month.note,
    }


def alert_lines(told: Sequence[Alert], *, first: bool, models: int) -> list[str]:
    """One line for each alert, with the ways out below it."""
    lines = []
    for alert in told:
        lines.append(alert.sentence)
        lines += [
            f"    {move.to}: ${move.usd_per_month:,.2f} a month ({move.usd_difference:+,.2f})"
            f"{'' if move.same_role else ', another tier'}"
            for move in alert.moves
        ]
    if first:
        lines.append(f"prices of {models} models noted; from now on changes show here")
    elif not told:
        lines.append(f"no price of {models} models changed and none retires within half a year")
    return lines


def stack_lines(stack: Stack, requests: Decimal) -> list[str]:
    """A line for each row, the sum, and what it is against."""
    if not requests:
        return ["no traffic: there is no stack to build"]
    lines = aligned((HEAD, *(_row(row) for row in stack.rows)), right=(3, 4, 5, 6))
    lines.append(f"hosted bill: {_usd(stack.usd_per_month_hosted)} a month for {requests:,.0f} requests")
    if stack.usd_per_month_baseline is not None and stack.usd_per_month_hosted is not None:
        free = "the same requests" if not stack.needs_box else "those of them that may leave"
        share = (
            1 - stack.usd_per_month_hosted / stack.usd_per_month_baseline
            if stack.usd_per_month_baseline
            else Decimal(0)
        )
        lines.append(
            f"{stack.baseline} for {free}: {_usd(stack.usd_per_month_baseline)} ({share:.0%} saved on paper: measure "
            "whether the cheaper models do your tasks)"
        )
    if stack.needs_box:
        lines.append(
            "the restricted part needs a box, and its price is fixed: `localfleet cost compare --gpu NAME` tells it; "
            "once it stands, other work on it is nearly free"
        )
    return [*lines, "token counts are assumptions for each task: `localfleet cost advise` reads yours off the ledger"]


def stack_json(stack: Stack) -> dict[str, Any]:
    """The rows with their shapes, and the `tasks:` section of a models.yaml."""
    tasks = {
        row.task.name: {"first": row.model, **({"fallback": [row.fallback]} if row.fallback else {})}
        for row in stack.rows
        if not row.restricted
    }
    return {**plain(stack), "tasks": tasks}


def _row(row: Row) -> tuple[str, ...]:
    return (
        f"{row.task.name} (restricted)" if row.restricted else row.task.name,
        row.model,
        row.fallback or "none",
        f"{row.requests:,.0f}",
        f"{row.task.input_tokens:,}",
        f"{row.task.output_tokens:,}",
        "on the box" if row.restricted else _usd(row.usd_per_month_hosted),
        row.task.why,
    )


def _usd(value: Decimal | None) -> str:
    return "price unknown" if value is None else f"${value:,.2f}"
