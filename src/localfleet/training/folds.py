"""Parts of a training set to measure on: at random, or whole groups, so that training never saw the kind."""

from collections.abc import Iterator

import numpy as np

from localfleet.training.design import Places
from localfleet.training.table import Table

__all__ = ["by_group", "by_luck"]

FOLDS = 5


def by_luck(table: Table, *, folds: int = FOLDS, seed: int = 0) -> Iterator[Places]:
    """Folds at random."""
    order = np.random.default_rng(seed).permutation(len(table))
    return (np.sort(order[at::folds]) for at in range(folds))


def by_group(table: Table, *, folds: int = FOLDS, seed: int = 0) -> Iterator[Places]:
    """Folds that each hold whole groups (subjects, tasks)."""
    names = sorted(set(table.groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[name]: at % folds for at, name in enumerate(order)}
    where = np.array([fold_of[group] for group in table.groups])
    return (np.flatnonzero(where == at) for at in range(folds) if (where == at).any())
