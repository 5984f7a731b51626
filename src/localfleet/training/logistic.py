"""Logistic regression with a ridge: Newton's method, its steps by conjugate gradients; convex, so no luck."""

import numpy as np

from localfleet.training.design import Array, Design

__all__ = ["logistic", "sigmoid"]

_STEPS = 12
_INNER = 25
_ENOUGH = 1e-2
_LITTLE = 1e-5
_SHARES = (1.0, 0.5, 0.25, 0.06, 0.0)


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))


def logistic(design: Design, target: Array, ridge: Array) -> Array:
    """
    The weights that fit chances to `target` (0 to 1 for each row), one penalty for each column.

    The first dense column should be ones: it carries the base rate, so its penalty is small.
    """
    weights = np.zeros(design.width)
    rate = float(np.clip(target.mean(), 0.001, 0.999))
    weights[0] = np.log(rate / (1 - rate))
    loss = _loss(design.times(weights), weights, target, ridge)
    for _ in range(_STEPS):
        chance = sigmoid(design.times(weights))
        slope = design.transposed_times(chance - target) + ridge * weights
        step = _solved(design, chance * (1 - chance), ridge, -slope)
        weights, after = _along(design, weights, step, target, ridge)
        if loss - after < _LITTLE * (1 + abs(after)):
            break
        loss = after
    return weights


def _loss(logits: Array, weights: Array, target: Array, ridge: Array) -> float:
    return float(np.logaddexp(0, logits).sum() - target @ logits + 0.5 * (ridge @ (weights * weights)))


def _along(design: Design, weights: Array, step: Array, target: Array, ridge: Array) -> tuple[Array, float]:
    """The best of a few lengths of a step, and the loss there."""
    start, way = design.times(weights), design.times(step)
    tried = [(_loss(start + share * way, weights + share * step, target, ridge), share) for share in _SHARES]
    loss, share = min(tried)
    return weights + share * step, loss


def _solved(design: Design, curve: Array, ridge: Array, right: Array) -> Array:
    """Conjugate gradients for (X' diag(curve) X + diag(ridge)) x = right."""
    answer = np.zeros_like(right)
    rest, way = right.copy(), right.copy()
    size = first = float(rest @ rest)
    for _ in range(_INNER):
        if size <= _ENOUGH * _ENOUGH * first or size == 0:
            break
        pushed = design.transposed_times(curve * design.times(way)) + ridge * way
        share = size / float(way @ pushed)
        answer += share * way
        rest -= share * pushed
        size, old = float(rest @ rest), size
        way = rest + (size / old) * way
    return answer
