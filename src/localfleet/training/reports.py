"""What `routing evaluate` says: each router on each kind of prompts that training did not see."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from localfleet.core.routing.guarantee import Outcome
from localfleet.core.routing.scorer import Scorer
from localfleet.core.routing.shape import SHAPE
from localfleet.errors import FleetError
from localfleet.training.choice import chances_held_out, cheapest_kept, choice_rows
from localfleet.training.design import Array, Places
from localfleet.training.evaluate import held_out, measured
from localfleet.training.folds import by_group, by_luck
from localfleet.training.table import LEAST_PROMPTS, Pair, Table, pair_of

__all__ = ["choices", "cue_words", "folded", "gain_of", "on_file", "outcomes_of", "unseen"]

_LEAST_GROUPS = 3
_CUES = ("calculation", "reasoning")


def gain_of(table: Table, pair: Pair) -> Array:
    """What the strong model's answer is worth more than the weak one's, prompt by prompt."""
    return np.asarray(table.scores[:, pair.strong] - table.scores[:, pair.weak])


def cue_words(table: Table) -> Array:
    """The keyword router of the articles: how many words of calculation and reasoning there are."""
    return np.asarray(table.shape[:, [SHAPE.index(cue) for cue in _CUES]].sum(axis=1))


def folded(
    table: Table, weak: str | None, strong: str | None, *, told: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """
    By five folds at random, and by five folds of whole groups where the data names three or more.

    Each trains anew; `told` hears of it before.
    """
    pair = pair_of(table, weak, strong)
    table = _both(table, pair)
    rows = _held_out("random folds", table, pair, by_luck(table), told)
    if len(set(table.groups)) >= _LEAST_GROUPS:
        rows += _held_out("groups never seen", table, pair, by_group(table), told)
    return rows


def _held_out(
    name: str, table: Table, pair: Pair, folds: Iterator[Places], told: Callable[[str], None]
) -> list[dict[str, Any]]:
    need, known = held_out(table, pair, _counted(name, [*folds], told))
    rows = _rows(name, table, pair, need)
    rows[-1]["known"] = round(float(known.mean()), 4)
    return rows


def _counted(name: str, folds: list[Places], told: Callable[[str], None]) -> Iterator[Places]:
    for number, fold in enumerate(folds, 1):
        told(f"{name}: {number} of {len(folds)}, training on what is not in it")
        yield fold


def on_file(table: Table, scorer: Scorer, weak: str | None, strong: str | None) -> list[dict[str, Any]]:
    """A classifier's file on those of the prompts that it was not trained on."""
    pair = pair_of(table, weak, strong)
    table = _both(unseen(table, scorer), pair)
    found = [scorer.score_features(shape, words) for shape, words in _features(table)]
    rows = _rows("this data", table, pair, np.array([one.value for one in found]))
    rows[-1]["known"] = round(sum(one.known for one in found) / len(found), 4)
    return rows


def _features(table: Table) -> Iterator[tuple[list[float], dict[int, int]]]:
    return zip(table.shape.tolist(), table.words.each(), strict=True)


def unseen(table: Table, scorer: Scorer) -> Table:
    """
    The prompts that a classifier was not trained on; what it says of the others proves nothing.

    Raises `FleetError` where none is left.
    """
    fresh = [at for at, mark in enumerate(table.marks.tolist()) if not scorer.was_trained_on(mark)]
    if not fresh:
        raise FleetError("the classifier was trained on all of these prompts; keep some back from `routing train`")
    return table.of(np.array(fresh))


def choices(table: Table, pair: Pair) -> dict[str, Any]:
    """For three models or more: what choosing the likeliest one scores, and with known costs what a choice saves."""
    table = table.complete(range(len(table.models)))
    if len(table.models) < 3 or len(table) < LEAST_PROMPTS:
        return {"choice": [], "saving": None}
    folds = list(by_luck(table))
    chances = chances_held_out(table, pair, folds)
    priced = not np.isnan(table.cost_usd).any()
    return {
        "choice": choice_rows(table, chances),
        "saving": cheapest_kept(table, chances, folds) if priced else None,
    }


def outcomes_of(table: Table, scorer: Scorer, pair: Pair) -> list[Outcome]:
    """What calibration needs of each prompt; one of an unknown kind goes up whatever the threshold, so it scores 1."""
    table = _both(table, pair)
    found = [scorer.score_features(shape, words) for shape, words in _features(table)]
    return [
        Outcome(score=one.value if one.known else 1.0, weak=float(scores[pair.weak]), strong=float(scores[pair.strong]))
        for one, scores in zip(found, table.scores, strict=True)
    ]


def _both(table: Table, pair: Pair) -> Table:
    both = table.complete((pair.weak, pair.strong))
    if not len(both):
        raise FleetError(
            "no prompt has the outcome of both models; measuring needs both, for training one each will do"
        )
    return both


def _rows(name: str, table: Table, pair: Pair, said: Array) -> list[dict[str, Any]]:
    gain = gain_of(table, pair)
    if gain.sum() <= 0:
        raise FleetError("the strong model is not better on this data; there is nothing to route by")
    own = (("your words", table.levels),) if table.levels.any() else ()
    routers = (("keywords", cue_words(table)), *own, ("length", table.shape[:, 0]), ("classifier", said))
    return [{"set": name, **asdict(measured(router, score, gain))} for router, score in routers]
