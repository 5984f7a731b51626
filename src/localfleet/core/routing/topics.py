"""
What a prompt is about, in a few numbers: its words projected on the directions in which training prompts differ most.

This is latent semantic analysis (Deerwester et al. 1990). A forest can read it beside the shape, which it cannot do
with a hundred thousand words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MOST_Z", "TOPICS", "Topics"]

TOPICS = 12
MOST_Z = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """One plane for each topic: a signed byte for each bucket of words, in units of `unit`."""

    planes: Sequence[memoryview]
    unit: Sequence[float]
    mean: Sequence[float]
    deviation: Sequence[float]

    def of(self, words: Mapping[int, float]) -> list[float]:
        """How much of each topic the weighted buckets hold, standardised and cut at three deviations."""
        found = []
        for plane, unit, mean, deviation in zip(self.planes, self.unit, self.mean, self.deviation, strict=True):
            held = unit * sum([weight * plane[bucket] for bucket, weight in words.items()])
            found.append(max(-MOST_Z, min(MOST_Z, (held - mean) / deviation)))
        return found
