"""A prompt as the features that a classifier is trained on: numbers and buckets, no word of it."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["features_row"]


def features_row(shape: Sequence[float], words: Mapping[int, int]) -> dict[str, Any]:
    """What `shape_of` and `buckets_of` found, as it stands in a line of a file of features."""
    return {"shape": [round(x, 6) for x in shape], "words": {str(bucket): count for bucket, count in words.items()}}
