"""By grade: a model of this box was asked how hard the request is, from 1 to 5 (S28)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.moment import Moment

__all__ = ["INSTRUCTION", "Graded", "grading_turns", "read_grade"]

INSTRUCTION = (
    "Grade how hard a request is to answer well, from 1 to 5. 1: a fact, a greeting, a format. "
    "3: some thought. 5: a proof, a design, a judgement with consequences. Answer with the digit alone."
)
EXAMPLES = (
    ("Say good morning.", 1),
    ("Prove that the square root of 2 is irrational.", 5),
    ("Write an e-mail that asks for a day off.", 3),
    ("Translate 'book' into Spanish.", 1),
    ("Design a database for an airline and defend its consistency.", 5),
    ("How many legs do two spiders have?", 2),
    ("Refactor this class into two and explain the risks.", 4),
)
"""Without them a small model answers the request: of fifty, the one that ships graded none; with them, 43."""


def grading_turns(text: str) -> list[dict[str, str]]:
    """What the model is told: the instruction, graded examples, and the request in their form."""
    turns = [{"role": "system", "content": INSTRUCTION}]
    for request, grade in EXAMPLES:
        turns += [_asked(request), {"role": "assistant", "content": str(grade)}]
    return [*turns, _asked(text)]


def _asked(request: str) -> dict[str, str]:
    return {"role": "user", "content": f"Request: {request}\nGrade (1-5):"}


def read_grade(answer: str) -> int | None:
    """The first digit from 1 to 5 that stands alone in the answer's first words; `None` where there is none."""
    for word in answer[:40].replace("/", " ").split():
        bare = word.strip(".,:;!*()[]'\"")
        if bare in {"1", "2", "3", "4", "5"}:
            return int(bare)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """Takes the grade as the level; asked for before the decision, and no opinion where none came in time."""

    reason: Reason = Reason.BY_GRADE

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """What the local model said."""
        return moment.graded
