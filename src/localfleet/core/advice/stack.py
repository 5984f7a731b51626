"""
A stack from a list of tasks, a volume and a need for privacy: which tier each task starts on, where it falls back, what
a month costs, and what one premium model for everything would cost.

The table of tasks is the union of published routing tables; the shapes are stated means to be replaced by your own.
Restricted text has one legal place, so its row has no hosted fallback.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.advice.alerts import Listing
from localfleet.core.advice.work import Role, usd_of_price

__all__ = ["PRESETS", "TASKS", "Part", "Row", "Stack", "TaskKind", "build_stack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """A kind of work: where it starts, where it falls back, why, and the mean request to assume."""

    name: str
    first: Role
    fallback: Role | None
    why: str
    input_tokens: int
    output_tokens: int
    fallback_share: Decimal = Decimal("0.05")


def _task(  # noqa: PLR0917  # a table row, read in columns
    name: str, first: Role, fallback: Role | None, tokens_in: int, tokens_out: int, share: str, why: str
) -> TaskKind:
    return TaskKind(
        name=name,
        first=first,
        fallback=fallback,
        why=why,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        fallback_share=Decimal(share),
    )


LOW, MID, HIGH = Role.LOW_COST, Role.BALANCED, Role.PREMIUM
TASKS: Mapping[str, TaskKind] = {
    task.name: task
    for task in (
        _task("intent", LOW, MID, 200, 10, "0.03", "a label out of a few; errors show in the next step"),
        _task("classification", LOW, MID, 400, 20, "0.03", "a label out of a few"),
        _task("moderation", LOW, MID, 400, 20, "0.03", "a label out of a few; unsure goes up"),
        _task("extraction", LOW, MID, 1000, 150, "0.05", "a schema checks the answer"),
        _task("formatting", LOW, None, 600, 400, "0", "no judgement in it"),
        _task("translation", LOW, MID, 600, 600, "0.05", "small models do common languages well"),
        _task("summarisation", LOW, MID, 2000, 250, "0.05", "long input, short output: input price rules"),
        _task("faq", LOW, MID, 900, 200, "0.08", "the answer is in the text"),
        _task("batch-enrichment", LOW, None, 800, 100, "0", "nobody waits: batch price, or the box at night"),
        _task("rag-answer", MID, HIGH, 3000, 350, "0.05", "several sources have to agree"),
        _task("troubleshooting", MID, HIGH, 1500, 400, "0.10", "several steps, checked at the end"),
        _task("policy-sensitive", MID, HIGH, 1500, 300, "0.15", "a safety check follows; unsure goes to a person"),
        _task("tool-use", MID, HIGH, 1500, 150, "0.05", "a wrong call costs more than the tokens"),
        _task("code-completion", LOW, MID, 1500, 60, "0.05", "latency first"),
        _task("code-generation", MID, HIGH, 2500, 800, "0.10", "tests check the answer"),
        _task("code-review", HIGH, None, 4000, 700, "0", "a missed fault costs more than the tokens"),
        _task("planning", HIGH, None, 2000, 800, "0", "all later steps rest on it"),
        _task("creative", MID, HIGH, 800, 800, "0.05", "taste, not truth"),
        _task("critical-decision", HIGH, None, 2500, 600, "0", "a person signs it"),
    )
}
PRESETS: Mapping[str, Mapping[str, Decimal]] = {
    "chatbot": {"intent": Decimal("0.50"), "faq": Decimal("0.35"), "troubleshooting": Decimal("0.15")},
    "code-assistant": {
        "code-completion": Decimal("0.70"),
        "code-generation": Decimal("0.25"),
        "code-review": Decimal("0.05"),
    },
    "rag": {"classification": Decimal("0.50"), "rag-answer": Decimal("0.50")},
    "support": {
        "intent": Decimal("0.40"),
        "faq": Decimal("0.30"),
        "troubleshooting": Decimal("0.15"),
        "policy-sensitive": Decimal("0.05"),
        "summarisation": Decimal("0.10"),
    },
}
"""Shares of requests by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task's part of the month: requests, and the share of them (0 to 1) that may not leave."""

    task: TaskKind
    requests: Decimal
    restricted_share: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the stack. `usd_per_month_hosted` has the fallbacks in it; `None`: no price; zero for the box."""

    task: TaskKind
    restricted: bool
    model: str
    fallback: str | None
    requests: Decimal
    usd_per_month_hosted: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The rows, their hosted sum, and one premium model for the requests that may leave. `None`: a price is unknown."""

    rows: tuple[Row, ...]
    usd_per_month_hosted: Decimal | None
    baseline: str | None
    usd_per_month_baseline: Decimal | None
    needs_box: bool


def build_stack(parts: Sequence[Part], listings: Sequence[Listing]) -> Stack:
    """Put each part on the cheapest model of its tier; restricted requests on the box alone."""
    rows = tuple(row for part in parts for row in _rows(part, listings))
    best = _cheapest(listings, HIGH)
    free = [row for row in rows if not row.restricted]
    return Stack(
        rows=rows,
        usd_per_month_hosted=_sum([row.usd_per_month_hosted for row in rows]),
        baseline=best.name if best else None,
        usd_per_month_baseline=_sum([_usd(best, row.task, row.requests) for row in free]) if best else None,
        needs_box=any(row.restricted for row in rows),
    )


def _rows(part: Part, listings: Sequence[Listing]) -> tuple[Row, ...]:
    inside = part.requests * part.restricted_share
    rows = []
    if inside:
        rows.append(
            Row(
                task=part.task,
                restricted=True,
                model="local",
                fallback=None,
                requests=inside,
                usd_per_month_hosted=Decimal(0),
            )
        )
    if part.requests - inside:
        rows.append(_hosted_row(part.task, part.requests - inside, listings))
    return tuple(rows)


def _hosted_row(task: TaskKind, requests: Decimal, listings: Sequence[Listing]) -> Row:
    first = _cheapest(listings, task.first)
    second = _cheapest(listings, task.fallback) if task.fallback else None
    second = None if second is first else second
    again = _usd(second, task, requests * task.fallback_share) if task.fallback_share and second else Decimal(0)
    return Row(
        task=task,
        restricted=False,
        model=first.name if first else "no hosted model",
        fallback=second.name if second else None,
        requests=requests,
        usd_per_month_hosted=_sum([_usd(first, task, requests), again]),
    )


def _cheapest(listings: Sequence[Listing], role: Role) -> Listing | None:
    """
    The cheapest priced model of a role, by a mean of three parts input and one part output.

    Where nobody has the role, one step up, and further; then down: better too good than not at all.
    """
    order = (LOW, MID, HIGH)
    here = order.index(role)
    for wanted in (*order[here:], *reversed(order[:here])):
        own = [listing for listing in listings if listing.role is wanted]
        priced = [(item.price.usd_per_mtok_in * 3 + item.price.usd_per_mtok_out, item) for item in own if item.price]
        if own:
            return min(priced, key=lambda pair: pair[0])[1] if priced else own[0]
    return None


def _usd(listing: Listing | None, task: TaskKind, requests: Decimal) -> Decimal | None:
    if listing is None or listing.price is None:
        return None
    return usd_of_price(
        listing.price, input_tokens=requests * task.input_tokens, output_tokens=requests * task.output_tokens
    )


def _sum(parts: Sequence[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None
