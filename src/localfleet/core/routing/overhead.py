"""
What a request pays before any door is tried: time to classify it, and time to order its doors (S80).

Where the two together take more than the operator's budget, an alarm rings and the dear signals of difficulty (a grade,
a classifier) rest for a while: a router that is slower than the models it saves is no saving. The layers that read for
the law have no budget here: they read in any case.
"""

from collections import deque
from dataclasses import dataclass, field

from localfleet.core.receipt import Receipt

__all__ = ["Overhead"]

LATEST = 200
"""Requests that count."""
FEW = 20
"""With fewer nobody can tell."""
REST_S = 30.0
"""How long the dear signals rest before they are tried again."""


@dataclass(slots=True)
class Overhead:
    """The latest requests' milliseconds, and whether they are too many. Used from one event loop."""

    budget_ms: float | None = None
    """For the 95th percentile of classifying and routing together; `None`: any."""
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    late: int = 0
    """How many of the latest took more."""
    rests_until: float = 0.0
    """On the clock of `rests`: the dear signals rest until then."""
    resting: bool = False

    def budget(self, ms: float | None) -> None:
        """Another budget; what was counted is held against it."""
        self.budget_ms = ms
        self.late = sum(map(self._over, self.latest))

    def watch(self, receipt: Receipt) -> None:
        """Count one receipt; a request that was never decided on by itself is none."""
        if receipt.classify_ms is None or receipt.route_ms is None:
            return
        ms = receipt.classify_ms + receipt.route_ms
        if len(self.latest) == LATEST:
            self.late -= self._over(self.latest[0])
        self.latest.append(ms)
        self.late += self._over(ms)

    @property
    def rings(self) -> bool:
        """Whether the 95th percentile (nearest rank) is beyond the budget, or the dear signals rest for that."""
        return self.resting or self._beyond

    def rests(self, now: float) -> bool:
        """Whether the dear signals should rest for this request; `now` is a monotonic time."""
        if self._beyond and now >= self.rests_until:
            self.rests_until = now + REST_S
            self.latest.clear()  # what comes meanwhile says nothing of the signals that rest
            self.late = 0
        self.resting = self.budget_ms is not None and now < self.rests_until
        return self.resting

    @property
    def _beyond(self) -> bool:
        many = len(self.latest)
        return many >= FEW and self.late > many - (many * 95 + 99) // 100

    def _over(self, ms: float) -> bool:
        return self.budget_ms is not None and ms > self.budget_ms
