"""Training: heads for every model, the length's share, and the guard that knows what it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.training.design import Array, Design
from localfleet.training.forest import TREES, Grown, grown
from localfleet.training.homes import homes_of, reach_of
from localfleet.training.logistic import logistic, sigmoid
from localfleet.training.table import Pair, Table

__all__ = ["DEFAULT", "Fitted", "Recipe", "facts_of", "fitted"]

_MOST_Z = 3.0
_LEAST_DEVIATION = 0.05
_OUTSIDE = 0.01
_COVER_KEPT = 0.88
"""Words of a subject that training lacked cover about so much of what its own words do; another kind of task, less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training may vary; `DEFAULT` was chosen on the development sets (docs/concepts/routing-classifier.md)."""

    ridge: float = 1.0
    shape_ease: float = 0.07
    """How much cheaper a unit of shape is to the ridge than a unit of words, as a factor of its column."""
    length_share: float = 0.4
    """What the length has to say beside heads and forest, 0 to 1."""
    trees: int = TREES


DEFAULT = Recipe()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A trained classifier as arrays; `training.file` writes it, `core.routing.scorer` reads it."""

    models: tuple[str, ...]
    pair: Pair
    mean: Array
    deviation: Array
    rarity: np.ndarray
    weights: Array
    """(models, 1 + shape + columns): bias, shape in standard units, words."""
    columns: np.ndarray
    forest: Grown
    centre: float
    spread: float
    length_share: float
    homes: Array
    reach: float
    least_cover: float
    seen: np.ndarray
    """The marks of the prompts, in order."""

    def chances(self, table: Table) -> Array:
        """(prompts, models): each model's chance of a good answer, the mean of heads and forest."""
        dense = _dense(table.shape, self.mean, self.deviation)
        design = Design.of(dense, table.words, self.rarity)
        places = np.searchsorted(self.columns, design.columns)
        at = dense.shape[1]
        rows = [sigmoid(design.times(np.concatenate([row[:at], row[at:][places]]))) for row in self.weights]
        return np.asarray((np.stack(rows, axis=1) + self.forest.of(dense[:, 1:])) / 2)

    def gain(self, table: Table) -> Array:
        """The strong model's chance minus the weak one's."""
        chances = self.chances(table)
        return np.asarray(chances[:, self.pair.strong] - chances[:, self.pair.weak])

    def known(self, table: Table) -> np.ndarray:
        """Which prompts are like those of the training, in shape and in words."""
        covered = table.words.cover(self.rarity) >= self.least_cover
        near = reach_of((table.shape - self.mean) / self.deviation, self.homes) <= self.reach
        return np.asarray(near & covered, dtype=np.bool_)

    def need(self, table: Table) -> Array:
        """What `Scorer.score` squashes to a value: the mix where a prompt is known, else the length."""
        return self.needs(table, (self.length_share,))[0]

    def needs(self, table: Table, length_shares: Sequence[float]) -> list[Array]:
        """The same for several shares of the length."""
        free = (table.shape[:, 0] - self.mean[0]) / self.deviation[0]
        heads = (self.gain(table) - self.centre) / self.spread
        known, long = self.known(table), np.clip(free, -_MOST_Z, _MOST_Z)
        return [
            np.where(known, ((1 - share) * heads + share * long) / np.hypot(1 - share, share), free)
            for share in length_shares
        ]


def fitted(table: Table, pair: Pair, recipe: Recipe = DEFAULT) -> Fitted:
    """Train on a table; the same table gives the same classifier."""
    mean = table.shape.mean(axis=0)
    deviation = np.maximum(table.shape.std(axis=0), _LEAST_DEVIATION)
    rarity = table.words.rarity()
    design = Design.of(_dense(table.shape, mean, deviation), table.words, rarity)
    ridge = _ridge(design, recipe)
    weights = np.stack([logistic(design, table.scores[:, at], ridge) for at in range(len(table.models))])
    # What nobody judged, the trees take from the heads: that tells them nothing new, and keeps the other scores.
    heads = np.stack([sigmoid(design.times(row)) for row in weights], axis=1)
    known = np.where(np.isnan(table.scores), heads, table.scores)
    forest = grown(design.dense[:, 1:], known, trees=recipe.trees)
    chances = (heads + forest.of(design.dense[:, 1:])) / 2
    gain = chances[:, pair.strong] - chances[:, pair.weak]
    homes, reach = homes_of((table.shape - mean) / deviation)
    return Fitted(
        models=table.models,
        pair=pair,
        mean=mean,
        deviation=deviation,
        rarity=rarity,
        weights=weights,
        columns=design.columns,
        forest=forest,
        centre=float(gain.mean()),
        spread=float(max(gain.std(), 1e-6)),
        length_share=recipe.length_share,
        homes=homes,
        reach=reach,
        least_cover=_COVER_KEPT * float(np.quantile(table.words.cover(rarity), _OUTSIDE)),
        seen=np.unique(table.marks).astype(np.uint32),
    )


def _dense(shape: Array, mean: Array, deviation: Array) -> Array:
    standard = np.clip((shape - mean) / deviation, -_MOST_Z, _MOST_Z)
    return np.concatenate([np.ones((len(shape), 1)), standard], axis=1)


def _ridge(design: Design, recipe: Recipe) -> Array:
    ridge = np.full(design.width, float(recipe.ridge))
    ridge[0] = 1e-3
    ridge[1 : design.dense.shape[1]] /= recipe.shape_ease**2
    return ridge


def facts_of(table: Table, pair: Pair) -> Mapping[str, object]:
    """What a classifier's file says of its making."""
    return {"prompts": len(table), "weak": table.models[pair.weak], "strong": table.models[pair.strong]}
