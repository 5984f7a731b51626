"""By a trained classifier: how much the prompt needs a stronger model, 0 to 1 (S26, S27)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.difficulty import Thresholds
from localfleet.core.routing.guarantee import Claim
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.scorer import Scorer

__all__ = ["HARDEST", "Scored"]

HARDEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Level -> the score from which on it holds. An abstention routes up."""

    scorer: Scorer
    scores: Thresholds
    abstains: int = HARDEST
    """The level of what the classifier has no opinion on: if unsure, route up (S29)."""
    claim: Claim | None = None
    """What the file's threshold promises, where that is the one that counts."""
    written: bool = True
    """Whether the levels are the operator's; else the usual ones."""
    reason: Reason = Reason.BY_CLASSIFIER

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """Read the score."""
        if not moment.text or moment.hurried:
            return None
        score = self.scorer.score(moment.text, moment.vector)
        return self.scores.level(score.value) if score.known else self.abstains

    def row(self) -> dict[str, object]:
        """Which threshold counts, by whose word, and with which promise, as plain values."""
        claim = self.claim
        said: dict[str, object] = {"by": "written" if self.written else "default"}
        if claim is not None:
            said = {
                "by": "calibrated", "quality": claim.quality, "confidence": claim.confidence, "outcomes": claim.prompts,
                "at": claim.at, "refused_at": claim.refused_at,
            }  # fmt: skip
        return {"levels": {str(level): least for level, least in self.scores.least}, **said}
