"""How much the length should have to say beside heads and forest: measured on held-out prompts, held by a prior."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from localfleet.training.design import Array, Places
from localfleet.training.fit import DEFAULT, Fitted, Recipe, fitted
from localfleet.training.folds import by_group, by_luck
from localfleet.training.measures import apgr
from localfleet.training.table import Pair, Table

__all__ = ["trained"]

_SHARES = tuple(at / 10 for at in range(10))
_FOLDS = 3
_TREES = 30
_LEAST_GROUPS = 3
_LEAST_PROMPTS = 300
_MOST_PROMPTS = 5000
"""More are not needed for one number, and each costs time."""
_PULL = 0.15
_PROMPTS_OF_PULL = 2000
"""So many prompts are worth as much as the prior, whose width is that of the noise in APGR at this size."""


def trained(table: Table, pair: Pair) -> Fitted:
    """A classifier with the share of the length that did best on prompts, and on groups, that training did not see."""
    both = table.complete((pair.weak, pair.strong))
    if len(both) < _LEAST_PROMPTS:
        return fitted(table, pair)
    if len(both) > _MOST_PROMPTS:
        both = both.of(next(by_luck(both, folds=-(-len(both) // _MOST_PROMPTS))))
    return fitted(table, pair, replace(DEFAULT, length_share=_best(both, pair)))


def _best(table: Table, pair: Pair) -> float:
    gain = table.scores[:, pair.strong] - table.scores[:, pair.weak]
    folds = [by_luck(table, folds=_FOLDS)]
    if len(set(table.groups)) >= _LEAST_GROUPS:
        folds.append(by_group(table, folds=_FOLDS))
    found = np.mean([[apgr(said, gain) for said in _said(table, pair, parts)] for parts in folds], axis=0)
    pull = _PULL * np.sqrt(_PROMPTS_OF_PULL / len(table)) * (np.array(_SHARES) - DEFAULT.length_share) ** 2
    return _SHARES[int(np.argmax(found - pull))]


def _said(table: Table, pair: Pair, parts: Iterator[Places]) -> list[Array]:
    recipe = Recipe(trees=_TREES)
    said = [np.zeros(len(table)) for _ in _SHARES]
    for part in parts:
        rest = np.setdiff1d(np.arange(len(table)), part)
        needs = fitted(table.of(rest), pair, recipe).needs(table.of(part), _SHARES)
        for whole, need in zip(said, needs, strict=True):
            whole[part] = need
    return said
