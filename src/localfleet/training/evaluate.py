"""Measured on what training did not see: folds at random, folds by group, each beside the length and chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.training.design import Array, Places
from localfleet.training.measures import apgr, bootstrap, cpt, sides
from localfleet.training.share import trained
from localfleet.training.table import Pair, Table

__all__ = ["Measured", "held_out", "measured"]


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
    accuracy: float
    """As the articles mean it: the share of prompts on the right side, where as many are sent up as belong there."""
    accuracy_low: float
    accuracy_high: float
    never: float
    """The accuracy of sending none up."""
    auc: float
    """The chance that of two prompts the one that belongs up scores higher."""
    auc_low: float
    auc_high: float


def measured(router: str, score: Array, gain: Array) -> Measured:
    """APGR, accuracy and AUC with their 95 % intervals, CPT(50 %), CPT(80 %)."""
    low, high = bootstrap(score, gain)
    return Measured(
        router=router,
        prompts=len(gain),
        apgr=apgr(score, gain),
        low=low,
        high=high,
        cpt50=cpt(score, gain, 0.5),
        cpt80=cpt(score, gain, 0.8),
        **sides(score, gain),
    )


def held_out(table: Table, pair: Pair, folds: Iterator[Places] | Sequence[Places]) -> tuple[Array, np.ndarray]:
    """The need of each prompt, and whether it is known, by a classifier that was trained on the other folds."""
    need, known = np.zeros(len(table)), np.zeros(len(table), dtype=np.bool_)
    for fold in folds:
        found = trained(table.of(np.setdiff1d(np.arange(len(table)), fold)), pair)
        part = table.of(fold)
        need[fold], known[fold] = found.need(part), found.known(part)
    return need, known
