"""
What heads, forest and length should each have to say, measured on prompts that training held out.

The length keeps its say until the classifier has earned it: among the shares that do as well as the best within the
noise, the greatest is taken, and the less the classifier leads the length, in units of the noise, the nearer to all. So
one that learned little orders prompts by length, also where it is asked about what it never saw.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from localfleet.core.routing.blend import Blend
from localfleet.training.design import Array, Places
from localfleet.training.fit import LEAST_SPREAD, Fitted, Recipe, Signs, fitted, gain_of
from localfleet.training.folds import by_group, by_luck
from localfleet.training.measures import apgr, pulls
from localfleet.training.table import Pair, Table

__all__ = ["trained"]

_SHARES = tuple(at / 10 for at in range(11))
_FOLDS = 3
_TREES = 40
_LEAST_GROUPS = 3
_LEAST_PROMPTS = 150
_MOST_PROMPTS = 6000
"""More are not needed for three numbers, and each costs time."""
_AS_GOOD = 0.5
"""In standard errors of the difference."""
_KIN_SHARE = 0.35
"""Where the data names no groups, nothing can be measured on a kind never seen; this much is the length's for sure."""


def trained(table: Table, pair: Pair) -> Fitted:
    """A classifier with the shares that did best on prompts, and on groups, that training did not see."""
    both = table.complete((pair.weak, pair.strong))
    if len(both) < _LEAST_PROMPTS or gain_of(both.scores, pair).sum() <= 0:
        return fitted(table, pair)
    if len(both) > _MOST_PROMPTS:
        both = both.of(next(by_luck(both, folds=-(-len(both) // _MOST_PROMPTS))))
    return fitted(table, pair, blend=_measured(both, pair))


def _measured(table: Table, pair: Pair) -> Blend:
    luck = _held_out(table, pair, by_luck(table, folds=_FOLDS))
    heads_share = _heads_share(table, luck)
    gain, real = luck.gain(pair), gain_of(table.scores, pair)
    grouped = len(set(table.groups)) >= _LEAST_GROUPS
    blend = Blend(
        heads_share=heads_share,
        kin_share=0.0 if grouped else _KIN_SHARE,
        centre=float(gain.mean()),
        spread=float(max(gain.std(), LEAST_SPREAD)),
        usual_cover=float(np.median(luck.cover)),
        strange_cover=float(np.median(luck.cover)),
    )
    usual = strange = _length_share(luck, real, pair, blend)
    if grouped:
        apart = _held_out(table, pair, by_group(table, folds=_FOLDS))
        strange = max(usual, _length_share(apart, real, pair, blend))
        blend = replace(blend, strange_cover=float(np.median(apart.cover)))
    return replace(blend, length_share=usual, strange_share=strange)


def _heads_share(table: Table, luck: Signs) -> float:
    """
    The share with which held-out chances lie nearest to the scores, by least squares.

    What all models have in common is left out: a choice between models does not depend on it.
    """
    scored = ~np.isnan(table.scores).any(axis=0)
    heads, forest, scores = (
        part[:, scored] - part[:, scored].mean(axis=1, keepdims=True)
        for part in (luck.heads, luck.forest, table.scores)
    )
    apart = heads - forest
    return float(np.clip((apart * (scores - forest)).sum() / max(float((apart**2).sum()), LEAST_SPREAD), 0, 1))


def _length_share(signs: Signs, gain: Array, pair: Pair, blend: Blend) -> float:
    """The greatest share that does as well as the best, and more where its lead over the length is within the noise."""
    own = signs.gain(pair)
    needs = [signs.need(own, replace(blend, length_share=share, strange_share=share)) for share in _SHARES]
    found = np.array([apgr(need, gain) for need in needs])
    pulled = np.stack([pulls(need, gain) for need in needs])
    best = int(np.argmax(found))
    noise = (pulled[best] - pulled).std(axis=1) / np.sqrt(len(gain))
    share = max(share for at, share in enumerate(_SHARES) if found[at] >= found[best] - _AS_GOOD * noise[at])
    earned = min(1.0, (found[best] - found[-1]) / max(float(noise[-1]), LEAST_SPREAD))
    return float(1 - (1 - share) * earned)


def _held_out(table: Table, pair: Pair, parts: Iterator[Places]) -> Signs:
    """The signs of every prompt by a classifier that was trained on the other parts."""
    every = np.arange(len(table))
    found = [(part, fitted(table.of(np.setdiff1d(every, part)), pair, Recipe(trees=_TREES))) for part in parts]
    order = np.argsort(np.concatenate([part for part, _ in found]))
    signs = [one.signs(table.of(part)) for part, one in found]
    return Signs(
        heads=np.concatenate([one.heads for one in signs])[order],
        forest=np.concatenate([one.forest for one in signs])[order],
        known=np.concatenate([one.known for one in signs])[order],
        cover=np.concatenate([one.cover for one in signs])[order],
        long=np.concatenate([one.long for one in signs])[order],
        kin=np.concatenate([one.kin for one in signs])[order],
    )
