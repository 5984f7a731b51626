"""
How long each model took to load and to wake, as seen on this box, and so how long it will take.

Kept in a small file of the state folder, so that the first decision after a restart knows it too. A file that is gone
or unreadable costs the knowledge and nothing else.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Literal

__all__ = ["Learned", "Way"]

Way = Literal["load", "wake"]
KEPT = 5
"""Runs whose median counts: a start on a busy disk is no better guess than one from the cache."""
LONGEST_S = 86_400.0


class Learned:
    """Seconds by model and way. `file` of `None` keeps nothing."""

    def __init__(self, file: Path | None = None) -> None:
        """Read what earlier processes learned."""
        self._file = file
        self._seen: dict[str, list[float]] = _read(file)

    def expected_s(self, model: str, way: Way) -> float | None:
        """The median of the last runs; `None` where there was none."""
        seen = self._seen.get(f"{model} {way}")
        return median(seen) if seen else None

    def took(self, model: str, way: Way, seconds: float) -> None:
        """Note one run."""
        seen = self._seen.setdefault(f"{model} {way}", [])
        seen.append(round(seconds, 3))
        del seen[:-KEPT]

    def save(self) -> None:
        """Write the file, whole or not at all. Blocks: call it in a thread. A disk that is full changes nothing."""
        if self._file is None:
            return
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(self._seen, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            draft.replace(self._file)
        except OSError:
            draft.unlink(missing_ok=True)


def _read(file: Path | None) -> dict[str, list[float]]:
    try:
        found = json.loads(file.read_bytes()) if file is not None else {}
    except (OSError, ValueError):
        return {}
    return {name: times for name, times in found.items() if _is_times(times)} if isinstance(found, Mapping) else {}


def _is_times(value: Any) -> bool:
    numbers = isinstance(value, list) and all(type(one) in {int, float} for one in value)
    return numbers and 0 < len(value) <= KEPT and all(0 <= one < LONGEST_S for one in value)
