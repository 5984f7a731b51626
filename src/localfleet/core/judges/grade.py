"""
A local model as a judge: what it is asked, and how its answer is read.

It grades from 1 (wrong or useless) to 5 (right and complete). What it writes is a number or nothing: an answer that
cannot be read is unsure, and unsure routes up.
"""

import re
from dataclasses import dataclass

from localfleet.core.judges.spoken import PASSED, Judgement
from localfleet.core.reason import Reason

__all__ = ["INSTRUCTION", "Grader", "question"]

INSTRUCTION = (
    "You check answers. Read the request and the answer to it. Grade the answer from 1 to 5: 1 is wrong, empty or "
    "beside the point, 3 is partly right, 5 is right and complete. Reply with the digit alone."
)
GRADE = re.compile(r"(?<![\d.,/])([1-5])(?![\d]|[.,]\d)")
MOST_CHARS = 12_000
"""Of the request and of the answer each: a judge with a small context reads the ends of longer ones."""
WORST, BEST = 1, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """Which model grades, and the least grade that passes."""

    model: str
    least: int = 4
    instruction: str = INSTRUCTION

    def judge(self, said: str | None) -> Judgement:
        """What its reply means; `None` where the judge did not answer."""
        found = GRADE.search(said) if said is not None else None
        if found is None:
            return Judgement(word="no_grade", reason=Reason.ANSWER_UNSURE)
        grade = int(found.group(1))
        score = (grade - WORST) / (BEST - WORST)
        if grade >= self.least:
            return Judgement(word=PASSED.word, score=score)
        return Judgement(word="low_grade", reason=Reason.ANSWER_POOR, score=score)


def question(request: str, answer: str) -> str:
    """What the judge reads: the middle of a very long text is left out."""
    return f"Request:\n{_ends(request)}\n\nAnswer:\n{_ends(answer)}\n\nGrade (1-5):"


def _ends(text: str) -> str:
    half = MOST_CHARS // 2
    return text if len(text) <= MOST_CHARS else f"{text[:half]}\n[...]\n{text[-half:]}"
