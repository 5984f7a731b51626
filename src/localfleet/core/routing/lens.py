"""
An embedding seen through a few axes: numbers that the classifier reads as it reads the shape.

The axes are those in which the training prompts' embeddings differ most. The embedding itself is made at the edge, by
a model of this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Lens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """Which model the embeddings are of, and the axes (axes, width) through which they are seen."""

    folder: str
    print: str
    """SHA-256 of the model's file, hex: embeddings of another model would mean something else."""
    mean: Sequence[float]
    axes: Sequence[Sequence[float]]

    def of(self, vector: Sequence[float]) -> list[float]:
        """One number for each axis; `ValueError` for an embedding of another width."""
        apart = [x - mean for x, mean in zip(vector, self.mean, strict=True)]
        return [sum(map(float.__mul__, apart, axis)) for axis in self.axes]
