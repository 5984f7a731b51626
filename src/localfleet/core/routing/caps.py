"""The caps of one file: which share and how much money a tier may have, for each task, each plan and over all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from localfleet.core.ask import Ask
from localfleet.core.budget import Purses, Scope
from localfleet.core.routing.shares import ALL, Cap, Of, Shares

__all__ = ["Caps", "plan_scope"]

Limit = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Tier -> most share, 0 to 1; plan -> tier -> most dollars a UTC day. `shares` outlives the file."""

    shares: Shares
    each_task: Limit = field(default_factory=dict)
    """For every task that has no limit of its own for the tier, and for requests of no task together."""
    tasks: Mapping[str, Limit] = field(default_factory=dict)
    plans: Mapping[str, Limit] = field(default_factory=dict)
    usd_per_day: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)

    def arrived(self, ask: Ask, now: float) -> None:
        """Count a request before its doors are fixed."""
        self.shares.arrived([ALL, *self._scopes(ask)], now)

    def full(self, ask: Ask, now: float) -> frozenset[str]:
        """The tiers that have had their share."""
        return self.shares.full(tuple(self._caps(ask)), now)

    def take(self, ask: Ask, tier: str, now: float) -> bool:
        """Count a request to a tier, if there is room: one step, so that no two take the last place."""
        return self.shares.take(tuple(self._caps(ask)), tier, now)

    def give_back(self, ask: Ask, tier: str, now: float) -> None:
        """The door gave no answer."""
        self.shares.give_back(tuple(self._caps(ask)), tier, now)

    def purses(self, ask: Ask, tier: str) -> dict[Scope, Decimal]:
        """What the plan may spend on the tier today."""
        usd = self.usd_per_day.get(ask.caller.plan or "", {}).get(tier)
        return {} if usd is None else {plan_scope(ask.caller.plan or "", tier): usd}

    def left(self, ask: Ask, purses: Purses, left: Mapping[str, Decimal], now: float) -> Mapping[str, Decimal]:
        """What is left by tier, with the limits of the plan."""
        limits = self.usd_per_day.get(ask.caller.plan or "")
        if not limits:
            return left
        own = {tier: purses.left(plan_scope(ask.caller.plan or "", tier), usd, now) for tier, usd in limits.items()}
        return {**left, **{tier: min(usd, left.get(tier, usd)) for tier, usd in own.items()}}

    def _scopes(self, ask: Ask) -> Iterator[Of]:
        yield ("task", self._task(ask))
        if ask.caller.plan is not None:
            yield ("plan", ask.caller.plan)

    def _task(self, ask: Ask) -> str:
        return ask.task if ask.task is not None and ask.task in self.tasks else ""

    def _caps(self, ask: Ask) -> Iterator[Cap]:
        task = self._task(ask)
        for tier, most in {**self.each_task, **self.tasks.get(task, {})}.items():
            yield (("task", task), tier, most)
        for tier, most in self.plans.get(ask.caller.plan or "", {}).items():
            yield (("plan", ask.caller.plan or ""), tier, most)


def plan_scope(plan: str, tier: str) -> Scope:
    """The purse of a plan's spending on a tier."""
    return ("plan", f"{plan}/{tier}")
