"""
What heads, forest and length should each have to say, measured on prompts that training held out.

The length keeps its say until the classifier has earned it: among the shares that do as well as the best within the
noise, the greatest is taken, and the less the classifier leads the length, in units of the noise, the nearer to all. So
one that learned little orders prompts by length, also where it is asked about what it never saw.

What is never seen is measured on groups held out. Their share counts where words tell such a prompt from a usual one;
where they do not, most prompts that look strange are usual. Data without groups says nothing of what it never saw:
there the length orders the prompts of each kind (around each home) until the classifier has earned that order too.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from localfleet.core.routing.blend import Blend, Kind
from localfleet.training.design import Array, Places
from localfleet.training.fit import LEAST_SPREAD, Fitted, Recipe, Signs, fitted, gain_of
from localfleet.training.folds import by_group, by_luck
from localfleet.training.measures import apgr, pulls
from localfleet.training.table import Pair, Table

__all__ = ["trained"]

_SHARES = tuple(at / 10 for at in range(11))
_FOLDS = 3
_FOLDS_OF_FEW = 5
_FEW_PROMPTS = 3000
"""Where prompts are few, a third less of them is a much weaker classifier than the one that is measured for."""
_TREES = 40
_LEAST_GROUPS = 3
_LEAST_PROMPTS = 150
_MOST_PROMPTS = 6000
"""More are not needed for three numbers, and each costs time."""
_AS_GOOD = 0.5
"""In standard errors of the difference."""
_RARE_COVER = 0.1
"""Nine of ten usual prompts have words that are as well known as that."""
_COVER_STEP = 0.03
_EARNED_KIND = 3.0
"""In standard errors of the lead over the length: there are up to twelve kinds, one of them leads by luck."""


def trained(table: Table, pair: Pair) -> Fitted:
    """A classifier with the shares that did best on prompts, and on groups, that training did not see."""
    found = fitted(table, pair)
    both = table.complete((pair.weak, pair.strong))
    if len(both) < _LEAST_PROMPTS or gain_of(both.scores, pair).sum() <= 0:
        return found
    if len(both) > _MOST_PROMPTS:
        both = both.of(next(by_luck(both, folds=-(-len(both) // _MOST_PROMPTS))))
    return replace(found, blend=_measured(both, found))


def _measured(table: Table, found: Fitted) -> Blend:
    pair, folds = found.pair, _FOLDS_OF_FEW if len(table) < _FEW_PROMPTS else _FOLDS
    luck = _held_out(table, pair, by_luck(table, folds=folds))
    gain, real = luck.gain(pair), gain_of(table.scores, pair)
    usual_cover = float(np.quantile(luck.cover, _RARE_COVER))
    blend = Blend(
        heads_share=_heads_share(table, luck),
        centre=float(gain.mean()),
        spread=float(max(gain.std(), LEAST_SPREAD)),
        usual_cover=usual_cover,
        strange_cover=usual_cover - _COVER_STEP,
    )
    usual = _length_share(luck, real, pair, blend)
    blend = replace(blend, length_share=usual, strange_share=usual)
    if len(set(table.groups)) < _LEAST_GROUPS:
        return replace(blend, kinds=_kinds((gain - blend.centre) / blend.spread, real, table, found))
    apart = _held_out(table, pair, by_group(table, folds=folds))
    more = max(0.0, _length_share(apart, real, pair, blend) - usual)
    return replace(
        blend,
        strange_cover=min(blend.strange_cover, float(np.median(apart.cover))),
        strange_share=usual + more * _told_apart(luck.cover, apart.cover),
    )


def _told_apart(usual: Array, strange: Array) -> float:
    """0 where words of a strange group are as well known as any, 1 where they tell three pairs of four apart."""
    rank = np.argsort(np.argsort(np.concatenate([strange, usual]), kind="stable"), kind="stable")
    above = (rank[len(strange) :].mean() - (len(usual) - 1) / 2) / len(strange)
    return float(np.clip(2 * (2 * above - 1), 0, 1))


def _kinds(own: Array, gain: Array, table: Table, found: Fitted) -> tuple[Kind, ...]:
    """How the classifier's opinion lies around each home, and what of the order there is the length's."""
    long, homes, _, _ = found.among_homes(table)
    kinds = []
    for home in range(len(found.homes)):
        here = homes == home
        if not here.any():
            kinds.append(Kind(mean=0.0, spread=0.0, length_share=1.0))
            continue
        lead = gain[here] * (_rank(own[here]) - _rank(long[here]))
        noise = max(float(lead.std() / np.sqrt(here.sum())), LEAST_SPREAD)
        earned = float(np.clip(lead.mean() / noise / _EARNED_KIND, 0, 1))
        kinds.append(Kind(mean=float(own[here].mean()), spread=float(own[here].std()), length_share=1 - earned))
    return tuple(kinds)


def _rank(values: Array) -> Array:
    """0 to 1."""
    return np.asarray(np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values))


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
        home=np.concatenate([one.home for one in signs])[order],
    )
