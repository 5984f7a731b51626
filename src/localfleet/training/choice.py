"""Choosing one model of many: what the choice scores beside the best single model, and what it saves."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from localfleet.training.design import Array, Places
from localfleet.training.share import trained
from localfleet.training.table import Pair, Table

__all__ = ["chances_held_out", "cheapest_kept", "choice_rows", "chosen"]

_ROUNDS = 1000
_MARGIN = 0.3
"""In standard errors of the quality that is kept."""
_PRICES = np.concatenate([[0.0], np.geomspace(0.01, 1e6, 161)])
"""What a unit of score may be worth, in reciprocal USD."""


def chances_held_out(table: Table, pair: Pair, folds: Iterator[Places] | Sequence[Places]) -> Array:
    """(prompts, models): each model's chance by a classifier that was trained on the other folds."""
    chances = np.zeros(table.scores.shape)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(table)), fold)
        chances[fold] = trained(table.of(rest), pair).chances(table.of(fold))
    return chances


def chosen(table: Table, models: Places) -> Array:
    """The score of each prompt at the model that was chosen for it."""
    return np.asarray(table.scores[np.arange(len(table)), models])


def choice_rows(table: Table, chances: Array) -> list[dict[str, Any]]:
    """The mean score of the likeliest model, of the best single one, and of an oracle, with intervals."""
    single = table.scores[:, int(table.scores.mean(axis=0).argmax())]
    ways = (
        ("best single model", single),
        ("likeliest model", chosen(table, chances.argmax(axis=1))),
        ("oracle", table.scores.max(axis=1)),
        ("likeliest minus best single", chosen(table, chances.argmax(axis=1)) - single),
    )
    return [{"way": way, "prompts": len(table), **_interval(scores)} for way, scores in ways]


def cheapest_kept(table: Table, chances: Array, folds: Sequence[Places], *, keep: float = 0.95) -> dict[str, Any]:
    """
    What is saved, in USD, against the best single model while its quality is kept to `keep`.

    A price of a unit of score turns chances and mean costs into a choice. It is chosen on the other folds, with a
    margin for the noise there; the kept quality is a result too, and may still fall short by luck.
    """
    cost = table.cost_usd.mean(axis=0)
    best = int(table.scores.mean(axis=0).argmax())
    models = np.zeros(len(table), dtype=np.intp)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(table)), fold)
        price = _dearest(table.of(rest), chances[rest], cost, best, keep)
        models[fold] = (chances[fold] - price * cost).argmax(axis=1)
    return _kept(table, models, best)


def _dearest(table: Table, chances: Array, cost: Array, best: int, keep: float) -> float:
    every = np.arange(len(table))
    least = keep * table.scores[:, best]
    spent = []
    for price in _PRICES:
        models = (chances - price * cost).argmax(axis=1)
        over = chosen(table, models) - least
        enough = over.mean() >= _MARGIN * over.std() / np.sqrt(len(table))
        spent.append(table.cost_usd[every, models].mean() if enough else np.inf)
    return float(_PRICES[int(np.argmin(spent))]) if np.isfinite(spent).any() else 0.0


def _kept(table: Table, models: Places, best: int) -> dict[str, Any]:
    every = np.arange(len(table))
    score, spent = chosen(table, models), table.cost_usd[every, models]
    single, dear = table.scores[:, best], table.cost_usd[:, best]
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(table), len(table)) for _ in range(_ROUNDS)]
    saved = [1 - spent[draw].mean() / dear[draw].mean() for draw in draws]
    kept = [score[draw].mean() / single[draw].mean() for draw in draws]
    return {
        "saved": float(1 - spent.mean() / dear.mean()),
        "saved_low": float(np.quantile(saved, 0.025)),
        "saved_high": float(np.quantile(saved, 0.975)),
        "kept": float(score.mean() / single.mean()),
        "kept_low": float(np.quantile(kept, 0.025)),
        "kept_high": float(np.quantile(kept, 0.975)),
        "prompts": len(table),
    }


def _interval(scores: Array) -> dict[str, float]:
    random = np.random.default_rng(0)
    means = [scores[random.integers(0, len(scores), len(scores))].mean() for _ in range(_ROUNDS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(scores.mean()), "low": float(low), "high": float(high)}
