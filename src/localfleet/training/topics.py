"""Finding the topics of a training set: the largest singular directions of its words, by a seeded random sketch."""

from dataclasses import dataclass

import numpy as np

from localfleet.core.routing.topics import MOST_Z, TOPICS
from localfleet.training.design import Array, Design

__all__ = ["Found", "topics_of"]

_SPARE = 6
_ROUNDS = 3
_MOST_BYTE = 127
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Topics as arrays: `bytes_` (topics, columns) in units of `unit` (topics,), and how they lie over the training."""

    bytes_: np.ndarray
    unit: Array
    mean: Array
    deviation: Array

    def of(self, design: Design, columns: np.ndarray) -> Array:
        """(prompts, topics): what `core.routing.topics.Topics` says; `columns` names the buckets of `bytes_`."""
        places = np.searchsorted(columns, design.columns)
        held = design.projected((self.bytes_[:, places] * self.unit[:, None]).T)
        return np.asarray(np.clip((held - self.mean) / self.deviation, -MOST_Z, MOST_Z))


def topics_of(design: Design, *, count: int = TOPICS, seed: int = 0) -> Found:
    """
    The topics of a training set, in the bytes that its file keeps.

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011); signs are fixed, so the same data gives the same.
    """
    width = max(1, len(design.columns))
    sketch = np.random.default_rng(seed).normal(size=(width, count + _SPARE))
    for _ in range(_ROUNDS):
        sketch = np.linalg.qr(design.gathered(np.linalg.qr(design.projected(sketch))[0]))[0]
    _, _, turned = np.linalg.svd(design.projected(sketch), full_matrices=False)
    found = np.zeros((width, count))
    ways = sketch @ turned.T[:, :count]
    found[:, : ways.shape[1]] = ways * np.where(ways.sum(axis=0) < 0, -1.0, 1.0)
    unit = np.maximum(np.abs(found).max(axis=0), 1e-9) / _MOST_BYTE
    bytes_ = np.round(found / unit).astype(np.int8).T
    held = design.projected((bytes_ * unit[:, None]).T)
    return Found(
        bytes_=bytes_,
        unit=unit,
        mean=held.mean(axis=0),
        deviation=np.maximum(held.std(axis=0), _LEAST_DEVIATION),
    )
