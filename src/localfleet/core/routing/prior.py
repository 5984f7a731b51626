"""
What is known of a model at a task before anybody here said anything (S14), and what outcomes here make of it.

A published score is the mean of a Beta distribution that counts for `weight` outcomes; each outcome of one's own, from
0 to 1, is added to it. After as many outcomes as the weight both count the same, after many the score counts nothing.
A model without a score stays unknown: a few outcomes with nothing to hold them to are no measurement.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from localfleet.core.feedback import Feedback
from localfleet.core.receipt import Receipt
from localfleet.core.routing.drift import rating_of
from localfleet.core.value import value

__all__ = ["NOTHING_SAID", "Outcomes", "Prior", "Tally", "blended"]

REMEMBERED = 20_000
"""Requests whose model is kept in memory, for feedback that comes later."""
Of = tuple[str, str]
"""A model, and a task (empty: none)."""


@value
class Prior:
    """A score from 0 to 1, for how many outcomes it counts, and whose it is, in the words of the file."""

    quality: float
    weight: float
    source: str


@value
class Tally:
    """Outcomes of one model at one task: how many, and the sum of their qualities."""

    count: int = 0
    total: float = 0.0


NOTHING_SAID = Tally()


def blended(prior: Prior, said: Tally) -> float:
    """The mean of the Beta distribution that the prior and the outcomes make together, 0 to 1."""
    return (prior.weight * prior.quality + said.total) / (prior.weight + said.count)


@dataclass(slots=True)
class Outcomes:
    """
    What callers said of answers, by model and task; used from one event loop.

    Of several words about one request the last counts, as in the ledger. Shadows' judges are not asked: their grade is
    of another kind.
    """

    tallies: dict[Of, Tally] = field(default_factory=dict)
    asked: "OrderedDict[str, tuple[Of, float | None]]" = field(default_factory=OrderedDict)
    """Request -> what answered it, and the rating that was counted for it."""

    def watch(self, receipt: Receipt) -> None:
        """Remember who answered."""
        if receipt.action is None and receipt.model is not None:
            self.asked[receipt.request_id] = ((receipt.model, receipt.task or ""), None)
            if len(self.asked) > REMEMBERED:
                self.asked.popitem(last=False)

    def hear(self, said: Feedback) -> None:
        """Count what somebody said of a request that is remembered, in place of what was said before."""
        quality, known = rating_of(said), self.asked.get(said.request_id)
        if known is None or quality is None:
            return
        of, before = known
        self.see(of, quality - (before or 0.0), 0 if before is not None else 1)
        self.asked[said.request_id] = (of, quality)

    def see(self, of: Of, total: float, count: int = 1) -> None:
        """Add to one tally."""
        had = self.of(*of)
        self.tallies[of] = Tally(count=had.count + count, total=had.total + total)

    def of(self, model: str, task: str | None) -> Tally:
        """What was said of a model at a task."""
        return self.tallies.get((model, task or ""), NOTHING_SAID)
