"""
A cascade: try the first door, judge what it says, go on to the next one where that is not good enough (S30, S45).

The doors are those of the decision, in its order, fixed before the first was tried (law 4). Nothing here can name
another one: an escalation is one step along that list.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from localfleet.core.judges.consistency import Consistency
from localfleet.core.judges.grade import Grader
from localfleet.core.judges.spoken import PASSED, Check, Judgement, Spoken
from localfleet.core.route import Decision

__all__ = ["Buffer", "Cascade", "checked", "steps"]

Buffer = Literal["whole", "none"] | int
"""
How much of a stream is held back for the judges: all of it, nothing (then streams are not judged), or about so many
tokens. What has gone out is never taken back, so no second door follows it (law 5).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """How the answers of one task are judged. Judges go in this order, and the first that is not content ends it."""

    checks: tuple[Check, ...]
    consistency: Consistency | None = None
    grader: Grader | None = None
    call: str | None = None
    """`module:function` of the operator."""
    least_score: float = 0.5
    buffer: Buffer = "whole"
    logprobs: bool = False
    """A check reads log probabilities, so an engine that can tell them is asked to."""


def steps(decision: Decision) -> Iterator[Decision]:
    """
    The decision door by door: each with the routes of one model, its retries among them, and none besides.

    Together they are the decision's routes in its order, as long as those of one model stand side by side.
    """
    for name in dict.fromkeys(route.model for route in decision.routes):
        yield replace(decision, routes=tuple(route for route in decision.routes if route.model == name))


def checked(cascade: Cascade, spoken: Spoken) -> Judgement:
    """What the judges without I/O say: the first that is not content, else the last score."""
    last = PASSED
    for check in cascade.checks:
        said = check.judge(spoken)
        if not said.passed:
            return said
        last = said if said.score is not None else last
    return last
