"""
Escalations: requests that went to a stronger or a later door than the plain one, each with its reason (S54, S67).

A request escalated exactly if the reason of its receipt is one of these: a signal moved it up before, or a failure or a
judge sent it on. Where too many of a task's requests do, the rule is wrong, not the requests (S55).
"""

from collections import deque
from dataclasses import dataclass, field

from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt

__all__ = ["ESCALATIONS", "SENT_ON", "Alarm", "escalated"]

MOVED_UP = frozenset(
    {
        Reason.BY_KEYWORDS, Reason.BY_LENGTH, Reason.BY_CONTEXT, Reason.BY_CLASSIFIER, Reason.BY_GRADE,
        Reason.BY_SESSION, Reason.BY_QUALITY, Reason.BY_PLAN,
    }
)  # fmt: skip
SENT_ON = frozenset(
    {
        Reason.CONNECT_FAILED, Reason.TIMED_OUT, Reason.RATE_LIMITED, Reason.QUEUE_FULL, Reason.QUEUE_TOO_LONG,
        Reason.UPSTREAM_ERROR, Reason.UPSTREAM_REJECTED, Reason.UPSTREAM_DENIED, Reason.UPSTREAM_GARBLED,
        Reason.DIED_MIDSTREAM, Reason.CONTEXT_TOO_LONG, Reason.TIER_SHARE, Reason.OVER_BUDGET, Reason.ANSWER_UNSURE,
        Reason.ANSWER_INVALID, Reason.ANSWER_POOR,
    }
)  # fmt: skip
ESCALATIONS = MOVED_UP | SENT_ON
LATEST = 200
"""Requests of a task that count for the alarm."""
FEW = 20
"""With fewer nobody can tell."""


def escalated(receipt: Receipt) -> bool:
    """Whether an answered request escalated; a part of an action is none."""
    return receipt.action is None and receipt.model is not None and receipt.reason in ESCALATIONS


@dataclass(slots=True)
class Alarm:
    """The share of the latest requests of each task that escalated; rings where it reaches `most`."""

    most: float = 0.4
    latest: dict[str, deque[bool]] = field(default_factory=dict)

    def watch(self, receipt: Receipt) -> None:
        """Count one receipt."""
        if receipt.action is None and receipt.model is not None:
            task = receipt.task or "none"
            if task not in self.latest:
                self.latest[task] = deque(maxlen=LATEST)
            self.latest[task].append(receipt.reason in ESCALATIONS)

    def shares(self) -> dict[str, float]:
        """By task, where there are enough to tell."""
        return {task: sum(seen) / len(seen) for task, seen in self.latest.items() if len(seen) >= FEW}

    def ringing(self) -> frozenset[str]:
        """Tasks of which too many escalate."""
        return frozenset(task for task, share in self.shares().items() if share >= self.most)
