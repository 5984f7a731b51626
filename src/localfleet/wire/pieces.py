"""
The pieces of a body that an application put there from elsewhere: results of tools, documents, search results.

Only those of the last turns: earlier ones were the last once. What a person typed, and standing instructions, are no
pieces: phrases of theirs come again and again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["brought_in", "texts_within"]

TOOL_ROLES = ("tool", "function")
BROUGHT_PARTS = ("tool_result", "search_result", "document")
NAMES = frozenset({"type", "role", "id", "name", "tool_call_id", "tool_use_id", "call_id", "status"})
"""Keys whose values name things."""


def brought_in(body: Mapping[str, Any]) -> Iterator[str]:
    """Every text of such pieces, in no order."""
    for turn in _last_turns(body):
        yield from _of_turn(turn)
    documents = body.get("documents")
    if isinstance(documents, list):
        yield from texts_within(documents)


def _last_turns(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The turns after the model's last word."""
    for turns in (body.get("messages"), body.get("input")):
        for turn in reversed(turns) if isinstance(turns, list) else ():
            if not isinstance(turn, dict) or turn.get("role") == "assistant" or turn.get("type") == "function_call":
                break
            yield turn


def _of_turn(turn: Mapping[str, Any]) -> Iterator[str]:
    kind, content = turn.get("type"), turn.get("content")
    if turn.get("role") in TOOL_ROLES:
        yield from texts_within(content)
    elif isinstance(kind, str) and kind.endswith("_output"):
        yield from texts_within(turn.get("output"))
    elif isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") in BROUGHT_PARTS]
        yield from texts_within(parts)


def texts_within(value: Any) -> Iterator[str]:
    """Every text under a value, but for those that name things; the depth of a body was bounded before."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from texts_within(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in NAMES:
                yield from texts_within(one)
