"""Measured on what training did not see: folds at random, folds by group, each beside the length and chance."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.training.design import Array, Places
from localfleet.training.fit import DEFAULT, Fitted, Recipe, fitted
from localfleet.training.measures import apgr, bootstrap, cpt
from localfleet.training.table import Pair, Table

__all__ = ["Measured", "by_group", "by_luck", "held_out", "measured"]

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One router on one set of prompts."""

    router: str
    prompts: int
    apgr: float
    low: float
    high: float
    cpt50: float
    cpt80: float


def measured(router: str, score: Array, gain: Array) -> Measured:
    """APGR with its 95 % interval, CPT(50 %), CPT(80 %)."""
    low, high = bootstrap(score, gain)
    return Measured(
        router=router,
        prompts=len(gain),
        apgr=apgr(score, gain),
        low=low,
        high=high,
        cpt50=cpt(score, gain, 0.5),
        cpt80=cpt(score, gain, 0.8),
    )


def by_luck(table: Table, *, seed: int = 0) -> Iterator[Places]:
    """Five folds at random."""
    order = np.random.default_rng(seed).permutation(len(table))
    return (np.sort(order[at::FOLDS]) for at in range(FOLDS))


def by_group(table: Table, *, seed: int = 0) -> Iterator[Places]:
    """Five folds that each hold whole groups (subjects, tasks): prompts of a kind that training never saw."""
    names = sorted(set(table.groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[name]: at % FOLDS for at, name in enumerate(order)}
    folds = np.array([fold_of[group] for group in table.groups])
    return (np.flatnonzero(folds == at) for at in range(FOLDS) if (folds == at).any())


def held_out(
    table: Table,
    pair: Pair,
    folds: Iterator[Places] | Sequence[Places],
    recipe: Recipe = DEFAULT,
    read: Callable[[Fitted, Table], Array] = Fitted.need,
) -> Array:
    """What a classifier says of each prompt that was trained on the other folds."""
    said = np.zeros(len(table))
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(table)), fold)
        said[fold] = read(fitted(table.of(rest), pair, recipe), table.of(fold))
    return said
