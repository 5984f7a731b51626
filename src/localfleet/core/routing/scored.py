"""By a trained classifier: how much the prompt needs a stronger model, 0 to 1 (S26, S27)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.difficulty import Thresholds
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.scorer import Scorer

__all__ = ["Scored"]

HARDEST = 5


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
        return self.scores.level(score.value) if score.known else self.abstains
