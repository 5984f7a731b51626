"""
Reads someone else's mapping of model facts, one key at a time.

A key that is missing without a known default, or has an impossible value, ends the reading with `ShapeUnknown`: what a
figure is not can be said, what it might be cannot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localfleet.errors import ShapeUnknown

__all__ = ["Facts"]

MOST = 10**9
"""No figure of a model is larger; beyond it, arithmetic on a hostile file would only take time."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A mapping with typed readers."""

    values: Mapping[str, Any]

    def whole(self, *keys: str, default: int | None = None, least: int = 1) -> int:
        """The first of `keys` that is there and not null, as a whole number."""
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
                    raise ShapeUnknown(f"its `{key}` is no number that a model can have")
                return value
        if default is None:
            raise ShapeUnknown(f"its config.json has no `{keys[0]}`")
        return default

    def whole_or_none(self, key: str) -> int | None:
        """A whole number, or `None` where it is missing, null or 0."""
        return None if not self.values.get(key) else self.whole(key)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ShapeUnknown(f"its `{key}` is neither true nor false")
        return value

    def word(self, *keys: str) -> str:
        """The first of `keys` that is a string; empty where none is."""
        return next((value for key in keys if isinstance(value := self.values.get(key), str)), "")

    def words(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where it is missing."""
        value = self.values.get(key)
        items = value if isinstance(value, list | tuple) else ()
        return tuple(item for item in items if isinstance(item, str))

    def part(self, key: str) -> "Facts | None":
        """The facts one level down."""
        value = self.values.get(key)
        return Facts(value) if isinstance(value, Mapping) else None
