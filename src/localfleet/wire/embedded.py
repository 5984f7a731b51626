"""An embedding's answer in OpenAI's form -> one vector of length 1."""

from math import isfinite, sqrt
from typing import Any

import orjson

__all__ = ["read_vector"]


def read_vector(whole: bytes) -> list[float]:
    """The first embedding of the answer, made as long as 1; raises `ValueError` where there is none."""
    try:
        found: Any = orjson.loads(whole)["data"][0]["embedding"]
        vector = [float(x) for x in found]
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError("the engine gave no embedding") from None
    size = sqrt(sum(x * x for x in vector))
    if not vector or not isfinite(size):
        raise ValueError("the engine gave no embedding")
    return [x / max(size, 1e-9) for x in vector]
