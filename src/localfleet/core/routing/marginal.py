"""
By marginal cost (law 11): a turn at an idle local model costs nothing; at a full one it pushes somebody else out.

What that somebody pays is the price of a turn there: the cheapest hosted door of this very request, or what the
operator's file of marginal prices says. Never the amortised figure.
"""

from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked, Objective
from localfleet.core.routing.latency import usual_ms
from localfleet.core.routing.price import expected_usd

__all__ = ["Aim", "marginal_usd", "measure"]

UNPRICED = float("inf")
FREE = Decimal(0)


def marginal_usd(asked: Asked, model: Model) -> Decimal | None:
    """US dollars that this request adds, whoever pays them; `None` where nobody knows."""
    if not model.local:
        return expected_usd(asked.ask, model)
    stated = asked.moment.marginal_usd.get(model.name)
    if stated is not None:
        return stated
    state = asked.fleet.state(model.name)
    full = model.queue_limit is not None and state.in_flight + state.waiting >= model.queue_limit
    if state.wait_s <= 0 and not full:
        return FREE
    hosted = [expected_usd(asked.ask, other) for other in asked.fleet.models if not other.local]
    return min((usd for usd in hosted if usd is not None), default=FREE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The last strategy: of doors that are equal to all others, the cheapest, the fastest or the best (S6)."""

    usual: Objective = Objective.COST
    name: str = "objective"

    def speaks(self, _asked: Asked) -> bool:
        """Always."""
        return True

    def rank(self, asked: Asked, model: Model) -> float:
        """By the task's objective, else the one of all; a tier with one of its own stands where its best does."""
        objective = self._of(asked)
        if asked.row.objective is None and asked.trait(model).objective is not None:
            tier = (other for other in asked.fleet.models if other.tier == model.tier)
            return min(measure(objective, asked, other) for other in tier)
        return measure(objective, asked, model)

    def reason(self, asked: Asked) -> Reason:
        """Why."""
        return {
            Objective.COST: Reason.BY_COST,
            Objective.LATENCY: Reason.BY_LATENCY,
            Objective.QUALITY: Reason.BY_QUALITY,
        }[self._of(asked)]

    def why(self, asked: Asked) -> str:
        """In words."""
        return {
            Objective.COST: "of what is left, what adds the fewest dollars: an idle local model adds none",
            Objective.LATENCY: "of what is left, what is usually fastest",
            Objective.QUALITY: "of what is left, what is right most often at this task",
        }[self._of(asked)]

    def _of(self, asked: Asked) -> Objective:
        return asked.row.objective or self.usual


def measure(objective: Objective, asked: Asked, model: Model) -> float:
    """A figure that is lower for the better door; infinite where what it takes is unknown."""
    if objective is Objective.COST:
        usd = marginal_usd(asked, model)
        return UNPRICED if usd is None else float(usd)
    if objective is Objective.LATENCY:
        ms = usual_ms(asked, model)
        return UNPRICED if ms is None else ms
    reached = asked.quality(model)
    return 1 if reached is None else 1 - reached
