"""
Fields of a caller's body, checked one at a time before they are translated.

Each function returns the value it was given (a string as one part where parts are wanted), or raises `BadAsk` with a
fixed sentence that names the known field and never the value. What may be absent is the caller's business here: `None`
is a wrong type.
"""

import math
from collections.abc import Mapping
from typing import Any

from localfleet.errors import BadAsk

__all__ = [
    "as_flag", "as_items", "as_number", "as_object", "as_objects", "as_parts", "as_text", "as_texts", "as_whole",
    "content_of",
]  # fmt: skip


def as_object(value: Any, param: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise BadAsk(f"`{param}` must be an object.", param=param)
    return value


def as_items(value: Any, param: str) -> list[Any]:
    """A JSON array of anything."""
    if not isinstance(value, list):
        raise BadAsk(f"`{param}` must be a list.", param=param)
    return value


def as_objects(value: Any, param: str) -> list[Mapping[str, Any]]:
    """A JSON array of objects."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadAsk(f"`{param}` must be a list of objects.", param=param)
    return value


def as_parts(value: Any, param: str, *, what: str) -> list[Mapping[str, Any]]:
    """A list of objects (`what` they are, for people), or a string, which is one part of text."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise BadAsk(f"`{param}` must be a string or a list of {what}.", param=param)
    return as_objects(value, param)


def content_of(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Chat content: one text stays a string, which every server reads; several parts stay apart."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def as_text(value: Any, param: str) -> str:
    """A string, also an empty one."""
    if not isinstance(value, str):
        raise BadAsk(f"`{param}` must be a string.", param=param)
    return value


def as_texts(value: Any, param: str) -> list[str]:
    """A JSON array of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadAsk(f"`{param}` must be a list of strings.", param=param)
    return value


def as_flag(value: Any, param: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadAsk(f"`{param}` must be true or false.", param=param)
    return value


def as_whole(value: Any, param: str, *, least: int) -> int:
    """A whole number of at least `least`; `true` is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadAsk(f"`{param}` must be a whole number of at least {least}.", param=param)
    return value


def as_number(value: Any, param: str) -> float:
    """A finite number, whole or not; `true` is none."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, float) and math.isfinite(value)):
        raise BadAsk(f"`{param}` must be a number.", param=param)
    number: float = value
    return number
