"""One request as strategies see it, with the traits of doors that the file declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from localfleet.core.ask import Ask
from localfleet.core.fleet import Fleet, Model
from localfleet.core.reason import Reason
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.prior import NOTHING_SAID, Prior, Tally, blended
from localfleet.core.value import value

__all__ = ["PLAIN_ROW", "UNKNOWN", "Asked", "Finder", "Objective", "Row", "Strategy", "Trait"]

HARDEST = 5


class Objective(StrEnum):
    """What comes first among doors that are all good enough (S6, S36)."""

    COST = "cost"
    LATENCY = "latency"
    QUALITY = "quality"


class Finder(Protocol):
    """Words or a pattern of the operator, compiled."""

    def count(self, text: str) -> int:
        """How often they stand in a text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """
    What the file says a model is good for. `level` is the hardest work, 1 to 5; `quality` the share of answers that are
    right, by task, with `""` for any other; `priors` are published scores, by task too; `latency_ms` the aim for the
    first byte.
    """

    level: int = HARDEST
    quality: Mapping[str, float] = field(default_factory=dict)
    latency_ms: int | None = None
    objective: Objective | None = None
    priors: Mapping[str, Prior] = field(default_factory=dict)

    def known_at(self, task: str | None) -> float | Prior | None:
        """What is declared or published of a task, what is said of this very task first; `None` is unknown."""
        for name in dict.fromkeys((task or "", "")):
            for known in (self.priors.get(name), self.quality.get(name)):
                if known is not None:
                    return known
        return None


UNKNOWN = Trait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a task's row says beyond its doors. `quality` is the bar, 0 to 1."""

    quality: float | None = None
    latency_ms: int | None = None
    objective: Objective | None = None
    volume: bool = False
    level: int | None = None
    escalates: bool = True
    doors: tuple[str, ...] = ()
    words: Finder | None = None
    kind: str | None = None


PLAIN_ROW = Row()


@value
class Asked:
    """A request, once: made for each decision."""

    ask: Ask
    fleet: Fleet
    row: Row
    traits: Mapping[str, Trait]
    moment: Moment
    """What is known beside the ask."""

    @property
    def level(self) -> int | None:
        """The level that the request needs; `None` where no signal is on."""
        return self.moment.level

    @property
    def because(self) -> Reason | None:
        """Which signal said so."""
        return self.moment.because

    def trait(self, model: Model) -> Trait:
        """What the file says of a door."""
        return self.traits.get(model.name, UNKNOWN)

    def quality(self, model: Model) -> float | None:
        """The share of answers that are right at this task: as declared, or published and blended with outcomes."""
        known = self.trait(model).known_at(self.ask.task)
        if not isinstance(known, Prior):
            return known
        return blended(known, self._said(model))

    def quality_words(self, model: Model) -> str:
        """Where that figure comes from."""
        known = self.trait(model).known_at(self.ask.task)
        if not isinstance(known, Prior):
            return "unknown" if known is None else "as models.yaml says"
        said = self._said(model)
        mean = f", {said.total / said.count:.0%} right" if said.count else ""
        prior = f"prior {known.quality:.0%} from {known.source}, counted as {known.weight:g}"
        return f"{prior}; {said.count} outcomes{mean}"

    def _said(self, model: Model) -> Tally:
        outcomes = self.moment.outcomes
        return NOTHING_SAID if outcomes is None else outcomes.of(model.name, self.ask.task)


class Strategy(Protocol):
    """
    Ranks doors; it is asked about doors that the policy has found legal, and can name no other.

    `speaks` is false where it has nothing to say of this request. A rank of 0 is a door it wants; the higher, the
    later. `why` says in words what it looked at: numbers and names of the file, never text of the request.
    """

    @property
    def name(self) -> str:
        """As in `routing.order`."""
        ...

    def speaks(self, asked: Asked) -> bool:
        """Whether it has a say."""
        ...

    def rank(self, asked: Asked, model: Model) -> float:
        """Where it wants this door."""
        ...

    def reason(self, asked: Asked) -> Reason:
        """Why a door is first that it put there."""
        ...

    def why(self, asked: Asked) -> str:
        """One clause for people."""
        ...
