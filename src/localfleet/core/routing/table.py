"""
The routing table: strategies, the strongest first. Where two doors are equal to one of them, the next decides.

Compiled once when the file is read; a decision ranks the legal doors and sorts. Nothing here can name a door that it
was not given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from localfleet.core.ask import Ask
from localfleet.core.fleet import Fleet, Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import PLAIN_ROW, Asked, Row, Strategy, Trait
from localfleet.core.routing.difficulty import Signal, hardness
from localfleet.core.routing.moment import QUIET, Moment
from localfleet.core.value import value

__all__ = ["Said", "Table"]


@value
class Said:
    """What one strategy did to the order, for `explain`: each door that it moved, from and to (0 is first)."""

    strategy: str
    why: str
    moved: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`routing.order` and what it reads: signals of difficulty, the rows of tasks, the traits of models."""

    strategies: tuple[Strategy, ...] = ()
    signals: tuple[Signal, ...] = ()
    rows: Mapping[str, Row] = field(default_factory=dict)
    traits: Mapping[str, Trait] = field(default_factory=dict)
    usual_level: int = 2
    """The level where nothing says more."""
    sticky: int = 0
    """Easier requests in a row after which a conversation's level falls by one; 0: conversations are not remembered."""
    grades: bool = False
    """Whether a local model is asked for a grade before the decision."""

    def judged(self, ask: Ask, moment: Moment) -> Moment:
        """The moment with the level that the request needs: the one place where signals are asked."""
        row = self.rows.get(ask.task or "", PLAIN_ROW)
        if not self.signals and row.level is None:
            return moment
        own, why = hardness(ask, row, moment, self.signals, self.usual_level)
        stay = moment.stay
        kept = stay is not None and stay.level > own
        level, because = (stay.level, Reason.BY_SESSION) if kept and stay is not None else (own, why)
        return replace(moment, level=level, own_level=own, because=because)

    def asked(self, ask: Ask, fleet: Fleet) -> Asked:
        """The request as strategies see it."""
        row = self.rows.get(ask.task or "", PLAIN_ROW)
        return Asked(ask=ask, fleet=fleet, row=row, traits=self.traits, moment=fleet.moment or QUIET)

    def order(self, asked: Asked, doors: list[Model]) -> list[Model]:
        """The doors, sorted; those that no strategy sets apart stay as they came."""
        speaking = self._speaking(asked)
        if len(doors) < 2 or not speaking:
            return doors
        ranks = {model.name: [strategy.rank(asked, model) for strategy in speaking] for model in doors}
        return sorted(doors, key=lambda model: ranks[model.name])

    def reason(self, asked: Asked, first: Model, usual: Model) -> Reason | None:
        """The strategy that put `first` before the door that would have been first without any; `None`: they agree."""
        if first is usual:
            return None
        deciding = (one for one in self._speaking(asked) if one.rank(asked, first) < one.rank(asked, usual))
        return next((one.reason(asked) for one in deciding), None)

    def holds_volume(self, asked: Asked) -> bool:
        """Whether this is work in volume, which waits for a busy box."""
        return any(one.name == "volume" for one in self._speaking(asked))

    def said(self, asked: Asked, doors: list[Model]) -> tuple[Said, ...]:
        """What each strategy did, the weakest first, as the order came to be."""
        told, order = [], doors
        for strategy in reversed(self._speaking(asked)):
            after = sorted(order, key=lambda model: strategy.rank(asked, model))  # used at once
            moved = [(model.name, order.index(model), after.index(model)) for model in after]
            changed = tuple(move for move in moved if move[1] != move[2])
            told.append(Said(strategy=strategy.name, why=strategy.why(asked), moved=changed))
            order = after
        return tuple(reversed(told))

    def _speaking(self, asked: Asked) -> list[Strategy]:
        return [strategy for strategy in self.strategies if strategy.speaks(asked)]
