"""By a trained classifier: how much the prompt needs a stronger model, 0 to 1 (S26, S27)."""

from dataclasses import dataclass
from typing import Protocol

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.difficulty import Thresholds
from localfleet.core.routing.moment import Moment

__all__ = ["Scored", "Scorer"]

HARDEST = 5


class Scorer(Protocol):
    """A trained model on this box: no I/O, microseconds to a few milliseconds."""

    def score(self, text: str) -> float | None:
        """How much the prompt needs the stronger model, 0 to 1; `None` where it abstains, as out of distribution."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Level -> the score from which on it holds. An abstention routes up."""

    scorer: Scorer
    scores: Thresholds
    abstains: int = HARDEST
    """The level of what the classifier has no opinion on: if unsure, route up (S29)."""
    reason: Reason = Reason.BY_CLASSIFIER

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """Read the score."""
        if not moment.text:
            return None
        score = self.scorer.score(moment.text)
        return self.abstains if score is None else self.scores.level(score)
