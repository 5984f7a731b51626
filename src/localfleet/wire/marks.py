"""
Labels on pieces of a body: `localfleet_label` beside a text says how sensitive that text is.

For what an application puts in front of a model: chunks that it retrieved, results of tools. The key may stand in any
object at any depth. It raises the label of the request, and it never leaves.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localfleet.core.ask import Span
from localfleet.core.label import Label
from localfleet.wire.pieces import texts_within

__all__ = ["MARK", "labelled_in", "marks_in", "without_marks"]

MARK = "localfleet_label"
PREFIX = f"{MARK}: "
STANDING = ("system", "developer")


def marks_in(spans: Sequence[Span]) -> Label | None:
    """The highest label among marks; one that cannot be read is restricted (law 2); `None` where there are none."""
    # Unknown fields are read as `key: text`, or by the key alone where no text follows.
    labels = [_label(span.text) for span in spans if span.text.startswith(MARK) and span.where.endswith("*")]
    return max(labels) if labels else None


def _label(text: Any) -> Label:
    try:
        return Label.read(text.removeprefix(PREFIX))
    except (ValueError, AttributeError):
        return Label.RESTRICTED


def labelled_in(body: Mapping[str, Any]) -> tuple[str, ...]:
    """
    The texts of pieces that are marked restricted.

    A mark on the whole body, its metadata or a standing instruction is a word about the request and names no piece.
    """
    return tuple(text for key, value in body.items() if key != "metadata" for text in _labelled(value))


def _is_restricted(piece: Mapping[str, Any]) -> bool:
    """By a mark of its own, or in its metadata, where frameworks keep what they know of a chunk."""
    metadata = piece.get("metadata")
    marked = [one for one in (piece, metadata) if isinstance(one, dict) and MARK in one]
    return any(_label(one[MARK]) is Label.RESTRICTED for one in marked)


def _labelled(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _labelled(one)
    elif isinstance(value, dict):
        if value.get("role") not in STANDING and _is_restricted(value):
            yield from texts_within({key: one for key, one in value.items() if key not in {MARK, "metadata"}})
        else:
            for one in value.values():
                yield from _labelled(one)


def without_marks(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without marks; its depth was bounded when it was read."""
    return {key: _without(value) for key, value in body.items() if key != MARK}


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return without_marks(value)
    return [_without(one) for one in value] if isinstance(value, list) else value
