"""
How hard a request is, 1 to 5, and which doors are good enough for it.

Several signals may say something: words, length, context, a trained classifier, a local model's grade, the level of the
conversation so far. The highest counts, since one that is sure that work is hard beats one that saw nothing: if unsure,
route up (S29). A door is good enough where its tier's `level` is no lower; what is too weak comes after, the least weak
first. "Up" means up among the legal doors.
"""

from dataclasses import dataclass
from typing import Protocol

from localfleet.core.ask import Ask
from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked, Row
from localfleet.core.routing.moment import Moment

__all__ = ["Difficulty", "Signal", "Thresholds", "hardness"]


class Signal(Protocol):
    """One way to see how hard a request is."""

    @property
    def reason(self) -> Reason:
        """The reason of a decision that it made."""
        ...

    def level(self, ask: Ask, moment: Moment) -> int | None:
        """1 to 5, or `None` for no opinion."""
        ...


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Level -> the least figure from which on it holds, rising with the level."""

    least: tuple[tuple[int, float], ...]

    def level(self, figure: float) -> int | None:
        """The highest level whose least figure is reached."""
        reached = [level for level, least in self.least if figure >= least]
        return max(reached) if reached else None


def hardness(ask: Ask, row: Row, moment: Moment, signals: tuple[Signal, ...], usual: int) -> tuple[int, Reason | None]:
    """The highest level that anything says, and what said so; `usual` where nothing does."""
    level, because = (usual, None) if row.level is None else (row.level, Reason.TASK_RULE)
    for signal in signals:
        said = signal.level(ask, moment)
        if said is not None and said > level:
            level, because = said, signal.reason
    return level, because


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """The strategy: doors that are good enough for the level first."""

    name: str = "difficulty"

    def speaks(self, asked: Asked) -> bool:
        """A task that never escalates takes its doors as they are (S59)."""
        return asked.level is not None and asked.row.escalates

    def rank(self, asked: Asked, model: Model) -> float:
        """By how many levels the door is too weak."""
        return max((asked.level or 0) - asked.trait(model).level, 0)

    def reason(self, asked: Asked) -> Reason:
        """What the level was read from."""
        return asked.because or Reason.BY_DIFFICULTY

    def why(self, asked: Asked) -> str:
        """In words."""
        said = "nothing says that it is harder" if asked.because is None else asked.because.value.replace("_", " ")
        return f"level {asked.level} of 5, {said}; doors made for less come later"
