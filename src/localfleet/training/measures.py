"""
How well a score orders prompts: PGR, APGR and CPT as in RouteLLM (arXiv 2406.18665), with intervals.

PGR(share of strong calls) = (quality - weak's) / (strong's - weak's); APGR is its mean over the shares, 0.5 for a
random order; CPT(x) is the share of strong calls that PGR x needs.
"""

import numpy as np

from localfleet.training.design import Array

__all__ = ["apgr", "bootstrap", "cpt", "interval_of_auc", "interval_of_share", "pgr", "pulls", "sides"]

_Z = 1.96


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


def sides(score: Array, gain: Array) -> dict[str, float]:
    """
    Is a prompt put on the right side: to the strong model where it is the better one, else to the weak one?

    As many prompts are sent up as belong there. Ties count half in the AUC, and by their share in the accuracy.
    """
    needs = gain > 0
    ups, downs = int(needs.sum()), int((~needs).sum())
    edge = np.sort(score)[::-1][ups - 1] if ups else np.inf
    over, tied = score > edge, score == edge
    chance = (ups - over.sum()) / max(int(tied.sum()), 1)
    hits = float((over & needs).sum() + chance * (tied & needs).sum())
    accuracy = (downs - ups + 2 * hits) / len(gain)
    _, place, sizes = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(sizes) - (sizes + 1) / 2)[place]
    pairs = max(ups * downs, 1)
    auc = float((rank[needs].sum() - ups * (ups - 1) / 2) / pairs) if ups and downs else 0.5
    low, high = interval_of_share(accuracy, len(gain))
    auc_low, auc_high = interval_of_auc(auc, ups, downs)
    return {
        "accuracy": float(accuracy),
        "accuracy_low": low,
        "accuracy_high": high,
        "never": downs / len(gain),
        "auc": auc,
        "auc_low": auc_low,
        "auc_high": auc_high,
    }


def interval_of_share(share: float, count: int) -> tuple[float, float]:
    """A 95 % interval of a share (Wilson 1927)."""
    middle = (share + _Z * _Z / (2 * count)) / (1 + _Z * _Z / count)
    half = _Z * np.sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count)) / (1 + _Z * _Z / count)
    return float(middle - half), float(middle + half)


def interval_of_auc(auc: float, ups: int, downs: int) -> tuple[float, float]:
    """A 95 % interval of an AUC over so many prompts that belong up and down (Hanley and McNeil 1982)."""
    if not (ups and downs):
        return 0.0, 1.0
    both_up, both_down = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    varies = auc * (1 - auc) + (ups - 1) * (both_up - auc * auc) + (downs - 1) * (both_down - auc * auc)
    half = _Z * float(np.sqrt(max(varies, 0.0) / (ups * downs)))
    return max(0.0, auc - half), min(1.0, auc + half)
