"""
The routing review (S60): what was reached, what changed, what to change and why, from the ledger's sums.

Pure: cells of a week, a task and a tier come in, sentences with figures go out. Little data says little: a finding
needs `FEW` requests on each side of a comparison.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

__all__ = ["Aims", "Cell", "Due", "Figures", "Finding", "Reached", "due_dates", "figures", "findings"]

FEW = 20
OUTLIER = 10
"""Times the median cost of an answer of all tasks."""
GROWN = 0.05
LAUNCH = timedelta(days=28)
HEALTHY = "a usual mix is 60 to 80 % cheap or local, 15 to 25 % balanced, 5 to 15 % premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One week (its Monday) of one task at one tier. `usd` is that of whole actions, `None` where some is unknown."""

    monday: str
    task: str
    tier: str
    requests: int
    answered: int
    escalated: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a tier or a task reached: 95th percentiles in milliseconds, and what callers said of answers, 0 to 1."""

    group: str
    p95_first_byte_ms: float | None = None
    p95_total_ms: float | None = None
    accepted: float | None = None
    said: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What the file wants: milliseconds to the first byte and quality by tier and by task, the alarm, the top tier."""

    tier_ms: Mapping[str, int] = field(default_factory=dict)
    tier_quality: Mapping[str, float] = field(default_factory=dict)
    task_ms: Mapping[str, int] = field(default_factory=dict)
    alarm: float = 0.4
    top: str = "premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know: about what, what was seen, and what to do; `bad` where something is to be done."""

    about: str
    seen: str
    advice: str
    bad: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One task or tier over the whole time. `usd_per_answer` is the money of all calls for each answered request."""

    group: str
    requests: int
    share: float
    escalated: float
    usd_per_answer: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be looked at next, and when."""

    what: str
    on: date


def figures(cells: Iterable[Cell], *, by: str) -> list[Figures]:
    """By `task` or `tier`, the most requests first."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.task if by == "task" else cell.tier, []).append(cell)
    total = sum(cell.requests for own in groups.values() for cell in own) or 1
    found = [_figures(group, own, total) for group, own in groups.items()]
    return sorted(found, key=lambda one: (-one.requests, one.group))


def _figures(group: str, cells: list[Cell], total: int) -> Figures:
    requests, answered = sum(cell.requests for cell in cells), sum(cell.answered for cell in cells)
    costs = [cell.usd for cell in cells]
    known = [usd for usd in costs if usd is not None]
    usd = sum(known, Decimal(0)) / answered if answered and len(known) == len(costs) else None
    return Figures(
        group=group,
        requests=requests,
        share=requests / total,
        escalated=sum(cell.escalated for cell in cells) / requests if requests else 0.0,
        usd_per_answer=usd,
    )


def findings(cells: list[Cell], reached: Mapping[str, Reached], aims: Aims) -> list[Finding]:
    """Everything worth a sentence: what is bad first."""
    found = [
        *_escalating(cells, aims),
        *_growing(cells, aims),
        *_outliers(cells),
        *_slow(reached, aims),
        *_weak(reached, aims),
        *_mix(cells),
    ]
    return sorted(found, key=lambda one: not one.bad)


def _escalating(cells: list[Cell], aims: Aims) -> Iterator[Finding]:
    for one in figures(cells, by="task"):
        if one.requests >= FEW and one.escalated >= aims.alarm:
            yield Finding(
                about=f"task {one.group}",
                seen=f"{one.escalated:.0%} of {one.requests} requests escalated",
                advice="the rule is wrong, not the requests: give the task a stronger first door, or a lower level",
            )


def _growing(cells: list[Cell], aims: Aims) -> Iterator[Finding]:
    """Tasks whose use of the top tier grew from the last week but one to the last (S73)."""
    weeks = sorted({cell.monday for cell in cells})[-2:]
    if len(weeks) < 2:
        return
    for task in sorted({cell.task for cell in cells}):
        own = [[cell for cell in cells if (cell.monday, cell.task) == (week, task)] for week in weeks]
        before, last = (_share(week, aims.top) for week in own)
        if before is not None and last is not None and last - before > GROWN:
            yield Finding(
                about=f"task {task}",
                seen=f"its share of {aims.top} grew from {before:.0%} to {last:.0%} in the week of {weeks[1]}",
                advice="see which reason sends it there: `localfleet report --by reason`; a `tier_share` would hold it",
            )


def _share(cells: list[Cell], tier: str) -> float | None:
    requests = sum(cell.requests for cell in cells)
    return None if requests < FEW else sum(cell.requests for cell in cells if cell.tier == tier) / requests


def _outliers(cells: list[Cell]) -> Iterator[Finding]:
    """Tasks whose answer costs many times the median of all (S64)."""
    priced = [one for one in figures(cells, by="task") if one.usd_per_answer]
    if len(priced) < 3:
        return
    usual = median(one.usd_per_answer for one in priced if one.usd_per_answer is not None)
    for one in priced:
        if one.usd_per_answer is not None and one.requests >= FEW and one.usd_per_answer > OUTLIER * usual:
            yield Finding(
                about=f"task {one.group}",
                seen=f"an answer costs {one.usd_per_answer:.6f} USD, {one.usd_per_answer / usual:.0f} times the median",
                advice="look at its context and its door: `localfleet explain --task` shows both",
            )


def _slow(reached: Mapping[str, Reached], aims: Aims) -> Iterator[Finding]:
    """Tiers and tasks against their aims (S4, S69)."""
    for kind, wanted in (("tier", aims.tier_ms), ("task", aims.task_ms)):
        for name, aim in wanted.items():
            seen = reached.get(f"{kind} {name}")
            if seen is None or seen.p95_first_byte_ms is None:
                continue
            missed = seen.p95_first_byte_ms > aim
            yield Finding(
                about=f"{kind} {name}",
                seen=f"95 % of first bytes within {seen.p95_first_byte_ms:.0f} ms, the aim is {aim} ms",
                advice="a faster door, more places, or an honest aim" if missed else "met",
                bad=missed,
            )


def _weak(reached: Mapping[str, Reached], aims: Aims) -> Iterator[Finding]:
    """Tiers against their quality bars, by what callers said (S5)."""
    for tier, bar in aims.tier_quality.items():
        seen = reached.get(f"tier {tier}")
        if seen is None or seen.accepted is None or seen.said < FEW:
            continue
        missed = seen.accepted < bar
        yield Finding(
            about=f"tier {tier}",
            seen=f"{seen.accepted:.0%} of {seen.said} answers were accepted, the bar is {bar:.0%}",
            advice="lower its `quality:` or its `level:`, so that less is sent there" if missed else "met",
            bad=missed,
        )


def _mix(cells: list[Cell]) -> Iterator[Finding]:
    shares = figures(cells, by="tier")
    if shares:
        said = ", ".join(f"{one.group} {one.share:.0%}" for one in shares)
        yield Finding(about="mix", seen=said, advice=HEALTHY, bad=False)


def due_dates(first: date, today: date) -> tuple[Due, ...]:
    """Reviews weekly in the first four weeks and monthly later; levels, bars and benchmarks each quarter (S60)."""
    rhythm = timedelta(days=7) if today - first < LAUNCH else timedelta(days=30)
    quarter = timedelta(days=91)
    return (
        Due(what="this review", on=_next(first, today, rhythm)),
        Due(what="levels, quality bars and thresholds", on=_next(first, today, quarter)),
        Due(what="benchmark of candidate models", on=_next(first, today, quarter)),
    )


def _next(first: date, today: date, rhythm: timedelta) -> date:
    return first + rhythm * ((today - first) // rhythm + 1)
