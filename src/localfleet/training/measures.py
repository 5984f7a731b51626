"""
How well a score orders prompts: PGR, APGR and CPT as in RouteLLM (arXiv 2406.18665), with intervals.

PGR(share of strong calls) = (quality - weak's) / (strong's - weak's); APGR is its mean over the shares, 0.5 for a
random order; CPT(x) is the share of strong calls that PGR x needs.
"""

import numpy as np

from localfleet.training.design import Array

__all__ = ["apgr", "bootstrap", "cpt", "pgr", "pulls"]


def pgr(score: Array, gain: Array) -> Array:
    """PGR at 0, 1, ... n strong calls, the highest scores first; ties share what they gain."""
    order = np.argsort(-score, kind="stable")
    _, group, sizes = np.unique(-score[order], return_inverse=True, return_counts=True)
    even = (np.bincount(group, gain[order]) / sizes)[group]
    return np.asarray(np.concatenate([[0.0], np.cumsum(even)]) / gain.sum())


def apgr(score: Array, gain: Array) -> float:
    """The mean of PGR over all shares; `gain` is the strong model's score minus the weak one's."""
    curve = pgr(score, gain)
    return float((curve[1:] + curve[:-1]).mean() / 2)


def pulls(score: Array, gain: Array) -> Array:
    """What each prompt adds to APGR, which is nearly their mean: its gain by its rank, in units of the mean gain."""
    rank = np.argsort(np.argsort(score, kind="stable")) / len(score)
    return np.asarray(gain * rank / gain.mean())


def cpt(score: Array, gain: Array, level: float) -> float:
    """The smallest share of strong calls that reaches PGR `level`."""
    curve = pgr(score, gain)
    return float(np.argmax(curve >= level) / (len(curve) - 1))


def bootstrap(score: Array, gain: Array, *, rounds: int = 1000, seed: int = 0) -> tuple[float, float]:
    """A 95 % interval of APGR by resampling prompts; samples without any gain are left out."""
    random = np.random.default_rng(seed)
    draws = (random.integers(0, len(gain), len(gain)) for _ in range(rounds))
    found = [apgr(score[draw], gain[draw]) for draw in draws if gain[draw].sum() > 0]
    low, high = np.quantile(found, [0.025, 0.975]) if found else (float("nan"), float("nan"))
    return float(low), float(high)
