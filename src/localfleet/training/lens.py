"""Finding the axes of a training set's embeddings: principal components, so that no label has a say in them."""

from dataclasses import replace

import numpy as np

from localfleet.core.routing.lens import Lens
from localfleet.core.routing.shape import SHAPE
from localfleet.training.table import Table

__all__ = ["AXES", "through_lens"]

AXES = 24


def through_lens(table: Table, *, folder: str, digest: str) -> tuple[Table, Lens]:
    """The table with few numbers in the place of the embeddings that stand behind the shape; and how it was done."""
    vectors = table.shape[:, len(SHAPE) :]
    mean = vectors.mean(axis=0)
    _, _, turned = np.linalg.svd(vectors - mean, full_matrices=False)
    axes = turned[:AXES]
    axes = np.round(axes * np.where(axes.sum(axis=1) < 0, -1.0, 1.0)[:, None], 6)
    mean = np.round(mean, 6)
    seen = (vectors - mean) @ axes.T
    lens = Lens(folder=folder, print=digest, mean=mean.tolist(), axes=axes.tolist())
    return replace(table, shape=np.concatenate([table.shape[:, : len(SHAPE)], seen], axis=1)), lens
