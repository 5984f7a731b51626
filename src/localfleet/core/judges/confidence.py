"""
How sure a model was, from the log probabilities of its tokens.

`mean_logprob` is the mean over the tokens of the natural log of each one's probability (exp of it is the geometric
mean probability, the inverse of the perplexity). `margin` is the mean difference of probability between the likeliest
and the second token at each place. `entropy` is the mean entropy in nats over the tokens told at each place, the rest
of the probability counted as one more. A judge that gets no log probabilities is unsure: it routes up (S29).
"""

from dataclasses import dataclass
from math import exp, log

from localfleet.core.judges.spoken import PASSED, Judgement, Spoken, Token
from localfleet.core.reason import Reason

__all__ = ["Confidence", "entropy", "margin", "mean_logprob"]


def mean_logprob(tokens: tuple[Token, ...]) -> float:
    """Never above 0; `tokens` is not empty."""
    return sum(min(token.logprob, 0.0) for token in tokens) / len(tokens)


def margin(tokens: tuple[Token, ...]) -> float | None:
    """From 0 to 1; `None` where no place tells two tokens."""
    told = [sorted(token.top, reverse=True)[:2] for token in tokens if len(token.top) >= 2]
    gaps = [exp(first) - exp(second) for first, second in told]
    return sum(gaps) / len(gaps) if gaps else None


def entropy(tokens: tuple[Token, ...]) -> float | None:
    """Nats, 0 where every token was certain; `None` where no place tells other tokens."""
    told = [_entropy(token.top) for token in tokens if token.top]
    return sum(told) / len(told) if told else None


def _entropy(top: tuple[float, ...]) -> float:
    shares = [exp(min(one, 0.0)) for one in top]
    shares.append(max(1.0 - sum(shares), 0.0))
    return -sum(share * log(share) for share in shares if share > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """Thresholds, each of which must hold; the score is the geometric mean probability of the tokens."""

    least_logprob: float | None = None
    least_margin: float | None = None
    most_entropy: float | None = None

    def judge(self, spoken: Spoken) -> Judgement:
        """Sure enough, or unsure."""
        if not spoken.tokens:
            return Judgement(word="no_logprobs", reason=Reason.ANSWER_UNSURE)
        mean = mean_logprob(spoken.tokens)
        sure = self.least_logprob is None or mean >= self.least_logprob
        if sure and self.least_margin is not None:
            gap = margin(spoken.tokens)
            sure = gap is not None and gap >= self.least_margin
        if sure and self.most_entropy is not None:
            spread = entropy(spoken.tokens)
            sure = spread is not None and spread <= self.most_entropy
        score = exp(mean)
        return (
            Judgement(word=PASSED.word, score=score)
            if sure
            else Judgement(word="low_confidence", reason=Reason.ANSWER_UNSURE, score=score)
        )
