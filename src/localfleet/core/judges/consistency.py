"""Self-consistency: the same question asked again; answers that agree are more often right."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from localfleet.core.judges.spoken import PASSED, Judgement
from localfleet.core.reason import Reason

__all__ = ["Consistency", "agreement"]

WORD = re.compile(r"\w+")
SHORT = 12
"""Words up to which an answer must be the same; longer ones agree by the words they share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """Ask so many times more, and want this agreement with the first answer (0 to 1)."""

    samples: int
    least: float
    temperature: float = 0.7

    def judge(self, text: str, others: Sequence[str]) -> Judgement:
        """Agreeing, or unsure; without any other answer, unsure."""
        if not others:
            return Judgement(word="no_samples", reason=Reason.ANSWER_UNSURE)
        score = sum(agreement(text, other) for other in others) / len(others)
        if score >= self.least:
            return Judgement(word=PASSED.word, score=score)
        return Judgement(word="inconsistent", reason=Reason.ANSWER_UNSURE, score=score)


def agreement(one: str, other: str) -> float:
    """From 0 to 1: equality of short answers, the Jaccard index of the words of longer ones; symmetric."""
    first, second = _words(one), _words(other)
    if max(len(first), len(second)) <= SHORT:
        return float(first == second)
    union = set(first) | set(second)
    return len(set(first) & set(second)) / len(union)


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())
