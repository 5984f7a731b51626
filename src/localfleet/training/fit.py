"""Training: heads and a forest for every model, and the guard that knows what it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.core.routing.blend import Blend, Kind
from localfleet.core.routing.topics import MOST_Z, TOPICS
from localfleet.training.design import Array, Design, Places
from localfleet.training.forest import TREES, Grown, grown
from localfleet.training.homes import homes_of, nearest, spread_of
from localfleet.training.logistic import logistic, sigmoid
from localfleet.training.table import Pair, Table
from localfleet.training.topics import Found, topics_of

__all__ = ["DEFAULT", "LEAST_SPREAD", "Fitted", "Recipe", "Signs", "facts_of", "fitted", "gain_of"]

_LEAST_DEVIATION = 0.05
_OUTSIDE = 0.01
LEAST_SPREAD = 1e-6
_COVER_KEPT = 0.88
"""Words of a subject that training lacked cover about so much of what its own words do; another kind of task, less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training may vary; `DEFAULT` was chosen on the development sets (docs/concepts/routing-classifier.md)."""

    ridge: float = 1.0
    shape_ease: float = 0.07
    """How much cheaper a unit of shape is to the ridge than a unit of words, as a factor of its column."""
    trees: int = TREES
    topics: int = TOPICS


DEFAULT = Recipe()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a need is made of, for each prompt; see `core.routing.blend`."""

    heads: Array
    """(prompts, models): the chances by the linear heads."""
    forest: Array
    known: np.ndarray
    cover: Array
    long: Array
    kin: Array
    home: Places

    def gain(self, pair: Pair) -> Array:
        """The strong model's chance minus the weak one's, by the mean of heads and forest."""
        return gain_of((self.heads + self.forest) / 2, pair)

    def chances(self, heads_share: float) -> Array:
        """(prompts, models): each model's chance of a good answer."""
        return np.asarray(heads_share * self.heads + (1 - heads_share) * self.forest)

    def need(self, gain: Array, blend: Blend) -> Array:
        """The need where a prompt is known, else the length."""
        usual = (self.cover - blend.strange_cover) / max(blend.usual_cover - blend.strange_cover, 1e-6)
        share = blend.strange_share + np.clip(usual, 0, 1) * (blend.length_share - blend.strange_share)
        rest = 1 - share
        own = self._within((gain - blend.centre) / blend.spread, blend.kinds)
        mixed = (rest * own + share * self.long) / np.hypot(rest, share)
        return np.where(self.known, mixed, self.long)

    def _within(self, own: Array, kinds: Sequence[Kind]) -> Array:
        """`Kind.within` of many prompts."""
        if not kinds:
            return own
        rows = np.array([(kind.mean, kind.spread, kind.length_share) for kind in kinds])
        mean, spread, share = rows[self.home].T
        return np.asarray(mean + (1 - share) * (own - mean) + share * spread * self.kin)


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
    topics: Found
    forest: Grown
    blend: Blend
    homes: Array
    home_spread: Array
    """How much the length varies around each home."""
    reach: float
    least_cover: float
    seen: np.ndarray
    """The marks of the prompts, in order."""

    def signs(self, table: Table) -> Signs:
        """Everything that it sees in some prompts."""
        dense = _dense(table.shape, self.mean, self.deviation)
        design = Design.of(dense, table.words, self.rarity)
        places = np.searchsorted(self.columns, design.columns)
        at = dense.shape[1]
        rows = [sigmoid(design.times(np.concatenate([row[:at], row[at:][places]]))) for row in self.weights]
        long, home, kin, far = self.among_homes(table)
        cover = table.words.cover(self.rarity)
        topics = self.topics.of(design, self.columns)
        return Signs(
            heads=np.stack(rows, axis=1),
            forest=self.forest.of(np.concatenate([dense[:, 1:], topics], axis=1)),
            known=np.asarray((far <= self.reach) & (cover >= self.least_cover), dtype=np.bool_),
            cover=cover,
            long=long,
            kin=kin,
            home=home,
        )

    def among_homes(self, table: Table) -> tuple[Array, Places, Array, Array]:
        """For each prompt its length in standard units, its home, the length among that home's, the distance to it."""
        free = (table.shape - self.mean) / self.deviation
        home, far = nearest(free, self.homes)
        kin = np.clip((free[:, 0] - self.homes[home, 0]) / self.home_spread[home], -MOST_Z, MOST_Z)
        return free[:, 0], home, kin, far

    def chances(self, table: Table) -> Array:
        """(prompts, models): each model's chance of a good answer."""
        return self.signs(table).chances(self.blend.heads_share)

    def gain(self, table: Table) -> Array:
        """The strong model's chance minus the weak one's."""
        return self.signs(table).gain(self.pair)

    def known(self, table: Table) -> np.ndarray:
        """Which prompts are like those of the training, in shape and in words."""
        return self.signs(table).known

    def need(self, table: Table) -> Array:
        """What `Scorer.score` squashes to a value: the mix where a prompt is known, else the length."""
        signs = self.signs(table)
        return signs.need(signs.gain(self.pair), self.blend)


def gain_of(chances: Array, pair: Pair) -> Array:
    """The strong model's chance minus the weak one's, or the same of scores."""
    return np.asarray(chances[:, pair.strong] - chances[:, pair.weak])


def fitted(table: Table, pair: Pair, recipe: Recipe = DEFAULT) -> Fitted:
    """Train on a table; the same table gives the same classifier. Its blend is the usual one, nothing is measured."""
    mean = table.shape.mean(axis=0)
    deviation = np.maximum(table.shape.std(axis=0), _LEAST_DEVIATION)
    rarity = table.words.rarity()
    design = Design.of(_dense(table.shape, mean, deviation), table.words, rarity)
    ridge = _ridge(design, recipe)
    weights = np.stack([logistic(design, table.scores[:, at], ridge) for at in range(len(table.models))])
    # What nobody judged, the trees take from the heads: that tells them nothing new, and keeps the other scores.
    heads = np.stack([sigmoid(design.times(row)) for row in weights], axis=1)
    known = np.where(np.isnan(table.scores), heads, table.scores)
    topics = topics_of(design, count=recipe.topics)
    read = np.concatenate([design.dense[:, 1:], topics.of(design, design.columns)], axis=1)
    forest = grown(read, known, trees=recipe.trees)
    free = (table.shape - mean) / deviation
    homes, reach = homes_of(free)
    return Fitted(
        models=table.models,
        pair=pair,
        mean=mean,
        deviation=deviation,
        rarity=rarity,
        weights=weights,
        columns=design.columns,
        topics=topics,
        forest=forest,
        blend=_usual(gain_of((heads + forest.of(read)) / 2, pair)),
        homes=homes,
        home_spread=spread_of(free[:, 0], free, homes),
        reach=reach,
        least_cover=_COVER_KEPT * float(np.quantile(table.words.cover(rarity), _OUTSIDE)),
        seen=np.unique(table.marks).astype(np.uint32),
    )


def _usual(gain: Array) -> Blend:
    return Blend(centre=float(gain.mean()), spread=float(max(gain.std(), LEAST_SPREAD)))


def _dense(shape: Array, mean: Array, deviation: Array) -> Array:
    standard = np.clip((shape - mean) / deviation, -MOST_Z, MOST_Z)
    return np.concatenate([np.ones((len(shape), 1)), standard], axis=1)


def _ridge(design: Design, recipe: Recipe) -> Array:
    ridge = np.full(design.width, float(recipe.ridge))
    ridge[0] = 1e-3
    ridge[1 : design.dense.shape[1]] /= recipe.shape_ease**2
    return ridge


def facts_of(table: Table, pair: Pair) -> Mapping[str, object]:
    """What a classifier's file says of its making."""
    return {"prompts": len(table), "weak": table.models[pair.weak], "strong": table.models[pair.strong]}
