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

    A row whose target is not a number has no say.
    The first dense column should be ones: it carries the base rate, so its penalty is small.
    """
    weights = np.zeros(design.width)
    heard = (~np.isnan(target)).astype(np.float64)
    rate_of = np.nanmean(target)
    target = np.nan_to_num(target)
    rate = float(np.clip(rate_of, 0.001, 0.999))
    weights[0] = np.log(rate / (1 - rate))
    loss = _loss(design.times(weights), weights, heard, target, ridge)
    for _ in range(_STEPS):
        chance = sigmoid(design.times(weights))
        slope = design.transposed_times(heard * (chance - target)) + ridge * weights
        step = _solved(design, heard * chance * (1 - chance), ridge, -slope)
        start, way = design.times(weights), design.times(step)
        tried = [(_loss(start + x * way, weights + x * step, heard, target, ridge), x) for x in _SHARES]
        after, share = min(tried)
        weights += share * step
        if loss - after < _LITTLE * (1 + abs(after)):
            break
        loss = after
    return weights


def _loss(logits: Array, weights: Array, heard: Array, target: Array, ridge: Array) -> float:
    return float(heard @ np.logaddexp(0, logits) - target @ logits + 0.5 * (ridge @ (weights * weights)))


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
