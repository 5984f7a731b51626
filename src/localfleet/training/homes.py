"""The guard against prompts of a strange kind: centres of the training prompts' shapes, and how far one may lie."""

import numpy as np

from localfleet.training.design import Array, Places

__all__ = ["homes_of", "nearest", "reach_of", "spread_of"]

_PROMPTS_FOR_EACH = 60
_MOST_HOMES = 12
_ROUNDS = 25
_LEAST_SPREAD = 0.15
_WITHIN = 0.995
_SLACK = 1.1
_LEAST_REACH = 3.0
"""Prompts from one template lie closer to each other than the next one from it needs to."""


def nearest(standard: Array, homes: Array) -> tuple[Places, Array]:
    """Each prompt's nearest centre, and how far from it the prompt lies."""
    squares = (standard**2).sum(1)[:, None] + (homes**2).sum(1) - 2 * standard @ homes.T
    return squares.argmin(axis=1), np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0)))


def reach_of(standard: Array, homes: Array) -> Array:
    """How far each prompt lies from its nearest centre."""
    return nearest(standard, homes)[1]


def spread_of(values: Array, standard: Array, homes: Array) -> Array:
    """How much a value varies around each centre, as a deviation."""
    home, _ = nearest(standard, homes)
    count = np.maximum(np.bincount(home, minlength=len(homes)), 1)
    mean = np.bincount(home, values, minlength=len(homes)) / count
    squares = np.bincount(home, (values - mean[home]) ** 2, minlength=len(homes)) / count
    return np.asarray(np.maximum(np.sqrt(squares), _LEAST_SPREAD))


def homes_of(standard: Array) -> tuple[Array, float]:
    """Centres by k-means (started far apart, without luck), and the distance within which nearly all prompts lie."""
    count = int(np.clip(len(standard) // _PROMPTS_FOR_EACH, 1, _MOST_HOMES))
    homes = standard.mean(axis=0, keepdims=True)
    for _ in range(count - 1):
        far = reach_of(standard, homes)
        # The hundredth farthest is no freak, as the farthest may be.
        homes = np.concatenate([homes, standard[[np.argsort(far)[-1 - len(far) // 100]]]])
    for _ in range(_ROUNDS):
        squares = (homes**2).sum(1) - 2 * standard @ homes.T
        nearest = squares.argmin(axis=1)
        homes = np.stack(
            [standard[nearest == at].mean(axis=0) if (nearest == at).any() else homes[at] for at in range(len(homes))]
        )
    return homes, max(_LEAST_REACH, _SLACK * float(np.quantile(reach_of(standard, homes), _WITHIN)))
