"""
An embedding seen through a few axes: numbers that the classifier reads as it reads the shape.

The axes are those in which the training prompts' embeddings differ most. The embedding itself is made at the edge, by
a model of this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["Lens", "engine_of", "engine_print"]

ENGINE = "model:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """Which model the embeddings are of, and the axes (axes, width) through which they are seen."""

    folder: str
    print: str
    """
    SHA-256 of the model's file, or of the name of an engine's weights, hex: embeddings of another model would mean
    something else.
    """
    mean: Sequence[float]
    axes: Sequence[Sequence[float]]

    def of(self, vector: Sequence[float]) -> list[float]:
        """One number for each axis; `ValueError` for an embedding of another width."""
        apart = [x - mean for x, mean in zip(vector, self.mean, strict=True)]
        return [sum(map(float.__mul__, apart, axis)) for axis in self.axes]


def engine_of(place: str) -> str | None:
    """The local model of `model:NAME`; `None` for a folder."""
    return place.removeprefix(ENGINE) if place.startswith(ENGINE) else None


def engine_print(weights: str) -> str:
    """What tells one engine's model from another, where its file is not ours to read."""
    return sha256(f"{ENGINE}{weights}".encode()).hexdigest()
