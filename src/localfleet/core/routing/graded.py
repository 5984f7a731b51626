"""By grade: a model of this box was asked how hard the request is, from 1 to 5 (S28)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.moment import Moment

__all__ = ["INSTRUCTION", "Graded", "read_grade"]

INSTRUCTION = (
    "Grade how hard the following request is to answer well, from 1 to 5. 1: a fact, a greeting, a format. "
    "3: some thought. 5: a proof, a design, a judgement with consequences. Answer with the digit alone."
)


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
