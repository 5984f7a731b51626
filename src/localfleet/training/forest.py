"""Growing the forest: extremely randomised trees (Geurts, Ernst and Wehenkel 2006), seeded, so without luck."""

from dataclasses import dataclass, field

import numpy as np

from localfleet.core.routing.forest import LEAF
from localfleet.training.design import Array, Places

__all__ = ["Grown", "grown"]

TREES = 80
_FEATURES_TRIED = 15
_LEAST_IN_LEAF = 15
_MOST_LEAVES = 400
_DEEPEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A forest as arrays, in the order that `core.routing.forest.Forest` walks."""

    roots: list[int]
    feature: np.ndarray
    threshold: np.ndarray
    jump: np.ndarray
    chances: Array
    """(leaves, models)."""

    def of(self, shape: Array) -> Array:
        """(prompts, models): each model's chance, the mean over the trees."""
        total = np.zeros((len(shape), self.chances.shape[1]))
        every = np.arange(len(shape))
        for root in self.roots:
            at = np.full(len(shape), root)
            while (open_ := self.feature[at] != LEAF).any():
                node, row = at[open_], every[open_]
                left = shape[row, self.feature[node]] <= self.threshold[node]
                at[open_] = np.where(left, node + 1, self.jump[node])
            total += self.chances[self.jump[at]]
        return total / len(self.roots)


def grown(shape: Array, scores: Array, *, trees: int = TREES, seed: int = 0) -> Grown:
    """Grow a forest on standardised shapes (prompts, features) and scores (prompts, models)."""
    growth = _Growth(
        # Thresholds are kept in 32 bits, so they are compared in 32 bits from the start.
        shape=shape.astype(np.float32).astype(np.float64),
        scores=scores,
        least=max(_LEAST_IN_LEAF, len(shape) // _MOST_LEAVES),
        random=np.random.default_rng(seed),
    )
    roots = []
    for _ in range(trees):
        roots.append(len(growth.nodes))
        growth.grow(np.arange(len(shape)))
    feature, threshold, jump = zip(*growth.nodes, strict=True)
    return Grown(
        roots=roots,
        feature=np.array(feature, dtype=np.uint8),
        threshold=np.array(threshold, dtype=np.float32),
        jump=np.array(jump, dtype=np.int32),
        chances=np.round(np.array(growth.leaves) * 255) / 255,
    )


@dataclass(slots=True, kw_only=True)
class _Growth:
    """A forest under way."""

    shape: Array
    scores: Array
    least: int
    random: np.random.Generator
    nodes: list[tuple[int, float, int]] = field(default_factory=list)
    leaves: list[Array] = field(default_factory=list)

    def grow(self, rows: Places, depth: int = 0) -> None:
        """Add a tree for these prompts: its node, then its left branch, then its right one."""
        split = _split(self.shape[rows], self.scores[rows], self.least, self.random) if depth < _DEEPEST else None
        if split is None:
            self.nodes.append((LEAF, 0.0, len(self.leaves)))
            self.leaves.append(self.scores[rows].mean(axis=0))
            return
        feature, threshold, left = split
        at = len(self.nodes)
        self.nodes.append((feature, threshold, 0))
        self.grow(rows[left], depth + 1)
        self.nodes[at] = (feature, threshold, len(self.nodes))
        self.grow(rows[~left], depth + 1)


def _split(
    shape: Array, scores: Array, least: int, random: np.random.Generator
) -> tuple[int, float, np.ndarray] | None:
    """The best of a few random cuts: the one after which the scores vary least; `None` where no cut is allowed."""
    if len(shape) < 2 * least:
        return None
    tried = random.permutation(shape.shape[1])[:_FEATURES_TRIED]
    low, high = shape[:, tried].min(axis=0), shape[:, tried].max(axis=0)
    cuts = (low + random.random(len(tried)) * (high - low)).astype(np.float32).astype(np.float64)
    left = shape[:, tried] <= cuts
    count = left.sum(axis=0)
    rest = len(shape) - count
    allowed = (count >= least) & (rest >= least)
    if not allowed.any():
        return None
    here = left.T.astype(np.float64) @ scores
    there = scores.sum(axis=0) - here
    worth = (here**2).sum(1) / np.maximum(count, 1) + (there**2).sum(1) / np.maximum(rest, 1)
    best = int(np.argmax(np.where(allowed, worth, -np.inf)))
    return int(tried[best]), float(cuts[best]), left[:, best]
