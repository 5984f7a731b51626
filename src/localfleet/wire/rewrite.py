"""A parsed body with other texts in it: what a hosted model gets in place of what the caller wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

from localfleet.wire.texts import spans_of

__all__ = ["rewritten"]


def rewritten(body: Mapping[str, Any], before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """
    The body with each text of `before` (those of its spans, in order) replaced by its fellow in `after`.

    Raises `ValueError` where the result does not read exactly as `after`: a key or a number that would have to change.
    The body itself stays as it is; its depth was bounded when it was read.
    """
    changed = {old: new for old, new in zip(before, after, strict=True) if old != new}
    made = {key: value if key == "model" else _rewritten(key, value, changed) for key, value in body.items()}
    if [span.text for span in spans_of(made)] != list(after):
        raise ValueError("a text stands where it cannot be replaced")
    return made


def _rewritten(key: str, value: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        # Under a key that nobody knows, the key is read with the text, as its context.
        labelled = changed.get(f"{key}: {value}", "")
        return changed.get(value) or labelled.removeprefix(f"{key}: ") or value
    if isinstance(value, dict):
        return {inner: _rewritten(inner, one, changed) for inner, one in value.items()}
    return [_rewritten(key, one, changed) for one in value] if isinstance(value, list) else value
