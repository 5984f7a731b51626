"""
The trained local classifier: how much a prompt needs the stronger model, in a fifth of a millisecond, without a hub.

For each model that it was trained on it estimates the chance of a good answer from the prompt's shape and words, by a
linear model and a forest; the need is the strong model's chance minus the weak one's. It works on the standard library
alone and the prompt goes nowhere. A prompt unlike all it was trained on is not `known`: there it abstains, and what
stands in `value` is the length's opinion only. `localfleet routing train` makes the file; it is read at the edge.
"""

import json
import zlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from math import exp, log, sqrt
from typing import Any

from localfleet.core.routing.blend import Blend, Kind
from localfleet.core.routing.forest import Forest
from localfleet.core.routing.guarantee import Claim
from localfleet.core.routing.lens import Lens
from localfleet.core.routing.shape import SHAPE, shape_of
from localfleet.core.routing.topics import MOST_Z, Topics
from localfleet.core.routing.words import BUCKETS, buckets_of

__all__ = ["FORMAT", "Chances", "Score", "Scorer", "load", "squashed", "with_claim"]

FORMAT = "localfleet-routing-7"
_WIDTH = 1.57
"""With it the middle is as steep as the normal distribution function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the classifier makes of one prompt."""

    value: float
    """0 to 1: about the share of the prompts it was trained on that need the stronger model less than this one."""
    known: bool
    """Whether the prompt is like those it was trained on; where not, route up: `value` is the length's opinion."""
    gain: float
    """
    The strong model's chance of a good answer minus the weak one's, -1 to 1: the plain mean of heads and forest.

    `Scorer.chances` weighs the two as fits best where the training came from; the plain mean orders foreign prompts
    better.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """One model's chance of a good answer: a linear model over shape and words, through the logistic function."""

    model: str
    bias: float
    shape: Sequence[float]
    words: memoryview
    """A signed byte for each bucket, in units of `unit`."""
    unit: float

    def of(self, shape: Sequence[float], words: Mapping[int, float]) -> float:
        """The chance, 0 to 1, from the standardised shape and the weighted buckets."""
        weights = self.words
        lexical = sum([weight * weights[bucket] for bucket, weight in words.items()])
        return _logistic(self.bias + sum(map(float.__mul__, self.shape, shape)) + self.unit * lexical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A loaded classifier; safe to share between threads, it keeps nothing of what it reads."""

    heads: tuple[Chances, ...]
    topics: Topics
    forest: Forest
    lens: Lens | None
    """How it sees embeddings, where it was trained with some."""
    weak: int
    strong: int
    mean: Sequence[float]
    deviation: Sequence[float]
    rarity: memoryview
    """A byte for each bucket: the weight of its words; 0 for one that training did not see twice."""
    blend: Blend
    homes: Sequence[Sequence[float]]
    """The centres of the training prompts' shapes."""
    home_spread: Sequence[float]
    """How much the length varies around each of them."""
    reach: float
    """As far from the nearest centre as a prompt may lie that counts as known."""
    least_cover: float
    """The least share of a prompt's buckets that training saw, in a prompt that counts as known."""
    seen: Sequence[int]
    """The marks of the prompts it was trained on, in order."""
    claim: Claim | None
    """What was promised of a threshold by `localfleet routing calibrate`."""
    facts: Mapping[str, object]
    """What the file says of its making: prompts, date, source; never a prompt."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models whose chances it knows."""
        return tuple(head.model for head in self.heads)

    def score(self, text: str, vector: Sequence[float] | None = None) -> Score:
        """
        How much a prompt (the last turn of the user) needs the stronger model.

        One that was trained with embeddings abstains without `vector`, the embedding of the text.
        """
        return self.score_features([*shape_of(text), *self.seen_of(vector)], buckets_of(text))

    def seen_of(self, vector: Sequence[float] | None) -> list[float]:
        """What stands behind the shape in the features: nothing where it reads no embeddings, or has none."""
        return [] if self.lens is None or vector is None else self.lens.of(vector)

    def score_features(self, raw: Sequence[float], counts: Mapping[int, int]) -> Score:
        """The same from features that were kept, `shape_of` (and `seen_of`) and `buckets_of`."""
        if len(raw) < len(self.mean):
            return Score(value=squashed((raw[0] - self.mean[0]) / self.deviation[0]), known=False, gain=0.0)
        heads, forest = self._opinions(raw, counts)
        gain = (heads[self.strong] - heads[self.weak] + forest[self.strong] - forest[self.weak]) / 2
        long = (raw[0] - self.mean[0]) / self.deviation[0]
        home, squares = self._nearest(raw)
        cover = self._cover(counts)
        if squares > self.reach * self.reach or cover < self.least_cover:
            return Score(value=squashed(long), known=False, gain=gain)
        kin = max(-MOST_Z, min(MOST_Z, (long - self.homes[home][0]) / self.home_spread[home]))
        return Score(value=squashed(self.blend.need(gain, long, kin, home, cover)), known=True, gain=gain)

    def chances(self, text: str) -> dict[str, float]:
        """Each model's chance of a good answer."""
        return self.chances_features(shape_of(text), buckets_of(text))

    def chances_features(self, raw: Sequence[float], counts: Mapping[int, int]) -> dict[str, float]:
        """The same from features that were kept."""
        share = self.blend.heads_share
        both = zip(self.models, *self._opinions(raw, counts), strict=True)
        return {model: share * head + (1 - share) * tree for model, head, tree in both}

    def _opinions(self, raw: Sequence[float], counts: Mapping[int, int]) -> tuple[list[float], list[float]]:
        """Each model's chance by its head, and by the forest."""
        shape, words = self._standard(raw), self._weighted(counts)
        return [head.of(shape, words) for head in self.heads], self.forest.of([*shape, *self.topics.of(words)])

    def was_trained_on(self, mark: int) -> bool:
        """Whether a prompt with this mark was in the training: then it proves nothing about the classifier."""
        at = bisect_left(self.seen, mark)
        return at < len(self.seen) and self.seen[at] == mark

    def _standard(self, raw: Sequence[float]) -> list[float]:
        return [
            max(-MOST_Z, min(MOST_Z, (x - mean) / deviation))
            for x, mean, deviation in zip(raw, self.mean, self.deviation, strict=True)
        ]

    def _weighted(self, counts: Mapping[int, int]) -> dict[int, float]:
        rarity = self.rarity
        weights = {bucket: rarity[bucket] * (1 + log(count)) for bucket, count in counts.items() if rarity[bucket]}
        norm = sqrt(sum([weight * weight for weight in weights.values()])) or 1.0
        return {bucket: weight / norm for bucket, weight in weights.items()}

    def _cover(self, counts: Mapping[int, int]) -> float:
        """The share of the buckets that training saw."""
        rarity = self.rarity
        return sum([rarity[bucket] > 0 for bucket in counts]) / max(1, len(counts))

    def _nearest(self, raw: Sequence[float]) -> tuple[int, float]:
        """The nearest home, and the square of the distance to it."""
        free = [(x - mean) / deviation for x, mean, deviation in zip(raw, self.mean, self.deviation, strict=True)]
        far = [sum([(x - y) * (x - y) for x, y in zip(free, home, strict=True)]) for home in self.homes]
        home = min(range(len(far)), key=far.__getitem__)
        return home, far[home]


def squashed(z: float) -> float:
    """A standardised number as a share: near the normal distribution function, but strictly rising far out too."""
    return 0.5 + 0.5 * z / sqrt(z * z + _WIDTH)


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0  # below it, exp overflows


def load(raw: bytes) -> Scorer:
    """
    A classifier from the bytes of its file: one line of JSON, then the bytes for each bucket, compressed.

    Raises `ValueError` for anything that is no such file.
    """
    try:
        first, _, packed = raw.partition(b"\n")
        table = json.loads(first)
        if table["format"] != FORMAT:
            raise ValueError(f"its format is {table['format']}, this release reads {FORMAT}; train it again")
        if table["shape"] != list(SHAPE):
            raise ValueError("it was trained on other features than this release reads; train it again")
        body = memoryview(zlib.decompress(packed))
        if len(body) != sum(_sizes(table)):
            raise ValueError("its weights do not fit its table")
        return _scorer(table, body)
    except (zlib.error, KeyError, TypeError, IndexError, UnicodeDecodeError) as exc:
        raise ValueError("it is no classifier that `localfleet routing train` wrote") from exc


def with_claim(raw: bytes, claim: Claim) -> bytes:
    """The bytes of a classifier's file with a claim in it, in the place of an older one."""
    first, _, packed = raw.partition(b"\n")
    return json.dumps(json.loads(first) | {"claim": asdict(claim)}).encode() + b"\n" + packed


def _sizes(table: dict[str, Any]) -> tuple[int, ...]:
    """The bytes of each part: rarity, planes of models and topics, the forest's four lists, marks."""
    models, nodes, leaves = len(table["heads"]), table["nodes"], table["leaves"]
    planes = 1 + models + len(table["topics"]["unit"])
    return (*[BUCKETS] * planes, nodes, 4 * nodes, 4 * nodes, leaves * models, 4 * table["seen"])


def _scorer(table: dict[str, Any], body: memoryview) -> Scorer:
    ends = list(accumulate(_sizes(table), initial=0))
    rarity, *planes, feature, threshold, jump, chances, seen = (body[at:end] for at, end in pairwise(ends))
    rows = table["heads"]
    return Scorer(
        heads=tuple(Chances(words=plane.cast("b"), **row) for plane, row in zip(planes, rows, strict=False)),
        topics=Topics(planes=[plane.cast("b") for plane in planes[len(rows) :]], **table["topics"]),
        forest=Forest(
            roots=table["roots"],
            feature=feature,
            threshold=threshold.cast("f"),
            jump=jump.cast("i"),
            chances=chances,
            models=len(rows),
        ),
        rarity=rarity,
        seen=seen.cast("I"),
        blend=_blend(table["blend"]),
        lens=Lens(**table["lens"]) if table.get("lens") else None,
        claim=Claim(**table["claim"]) if table.get("claim") else None,
        **{key: table[key] for key in _KEYS},
    )


def _blend(row: dict[str, Any]) -> Blend:
    return Blend(**row | {"kinds": tuple(Kind(**kind) for kind in row["kinds"])})


_KEYS = ("weak", "strong", "mean", "deviation", "homes", "home_spread", "reach", "least_cover", "facts")
