"""A training set as arrays, and parts of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.errors import FleetError
from localfleet.training.design import Array, Places, Words, gathered
from localfleet.training.labelled import Labelled

__all__ = ["LEAST_PROMPTS", "Pair", "Table", "pair_of", "tabled"]

LEAST_PROMPTS = 50
LEAST_OF_A_MODEL = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    Prompts in rows: shape (prompts, features), words, scores (prompts, models), their cost in USD, their groups.

    A score is not a number where nobody knows how that model would have done.
    """

    shape: Array
    words: Words
    models: tuple[str, ...]
    scores: Array
    cost_usd: Array
    groups: Sequence[str]
    marks: np.ndarray
    levels: Array
    """(prompts,): what an operator's own words say of each; nothing but a comparison reads it."""

    def of(self, chosen: Places) -> "Table":
        """Some of the prompts."""
        return Table(
            shape=self.shape[chosen],
            words=self.words.of(chosen),
            models=self.models,
            scores=self.scores[chosen],
            cost_usd=self.cost_usd[chosen],
            groups=[self.groups[at] for at in chosen],
            marks=self.marks[chosen],
            levels=self.levels[chosen],
        )

    def complete(self, models: Sequence[int]) -> "Table":
        """The prompts on which all of these models were judged."""
        return self.of(np.flatnonzero(~np.isnan(self.scores[:, list(models)]).any(axis=1)))

    def __len__(self) -> int:
        """How many prompts there are."""
        return len(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Which two models a need is about, as columns of the table."""

    weak: int
    strong: int


def tabled(rows: Iterable[Labelled]) -> Table:
    """Put prompts into arrays; models are those that enough rows judge. Raises `FleetError` where too few are left."""
    kept = list(rows)
    if len(kept) < LEAST_PROMPTS:
        raise FleetError(f"{len(kept)} labelled prompts are too few to train on; give at least {LEAST_PROMPTS}")
    judged = Counter(model for row in kept for model in row.scores)
    models = tuple(model for model, count in judged.items() if count >= LEAST_OF_A_MODEL)
    kept = [row for row in kept if any(model in row.scores for model in models)]
    if len(models) < 2:
        raise FleetError(f"fewer than two models are judged on {LEAST_OF_A_MODEL} lines or more; give more of each")
    costs = [[row.cost_usd.get(model, np.nan) for model in models] for row in kept]
    return Table(
        shape=np.array([row.shape for row in kept], dtype=np.float64),
        words=gathered([row.words for row in kept]),
        models=models,
        scores=np.array([[row.scores.get(model, np.nan) for model in models] for row in kept], dtype=np.float64),
        cost_usd=np.array(costs, dtype=np.float64),
        groups=[row.group for row in kept],
        marks=np.array([row.mark for row in kept], dtype=np.uint32),
        levels=np.array([row.level for row in kept], dtype=np.float64),
    )


def pair_of(table: Table, weak: str | None = None, strong: str | None = None) -> Pair:
    """
    The two models that are meant: as named, else `weak` and `strong`, else the best and the cheapest (or worst).

    Raises `FleetError` for a name that the data lacks, and where the strong model is not the better one.
    """
    mean = np.nanmean(table.scores, axis=0)
    cost = table.cost_usd.mean(axis=0)
    dear = mean if np.isnan(cost).any() else cost
    chosen = Pair(
        weak=_column(table, weak or "weak", fallback=int(np.argmin(dear)), asked=weak is not None),
        strong=_column(table, strong or "strong", fallback=int(np.argmax(mean)), asked=strong is not None),
    )
    if mean[chosen.strong] <= mean[chosen.weak]:
        names = table.models[chosen.strong], table.models[chosen.weak]
        raise FleetError(f"{names[0]} is not better than {names[1]} on this data; there is nothing to route by")
    return chosen


def _column(table: Table, name: str, *, fallback: int, asked: bool) -> int:
    if name in table.models:
        return table.models.index(name)
    if asked:
        raise FleetError(f"no model {name} in the data; it has {', '.join(table.models)}")
    return fallback
