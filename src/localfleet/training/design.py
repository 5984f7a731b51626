"""The prompts of a training set as one matrix: a few dense columns of shape and many sparse ones of words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from localfleet.core.routing.words import BUCKETS

__all__ = ["Array", "Design", "Words", "gathered"]

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Counts of buckets, one entry for each pair of a prompt and a bucket, ordered by prompt."""

    prompts: int
    rows: Places
    buckets: Places
    counts: Array

    def rarity(self) -> NDArray[np.uint8]:
        """A byte for each bucket: inverse document frequency, 0 for one in fewer than two prompts."""
        seen = np.bincount(self.buckets, minlength=BUCKETS)
        weight = np.log((1 + self.prompts) / (1 + seen)) + 1
        scaled = np.clip(np.round(weight * 20), 1, 255)
        return np.where(seen > 1, scaled, 0).astype(np.uint8)

    def cover(self, rarity: NDArray[np.uint8]) -> Array:
        """For each prompt the share of its buckets that have weight."""
        seen = np.bincount(self.rows, rarity[self.buckets] > 0, minlength=self.prompts)
        return np.asarray(seen / np.maximum(np.bincount(self.rows, minlength=self.prompts), 1))

    def each(self) -> Iterator[dict[int, int]]:
        """The counts of one prompt after the other."""
        starts = np.searchsorted(self.rows, np.arange(self.prompts + 1))
        for start, end in pairwise(starts.tolist()):
            counts = zip(self.buckets[start:end].tolist(), self.counts[start:end].tolist(), strict=True)
            yield {bucket: int(count) for bucket, count in counts}

    def of(self, chosen: Places) -> "Words":
        """The words of some prompts, renumbered from 0 in their order."""
        place = np.full(self.prompts, -1, dtype=np.intp)
        place[chosen] = np.arange(len(chosen))
        kept = place[self.rows] >= 0
        rows = place[self.rows[kept]]
        order = np.argsort(rows, kind="stable")
        return Words(
            prompts=len(chosen),
            rows=rows[order],
            buckets=self.buckets[kept][order],
            counts=self.counts[kept][order],
        )


def gathered(words: Sequence[Mapping[int, int]]) -> Words:
    """All words of a training set."""
    lengths = [len(counts) for counts in words]
    return Words(
        prompts=len(words),
        rows=np.repeat(np.arange(len(words), dtype=np.intp), lengths),
        buckets=np.fromiter((bucket for counts in words for bucket in counts), dtype=np.intp, count=sum(lengths)),
        counts=np.fromiter((n for counts in words for n in counts.values()), dtype=np.float64, count=sum(lengths)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The matrix: `dense` (prompts, columns), then the sparse part with unit rows; `columns` names its buckets."""

    dense: Array
    rows: Places
    places: Places
    values: Array
    columns: Places

    @classmethod
    def of(cls, shape: Array, words: Words, rarity: NDArray[np.uint8]) -> "Design":
        """Weigh the words as the scorer does, leaving out buckets without weight."""
        weights = rarity[words.buckets] * (1 + np.log(words.counts))
        kept = weights > 0
        rows, weights = words.rows[kept], weights[kept]
        norm = np.sqrt(np.bincount(rows, weights * weights, minlength=words.prompts))
        columns, places = np.unique(words.buckets[kept], return_inverse=True)
        return cls(dense=shape, rows=rows, places=places, values=weights / norm[rows], columns=columns)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return int(self.dense.shape[1]) + len(self.columns)

    def times(self, weights: Array) -> Array:
        """The matrix times a vector."""
        at = self.dense.shape[1]
        sparse = np.bincount(self.rows, self.values * weights[at:][self.places], minlength=len(self.dense))
        return np.asarray(self.dense @ weights[:at] + sparse)

    def transposed_times(self, values: Array) -> Array:
        """The transposed matrix times a vector."""
        sparse = np.bincount(self.places, self.values * values[self.rows], minlength=len(self.columns))
        return np.concatenate([self.dense.T @ values, sparse])

    def projected(self, directions: Array) -> Array:
        """The sparse part times some vectors, (columns, vectors) -> (prompts, vectors)."""
        prompts = len(self.dense)
        found = np.zeros((prompts, directions.shape[1]))
        for at, way in enumerate(directions.T if len(self.columns) else ()):
            found[:, at] = np.bincount(self.rows, self.values * way[self.places], minlength=prompts)
        return found

    def gathered(self, values: Array) -> Array:
        """The sparse part transposed times some vectors, (prompts, vectors) -> (columns, vectors)."""
        width = max(1, len(self.columns))
        each = (np.bincount(self.places, self.values * one[self.rows], minlength=width) for one in values.T)
        return np.stack(list(each), axis=1)
