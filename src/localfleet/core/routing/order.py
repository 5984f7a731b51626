"""How legal doors are ordered, and why: task rule, volume, preference; then readiness and load have their say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from localfleet.core.ask import Ask, Priority
from localfleet.core.fleet import Fleet, Model
from localfleet.core.reason import Reason
from localfleet.core.routing.chain import chained
from localfleet.core.routing.ladder import climb
from localfleet.core.routing.price import by_price
from localfleet.core.routing.table import Table
from localfleet.core.routing.task import by_task

__all__ = ["Preference", "order"]

BATCH = Priority.BATCH
TASK_RULE, VOLUME_STAYS_LOCAL = Reason.TASK_RULE, Reason.VOLUME_STAYS_LOCAL
CHEAPEST_HOSTED, LOCAL_FIRST = Reason.CHEAPEST_HOSTED, Reason.LOCAL_FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The operator's table: task -> names in order, and where everything else goes first."""

    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefer: Literal["hosted", "local"] = "hosted"
    patience_s: float = 1.0
    """A local line that takes longer counts as busy, where another door stands open."""
    batch_overflows: bool = False
    """Whether batch work leaves a busy box for a hosted model; else it waits."""
    table: Table | None = None
    """Strategies; without any, what stands above is all there is."""
    chain: bool = False
    """Whether the doors after the first go by the fallback chain, where a table orders them and the task names none."""


def order(ask: Ask, legal: list[Model], fleet: Fleet, preference: Preference) -> tuple[list[Model], Reason]:
    """Order `legal` (never empty); may drop doors, never adds one."""
    if preference.table is not None:
        return _by_table(preference.table, ask, legal, fleet, preference)
    ranked, reason = _ranked(ask, legal, preference)
    settled = _settled(ask, ranked, reason, fleet, preference)
    if settled[0] is ranked[0] or reason is TASK_RULE:
        return settled, _first_reason(settled[0], legal, preference, reason)
    if ranked[0].local and not settled[0].local:
        return settled, Reason.LOCAL_BUSY
    return settled, _first_reason(settled[0], legal, preference, reason)


def _by_table(
    table: Table, ask: Ask, legal: list[Model], fleet: Fleet, preference: Preference
) -> tuple[list[Model], Reason]:
    asked = table.asked(ask, fleet)
    usual, usual_reason = _ranked(ask, legal, preference)
    ranked = table.order(asked, usual)
    if preference.chain and not asked.row.doors:
        ranked = chained(asked, ranked)
    if ranked[0].local and table.holds_volume(asked):
        return _settled(ask, ranked, VOLUME_STAYS_LOCAL, fleet, preference), VOLUME_STAYS_LOCAL
    reason = table.reason(asked, ranked[0], usual[0]) or usual_reason
    settled = _settled(ask, ranked, reason, fleet, preference)
    if settled[0] is ranked[0]:
        told = reason if settled[0] is not usual[0] else _first_reason(settled[0], legal, preference, usual_reason)
        return settled, told
    if ranked[0].local and not settled[0].local:
        return settled, Reason.LOCAL_BUSY
    return settled, _first_reason(settled[0], legal, preference, reason)


def _ranked(ask: Ask, legal: list[Model], preference: Preference) -> tuple[list[Model], Reason]:
    locals_ = [model for model in legal if model.local]
    hosted = by_price(ask, [model for model in legal if not model.local])
    if ask.task is not None and preference.tasks.get(ask.task):
        named = by_task(locals_ + hosted, preference.tasks[ask.task])
        return (named or locals_ + hosted), TASK_RULE
    if ask.priority is BATCH and locals_:
        return locals_ + hosted, VOLUME_STAYS_LOCAL
    if preference.prefer == "local":
        return locals_ + hosted, LOCAL_FIRST
    return hosted + locals_, CHEAPEST_HOSTED


def _settled(ask: Ask, ranked: list[Model], reason: Reason, fleet: Fleet, preference: Preference) -> list[Model]:
    deadline_s = None if ask.deadline_ms is None else ask.deadline_ms / 1000
    if reason is VOLUME_STAYS_LOCAL and not preference.batch_overflows:
        # Hosted doors stay in the list for a box that fails, not for one that is busy.
        box = [model for model in ranked if model.local]
        rest = [model for model in ranked if not model.local]
        parts = [climb(part, fleet, patience_s=preference.patience_s, deadline_s=deadline_s) for part in (box, rest)]
        return parts[0] + parts[1]
    return climb(ranked, fleet, patience_s=preference.patience_s, deadline_s=deadline_s)


def _first_reason(first: Model, legal: list[Model], preference: Preference, reason: Reason) -> Reason:
    if reason in {TASK_RULE, VOLUME_STAYS_LOCAL} and (first.local or reason is TASK_RULE):
        return reason
    if first.local:
        return LOCAL_FIRST if preference.prefer == "local" else Reason.ONLY_LOCAL
    if any(model.local for model in legal):
        return CHEAPEST_HOSTED if preference.prefer == "hosted" else Reason.LOCAL_BUSY
    return CHEAPEST_HOSTED if preference.prefer == "hosted" else Reason.BEYOND_LOCAL
