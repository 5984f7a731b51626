"""How legal doors are ordered, and why: task rule, volume, preference; then readiness and load have their say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from localfleet.core.ask import Ask, Priority
from localfleet.core.fleet import Fleet, Model
from localfleet.core.reason import Reason
from localfleet.core.routing.price import by_price
from localfleet.core.routing.task import by_task

__all__ = ["Preference", "order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The operator's table: task -> names in order, and where everything else goes first."""

    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefer: Literal["hosted", "local"] = "hosted"


def order(ask: Ask, legal: list[Model], fleet: Fleet, preference: Preference) -> tuple[list[Model], Reason]:
    """Order `legal` (never empty); may drop doors, never adds one."""
    ranked, reason = _ranked(ask, legal, preference)
    ready = [model for model in ranked if _takes_work_now(model, fleet)]
    settled = ready + [model for model in ranked if model not in ready]
    if settled[0] is ranked[0] or reason is Reason.TASK_RULE:
        return settled, _first_reason(settled[0], legal, preference, reason)
    return settled, Reason.LOCAL_BUSY if ranked[0].local else _first_reason(settled[0], legal, preference, reason)


def _ranked(ask: Ask, legal: list[Model], preference: Preference) -> tuple[list[Model], Reason]:
    locals_ = [model for model in legal if model.local]
    hosted = by_price(ask, [model for model in legal if not model.local])
    if ask.task is not None and ask.task in preference.tasks:
        named = by_task(locals_ + hosted, preference.tasks[ask.task])
        return (named or locals_ + hosted), Reason.TASK_RULE
    if ask.priority is Priority.BATCH and locals_:
        return locals_ + hosted, Reason.VOLUME_STAYS_LOCAL
    if preference.prefer == "local":
        return locals_ + hosted, Reason.LOCAL_FIRST
    return hosted + locals_, Reason.CHEAPEST_HOSTED


def _takes_work_now(model: Model, fleet: Fleet) -> bool:
    state = fleet.state(model.name)
    busy = model.queue_limit is not None and state.in_flight + state.waiting >= model.queue_limit
    return state.readiness.takes_work and not busy


def _first_reason(first: Model, legal: list[Model], preference: Preference, reason: Reason) -> Reason:
    if reason in {Reason.TASK_RULE, Reason.VOLUME_STAYS_LOCAL} and (first.local or reason is Reason.TASK_RULE):
        return reason
    if first.local:
        return Reason.LOCAL_FIRST if preference.prefer == "local" else Reason.ONLY_LOCAL
    if any(model.local for model in legal):
        return Reason.CHEAPEST_HOSTED if preference.prefer == "hosted" else Reason.LOCAL_BUSY
    return Reason.CHEAPEST_HOSTED if preference.prefer == "hosted" else Reason.BEYOND_LOCAL
