"""Every place of an Anthropic Messages request in which words can stand."""

from typing import Any

from canary_chat import b64
from canary_fields import Field, Fragment, Json, fields_of, words

__all__ = ["BASE", "FIELDS"]

USER: Json = {"role": "user", "content": "What is the capital of France?"}
BASE: Json = {"max_tokens": 64, "messages": [USER]}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}


def block(**fields: Any) -> Json:
    """A body whose question has one special block."""
    return {"messages": [{"role": "user", "content": [fields, {"type": "text", "text": "What is this?"}]}]}


def answered(*blocks: Json) -> Json:
    """A body whose history holds an assistant turn of these blocks."""
    return {"messages": [USER, {"role": "assistant", "content": [*blocks]}, USER]}


def called(call: Json, **result: Any) -> Json:
    """A body with a tool call in its history, and the tool's result."""
    back = {"type": "tool_result", "tool_use_id": call["id"], "content": "done", **result}
    asked = {"role": "assistant", "content": [call]}
    return {"messages": [USER, asked, {"role": "user", "content": [back]}]}


def tool(**fields: Any) -> Json:
    """A body that offers one tool."""
    offered = {"name": "look_up", "description": "Looks up.", "input_schema": {"type": "object", "properties": {}}}
    return {"tools": [{**offered, **fields}]}


def schema(**properties: Any) -> Json:
    """The JSON schema of a tool's input."""
    return {"input_schema": {"type": "object", "properties": properties}}


def document(source: Json, **fields: Any) -> Json:
    """A body with a document."""
    return block(type="document", source=source, **fields)


def server(**fields: Any) -> Json:
    """A body with a remote tool server."""
    return {"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "s", **fields}]}


PLAIN: Json = {"type": "text", "media_type": "text/plain", "data": "hello"}

HISTORY: dict[str, Fragment] = {
    "system": lambda c: {"system": words(c)},
    "system block": lambda c: {"system": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": words(c)}]},
    "system cache control": lambda c: {"system": [{"type": "text", "text": "a", "cache_control": {"type": c}}]},
    "user": lambda c: {"messages": [{"role": "user", "content": words(c)}]},
    "user block": lambda c: block(type="text", text=words(c)),
    "user block extra": lambda c: block(type="text", text="a", note=words(c)),
    "user block cache control": lambda c: block(type="text", text="a", cache_control={"type": "ephemeral", "ttl": c}),
    "assistant": lambda c: {"messages": [USER, {"role": "assistant", "content": words(c)}, USER]},
    "assistant prefill": lambda c: {"messages": [USER, {"role": "assistant", "content": words(c)}]},
    "assistant block": lambda c: answered({"type": "text", "text": words(c)}),
    "assistant citation": lambda c: answered({"type": "text", "text": "a", "citations": [_citation(c)]}),
    "thinking": lambda c: answered({"type": "thinking", "thinking": words(c), "signature": "s"}),
    "thinking signature": lambda c: answered({"type": "thinking", "thinking": "hm", "signature": c}),
    "tool use input": lambda c: called({**CALL, "input": {"query": words(c)}}),
    "tool use input key": lambda c: called({**CALL, "input": {c: 1}}),
    "tool use input, deep": lambda c: called({**CALL, "input": {"a": [{"b": [{"c": words(c)}]}]}}),
    "tool use name": lambda c: called({**CALL, "name": c}),
    "tool use id": lambda c: called({**CALL, "id": c}),
    "tool result": lambda c: called(CALL, content=words(c)),
    "tool result block": lambda c: called(CALL, content=[{"type": "text", "text": words(c)}]),
    "tool result error": lambda c: called(CALL, content=words(c), is_error=True),
    "document text": lambda c: document({**PLAIN, "data": words(c)}),
    "document title": lambda c: document(PLAIN, title=words(c)),
    "document context": lambda c: document(PLAIN, context=words(c)),
    "document content": lambda c: document({"type": "content", "content": words(c)}),
    "document content block": lambda c: document({"type": "content", "content": [{"type": "text", "text": words(c)}]}),
    "search result": lambda c: block(type="search_result", source="s", title="t", content=[_text(c)]),
    "search result source": lambda c: block(type="search_result", source=c, title="t", content=[]),
    "search result title": lambda c: block(type="search_result", source="s", title=words(c), content=[]),
    "message unknown": lambda c: {"messages": [{**USER, "note": words(c)}]},
    "message unknown key": lambda c: {"messages": [{**USER, c: "1"}]},
}

UNREADABLE: dict[str, Fragment] = {
    "image data": lambda c: block(type="image", source={"type": "base64", "media_type": "image/png", "data": b64(c)}),
    "image url": lambda c: block(type="image", source={"type": "url", "url": f"https://example.org/{c}.png"}),
    "image file": lambda c: block(type="image", source={"type": "file", "file_id": c}),
    "document data": lambda c: document({"type": "base64", "media_type": "application/pdf", "data": b64(c)}),
    "document url": lambda c: document({"type": "url", "url": f"https://example.org/{c}.pdf"}),
    "document file": lambda c: document({"type": "file", "file_id": c}),
    "document image": lambda c: document(
        {"type": "content", "content": [{"type": "image", "source": {"type": "url", "url": f"https://a.org/{c}"}}]}
    ),
    "tool result image": lambda c: called(
        CALL, content=[{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(c)}}]
    ),
    "redacted thinking": lambda c: answered({"type": "redacted_thinking", "data": b64(c)}),
    "container upload": lambda c: block(type="container_upload", file_id=c),
    "unknown block": lambda c: block(type="hologram", hologram=words(c)),
    "unknown block type": lambda c: block(type=c, text="hello"),
}

SETTINGS: dict[str, Fragment] = {
    "tool name": lambda c: tool(name=c),
    "tool description": lambda c: tool(description=words(c)),
    "tool property": lambda c: tool(**schema(**{c: {"type": "string"}})),
    "tool property description": lambda c: tool(**schema(q={"type": "string", "description": words(c)})),
    "tool enum": lambda c: tool(**schema(q={"enum": [c]})),
    "tool default": lambda c: tool(**schema(q={"type": "string", "default": c})),
    "tool cache control": lambda c: tool(cache_control={"type": c}),
    "tool unknown": lambda c: tool(note=words(c)),
    "tool of the server": lambda c: {"tools": [{"type": "web_search_20250305", "name": "w", "allowed_domains": [c]}]},
    "tool choice": lambda c: {**tool(), "tool_choice": {"type": "tool", "name": c}},
    "stop sequence": lambda c: {"stop_sequences": ["x", c]},
    "metadata user": lambda c: {"metadata": {"user_id": c}},
    "metadata value": lambda c: {"metadata": {"note": words(c)}},
    "metadata key": lambda c: {"metadata": {c: "1"}},
    "container": lambda c: {"container": c},
    "server url": lambda c: server(url=f"https://example.org/{c}"),
    "server name": lambda c: server(name=c),
    "server token": lambda c: server(authorization_token=c),
    "service tier": lambda c: {"service_tier": c},
    "context management": lambda c: {"context_management": {"edits": [{"type": c}]}},
    "unknown key": lambda c: {c: "1"},
    "unknown value": lambda c: {"x_note": words(c)},
    "unknown, deep": lambda c: {"x_note": [{"a": [{"b": words(c)}]}]},
    "model": lambda c: {"model": c},
    "role": lambda c: {"messages": [{"role": c, "content": "hello"}]},
    "messages as text": lambda c: {"messages": words(c)},
    "content as object": lambda c: {"messages": [{"role": "user", "content": {"text": words(c)}}]},
    "system as object": lambda c: {"system": {"text": words(c)}},
    "max tokens": lambda c: {"max_tokens": c},
    "thinking option": lambda c: {"thinking": {"type": c}},
    "metadata as text": lambda c: {"metadata": words(c)},
}


def _text(canary: str) -> Json:
    return {"type": "text", "text": words(canary)}


def _citation(canary: str) -> Json:
    place = {"start_char_index": 0, "end_char_index": 1, "document_index": 0, "document_title": canary}
    return {"type": "char_location", "cited_text": words(canary), **place}


FIELDS: tuple[Field, ...] = (
    *fields_of(HISTORY),
    *fields_of(UNREADABLE, unreadable=tuple(UNREADABLE)),
    *fields_of(SETTINGS),
)
