"""What a plan's own limits say of its outcome: caps that the month would break, a horizon that comes too soon."""

from collections.abc import Iterator

from localfleet.core.plan.bills import hosted_usd
from localfleet.core.plan.case import Case, Work
from localfleet.cost.outcome import Outcome
from localfleet.cost.paper import dollars, percent
from localfleet.cost.plan_file import PlanFile, Workflow

__all__ = ["limit_warnings"]

DAYS_PER_MONTH = 730 / 24


def limit_warnings(plan: PlanFile, outcome: Outcome) -> tuple[str, ...]:
    """One sentence for each limit that the best way would break."""
    if outcome.best is None:
        return ()
    works = {work.name: work for work in outcome.case.works}
    rows = [sentence for row in plan.workflows for sentence in _of_row(row, works[row.workflow], outcome)]
    return (*rows, *_horizon(plan, outcome))


def _of_row(row: Workflow, work: Work, outcome: Outcome) -> Iterator[str]:
    caps = row.limits
    if row.fallback_rate and caps.max_fallback_attempts == 0:
        yield f"{row.workflow}: {percent(row.fallback_rate)} fall back, and max_fallback_attempts allows none"
    if caps.max_premium_pct is not None and row.fallback_rate * 100 > caps.max_premium_pct:
        over = f"over max_premium_pct of {caps.max_premium_pct:g} %"
        yield f"{row.workflow}: {percent(row.fallback_rate)} fall back, {over}"
    for name, cap in caps.max_daily_usd_per_tier.items():
        spent = _daily_usd(outcome.case, work, name, hosted=outcome.best is not None and outcome.best.kind == "hosted")
        if spent is not None and spent > cap:
            yield f"{row.workflow}: {dollars(spent)} a day on {name} is over max_daily_usd_per_tier of {dollars(cap)}"


def _daily_usd(case: Case, work: Work, name: str, *, hosted: bool) -> float | None:
    """What this work spends a day on a model: all of it where hosted is the best way, else what it passes on."""
    model = next((item for item in case.hosted if item.name == name), None)
    each = None if model is None else hosted_usd(model, work)
    if each is None or work.must_stay:
        return None
    calls = work.requests * ((1 + work.retry_share) if hosted else work.fallback_share)
    return calls * each / DAYS_PER_MONTH


def _horizon(plan: PlanFile, outcome: Outcome) -> Iterator[str]:
    months = outcome.crossing.payback_months if outcome.crossing else None
    horizon = plan.finance.horizon_months
    if months is not None and months > horizon:
        yield f"a bought box pays back after {months:.0f} months, beyond finance.horizon_months of {horizon}"
