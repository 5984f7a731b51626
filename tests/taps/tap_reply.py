"""
What a good provider would say to a request, before any wire format: text, JSON or tool calls, and the token counts.

Everything is deterministic: the same request to the same tap gives the same answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_behaviour import Behaviour, Heard, pieces

__all__ = ["CREATED", "Said", "ToolCall", "said_to", "sample"]

CREATED = 1_700_000_000
SIMPLE: dict[str, Any] = {"integer": 7, "number": 1.5, "boolean": True, "null": None, "string": "Paris"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer: either `text` or `calls`; `parts` are the text's deltas. `cut` says the token limit ended it."""

    text: str
    parts: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    cut: bool
    input_tokens: int
    output_tokens: int


def said_to(heard: Heard, behaviour: Behaviour, text: str) -> Said:
    """The answer to a chat, Messages or Responses request whose plain answer is `text`."""
    calls = _calls(heard)
    schema = _schema(heard.data)
    spoken = json.dumps(sample(schema)) if schema is not None else text
    limit = _limit(heard.data)
    whole = pieces(spoken)
    kept = whole if limit is None or calls else whole[:limit]
    tokens = behaviour.tokens
    counted = sum(len(pieces(call.arguments)) + 1 for call in calls) if calls else len(kept)
    return Said(
        text="" if calls else "".join(kept),
        parts=() if calls else tuple(kept),
        calls=calls,
        cut=len(kept) < len(whole),
        input_tokens=tokens.input,
        output_tokens=counted if tokens.output is None else tokens.output,
    )


def sample(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits a JSON schema: constants and enums first, then by type; deep schemas end in `null`."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if depth > 8:
        return None
    if kind == "object":
        return {name: sample(part, depth + 1) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [sample(schema.get("items") or {}, depth + 1)]
    return SIMPLE.get(str(kind), "Paris")


def _limit(data: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        limit = data.get(name)
        if isinstance(limit, int):
            return max(1, limit)
    return None


def _schema(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = data.get("response_format") or (data.get("text") or {}).get("format") if _plain_text(data) else None
    if not isinstance(asked, Mapping):
        return None
    if asked.get("type") == "json_object":
        return {"properties": {"answer": {"type": "string"}}}
    if asked.get("type") != "json_schema":
        return None
    found = (asked.get("json_schema") or asked).get("schema")
    return found if isinstance(found, Mapping) else {}


def _plain_text(data: Mapping[str, Any]) -> bool:
    return isinstance(data.get("text") or {}, Mapping)


def _calls(heard: Heard) -> tuple[ToolCall, ...]:
    tools, choice = heard.data.get("tools"), heard.data.get("tool_choice")
    if not isinstance(tools, list) or not tools:
        return ()
    kind = choice.get("type") if isinstance(choice, Mapping) else choice
    if kind not in {"required", "any", "tool", "function"}:
        return ()
    tool = _chosen(tools, choice)
    name, schema = _tool_name(tool), _tool_schema(tool)
    return (ToolCall(id=f"call_tap{heard.number}", name=name, arguments=json.dumps(sample(schema))),)


def _chosen(tools: list[Any], choice: Any) -> Mapping[str, Any]:
    wanted = _tool_name(choice) if isinstance(choice, Mapping) else ""
    named = [tool for tool in tools if isinstance(tool, Mapping) and _tool_name(tool) == wanted]
    first = named[0] if named else tools[0]
    return first if isinstance(first, Mapping) else {}


def _tool_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function")
    return str((inner if isinstance(inner, Mapping) else tool).get("name", ""))


def _tool_schema(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = tool.get("function")
    holder = inner if isinstance(inner, Mapping) else tool
    found = holder.get("parameters") or holder.get("input_schema")
    return found if isinstance(found, Mapping) else {}
