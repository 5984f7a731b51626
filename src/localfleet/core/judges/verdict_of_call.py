"""What an operator's own judge is given, and how its word is read."""

from math import isfinite

from localfleet.core.judges.spoken import ToolCall
from localfleet.core.value import value

__all__ = ["Judged", "read_score"]


@value
class Judged:
    """
    The one argument of the function that `callable: module:function` names.

    It returns true or false, or a score from 0 to 1. It runs in this process, in a thread, and sees restricted text:
    what it does with it is the operator's own.
    """

    answer: str
    request: str
    task: str | None
    model: str
    label: str
    calls: tuple[ToolCall, ...] = ()


def read_score(said: object) -> float | None:
    """From 0 to 1; `None` for anything that is no score."""
    if isinstance(said, bool):
        return float(said)
    if isinstance(said, int | float) and isfinite(said) and 0 <= said <= 1:
        return float(said)
    return None
