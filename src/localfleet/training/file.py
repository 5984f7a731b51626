"""A trained classifier as the bytes of its file, which `core.routing.scorer` reads."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from localfleet.core.routing.lens import Lens
from localfleet.core.routing.scorer import FORMAT
from localfleet.core.routing.shape import SHAPE
from localfleet.core.routing.words import BUCKETS
from localfleet.training.design import Array
from localfleet.training.fit import Fitted

__all__ = ["bytes_of"]

_MOST_BYTE = 127
_LEAF_BYTE = 255


def bytes_of(found: Fitted, facts: Mapping[str, object], lens: Lens | None = None) -> bytes:
    """One line of JSON (facts, scales, the weights of the shape), then the bytes for each bucket, compressed."""
    at = 1 + len(found.mean)
    planes, rows = [found.rarity.astype(np.uint8).tobytes()], []
    for model, weights in zip(found.models, found.weights, strict=True):
        unit = max(float(np.abs(weights[at:]).max(initial=0)), 1e-9) / _MOST_BYTE
        plane = np.zeros(BUCKETS, dtype=np.int8)
        plane[found.columns] = np.round(weights[at:] / unit)
        planes.append(plane.tobytes())
        rows.append({"model": model, "bias": float(weights[0]), "shape": _rounded(weights[1:at]), "unit": unit})
    for topic in found.topics.bytes_:
        plane = np.zeros(BUCKETS, dtype=np.int8)
        plane[found.columns] = topic
        planes.append(plane.tobytes())
    forest = found.forest
    parts = (
        forest.feature,
        forest.threshold,
        forest.jump,
        np.round(forest.chances * _LEAF_BYTE).astype(np.uint8),
        found.seen,
    )
    table = {
        "format": FORMAT,
        "facts": dict(facts),
        "shape": list(SHAPE),
        "heads": rows,
        "roots": forest.roots,
        "nodes": len(forest.feature),
        "leaves": len(forest.chances),
        "seen": len(found.seen),
        "weak": found.pair.weak,
        "strong": found.pair.strong,
        "mean": _rounded(found.mean),
        "deviation": _rounded(found.deviation),
        "topics": {
            "unit": [float(unit) for unit in found.topics.unit],
            "mean": [float(mean) for mean in found.topics.mean],
            "deviation": [float(deviation) for deviation in found.topics.deviation],
        },
        "blend": asdict(found.blend),
        "lens": None if lens is None else asdict(lens),
        "homes": [_rounded(home) for home in found.homes],
        "home_spread": _rounded(found.home_spread),
        "reach": found.reach,
        "least_cover": found.least_cover,
    }
    return (
        json.dumps(table).encode() + b"\n" + zlib.compress(b"".join([*planes, *(part.tobytes() for part in parts)]), 9)
    )


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 6) for value in values]
