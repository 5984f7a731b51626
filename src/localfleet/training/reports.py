"""What `routing evaluate` says: each router on each kind of prompts that training did not see."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from localfleet.core.routing.scorer import Scorer
from localfleet.core.routing.shape import SHAPE
from localfleet.errors import FleetError
from localfleet.training.design import Array
from localfleet.training.evaluate import by_group, by_luck, held_out, measured
from localfleet.training.fit import Fitted
from localfleet.training.table import Pair, Table, pair_of

__all__ = ["cue_words", "folded", "gain_of", "on_file"]

_LEAST_GROUPS = 3
_CUES = ("calculation", "reasoning")


def gain_of(table: Table, pair: Pair) -> Array:
    """What the strong model's answer is worth more than the weak one's, prompt by prompt."""
    return np.asarray(table.scores[:, pair.strong] - table.scores[:, pair.weak])


def cue_words(table: Table) -> Array:
    """The keyword router of the articles: how many words of calculation and reasoning there are."""
    return np.asarray(table.shape[:, [SHAPE.index(cue) for cue in _CUES]].sum(axis=1))


def folded(table: Table, weak: str | None, strong: str | None) -> list[dict[str, Any]]:
    """By five folds at random, and by five folds of whole groups where the data names three or more."""
    pair = pair_of(table, weak, strong)
    rows = _rows("random folds", table, pair, held_out(table, pair, by_luck(table)))
    rows[-1]["known"] = round(float(held_out(table, pair, by_luck(table), read=_known).mean()), 4)
    if len(set(table.groups)) >= _LEAST_GROUPS:
        rows += _rows("groups never seen", table, pair, held_out(table, pair, by_group(table)))
        rows[-1]["known"] = round(float(held_out(table, pair, by_group(table), read=_known).mean()), 4)
    return rows


def on_file(table: Table, scorer: Scorer, weak: str | None, strong: str | None) -> list[dict[str, Any]]:
    """A classifier's file on data that it was not trained on."""
    pair = pair_of(table, weak, strong)
    found = [scorer.score_features(shape, words) for shape, words in _features(table)]
    rows = _rows("this data", table, pair, np.array([one.value for one in found]))
    rows[-1]["known"] = round(sum(one.known for one in found) / len(found), 4)
    return rows


def _known(found: Fitted, table: Table) -> Array:
    return found.known(table).astype(np.float64)


def _features(table: Table) -> Iterator[tuple[list[float], dict[int, int]]]:
    starts = np.searchsorted(table.words.rows, np.arange(len(table) + 1))
    for at, shape in enumerate(table.shape):
        own = slice(starts[at], starts[at + 1])
        counts = zip(table.words.buckets[own].tolist(), table.words.counts[own].tolist(), strict=True)
        yield shape.tolist(), {bucket: int(count) for bucket, count in counts}


def _rows(name: str, table: Table, pair: Pair, said: Array) -> list[dict[str, Any]]:
    gain = gain_of(table, pair)
    if gain.sum() <= 0:
        raise FleetError("the strong model is not better on this data; there is nothing to route by")
    routers = (("keywords", cue_words(table)), ("length", table.shape[:, 0]), ("classifier", said))
    return [{"set": name, **asdict(measured(router, score, gain))} for router, score in routers]
