"""Measured on what training did not see: folds at random, folds by group, each beside the length and chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from localfleet.training.design import Array, Places
from localfleet.training.measures import apgr, bootstrap, cpt
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


def held_out(table: Table, pair: Pair, folds: Iterator[Places] | Sequence[Places]) -> tuple[Array, np.ndarray]:
    """The need of each prompt, and whether it is known, by a classifier that was trained on the other folds."""
    need, known = np.zeros(len(table)), np.zeros(len(table), dtype=np.bool_)
    for fold in folds:
        found = trained(table.of(np.setdiff1d(np.arange(len(table)), fold)), pair)
        part = table.of(fold)
        need[fold], known[fold] = found.need(part), found.known(part)
    return need, known
