"""
An Anthropic Messages request as a chat completion request.

The new body shares the caller's values where they stay as they are, so neither may be changed afterwards.

Nothing is invented: the only words that are not the caller's are field names, roles, types, `data:` before an image
and the name `output` of a JSON schema, which chat asks for. Deliberately dropped, so never sent to a chat server:

- `thinking`, `service_tier`, `container`, `context_management`, `betas`, `anthropic_version`, `anthropic_beta`,
  `inference_geo`, `speed`, `diagnostics`, `cache_control`, `user_profile_id`, `workspace_id`: Anthropic's own;
- `n`, `best_of`, `max_completion_tokens`, `stream_options`: this API has none, and in a chat body they would change
  what is bought or how it is told;
- `metadata` but for `user_id`, and `output_config.effort`;
- of a block: `cache_control`, `citations`, a tool result's `is_error` (chat has no such mark) and `toolset_name`, a
  tool call's `caller`; `thinking` and `redacted_thinking` blocks;
- of a tool: all but `name`, `description`, `input_schema`, `strict` (so `input_examples`, `cache_control`, ...).

A tool's answer goes before the rest of its turn, as chat wants it; its images go into the turn that follows, because
chat allows text alone in a tool's answer.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from localfleet.errors import BadAsk
from localfleet.wire.checked import (
    as_flag,
    as_number,
    as_object,
    as_objects,
    as_parts,
    as_text,
    as_texts,
    as_whole,
    content_of,
)

__all__ = ["to_chat"]

_ANTHROPIC_ONLY = frozenset(
    {
        "anthropic_beta",
        "anthropic_version",
        "betas",
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "mcp_servers",
        "service_tier",
        "speed",
        "thinking",
        "user_profile_id",
        "workspace_id",
    }
)
_CHAT_ONLY = frozenset({"best_of", "max_completion_tokens", "n", "stream_options"})
_TRANSLATED = frozenset(
    {
        "max_tokens",
        "messages",
        "metadata",
        "output_config",
        "output_format",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)

_Object = dict[str, Any]


def to_chat(body: Mapping[str, Any]) -> _Object:
    """Translate a request; raise `BadAsk` where it is malformed or asks for what chat cannot do."""
    if body.get("mcp_servers"):
        raise BadAsk("MCP servers run at the provider; connect them in the client instead.", param="mcp_servers")
    left_out = _ANTHROPIC_ONLY | _CHAT_ONLY | _TRANSLATED
    chat = {key: value for key, value in body.items() if key not in left_out}
    chat["max_tokens"] = as_whole(body.get("max_tokens"), "max_tokens", least=1)
    chat["messages"] = _system(body.get("system")) + _turns(body.get("messages"))
    return chat | _sampling(body) | _tools(body) | _format(body) | _user(body.get("metadata"))


def _sampling(body: Mapping[str, Any]) -> _Object:
    chat: _Object = {
        name: as_number(body[name], name) for name in ("temperature", "top_p") if body.get(name) is not None
    }
    if body.get("top_k") is not None:
        chat["top_k"] = as_whole(body["top_k"], "top_k", least=0)
    if body.get("stream") is not None:
        chat["stream"] = as_flag(body["stream"], "stream")
    if body.get("stop_sequences") not in (None, []):
        chat["stop"] = as_texts(body["stop_sequences"], "stop_sequences")
    return chat


def _user(metadata: Any) -> _Object:
    if metadata is None or as_object(metadata, "metadata").get("user_id") is None:
        return {}
    return {"user": as_text(metadata["user_id"], "metadata.user_id")}


def _format(body: Mapping[str, Any]) -> _Object:
    """A JSON schema for the answer: `output_config.format`, or the older `output_format`."""
    wanted = body.get("output_format")
    if body.get("output_config") is not None:
        wanted = as_object(body["output_config"], "output_config").get("format") or wanted
    if wanted is None:
        return {}
    if as_object(wanted, "output_config.format").get("type") != "json_schema":
        raise BadAsk("`output_config.format.type` must be `json_schema`.", param="output_config.format")
    schema = as_object(wanted.get("schema"), "output_config.format.schema")
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}}


def _tools(body: Mapping[str, Any]) -> _Object:
    chat: _Object = {}
    if body.get("tools") not in (None, []):
        chat["tools"] = [_tool(tool) for tool in as_objects(body["tools"], "tools")]
    if body.get("tool_choice") is not None:
        chat |= _tool_choice(as_object(body["tool_choice"], "tool_choice"))
    return chat


def _tool(tool: Mapping[str, Any]) -> _Object:
    if tool.get("type", "custom") not in ("custom", None):
        raise BadAsk("Only custom tools work here; the provider's own tools do not.", param="tools")
    function: _Object = {"name": as_text(tool.get("name"), "tools.name")}
    if tool.get("description") is not None:
        function["description"] = as_text(tool["description"], "tools.description")
    function["parameters"] = as_object(tool.get("input_schema"), "tools.input_schema")
    if tool.get("strict") is not None:
        function["strict"] = as_flag(tool["strict"], "tools.strict")
    return {"type": "function", "function": function}


def _tool_choice(choice: Mapping[str, Any]) -> _Object:
    chat: _Object = {}
    match choice.get("type"):
        case "auto" | "none" as kind:
            chat["tool_choice"] = kind
        case "any":
            chat["tool_choice"] = "required"
        case "tool":
            name = as_text(choice.get("name"), "tool_choice.name")
            chat["tool_choice"] = {"type": "function", "function": {"name": name}}
        case _:
            raise BadAsk("`tool_choice.type` must be `auto`, `any`, `tool` or `none`.", param="tool_choice")
    alone = choice.get("disable_parallel_tool_use")
    if alone is not None and as_flag(alone, "tool_choice.disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False
    return chat


def _system(system: Any) -> list[_Object]:
    if not system and (system is None or isinstance(system, str)):
        return []
    parts = [_text(block, "system") for block in _blocks(system, "system")]
    return [{"role": "system", "content": content_of(parts)}] if parts else []


def _turns(messages: Any) -> list[_Object]:
    chat: list[_Object] = []
    for turn in as_objects(messages, "messages"):
        match turn.get("role"):
            case "user":
                chat += _user_turn(turn.get("content"))
            case "assistant":
                chat += _assistant_turn(turn.get("content"))
            case "system":
                chat += _system(turn.get("content"))
            case _:
                raise BadAsk("`messages.role` must be `user`, `assistant` or `system`.", param="messages.role")
    if not chat:
        raise BadAsk("`messages` must hold at least one message that says something.", param="messages")
    return chat


def _blocks(content: Any, param: str) -> list[Mapping[str, Any]]:
    """The blocks of a content field; a string is one text block."""
    return as_parts(content, param, what="blocks")


def _user_turn(turn: Any) -> list[_Object]:
    answers: list[_Object] = []
    images: list[_Object] = []
    rest: list[_Object] = []
    for block in _blocks(turn, "messages.content"):
        if block.get("type") == "tool_result":
            content = "" if block.get("content") is None else block["content"]
            parts = _parts(content, "messages.content.content")
            texts = [part for part in parts if part["type"] == "text"]
            images += [part for part in parts if part["type"] != "text"]
            call_id = as_text(block.get("tool_use_id"), "messages.content.tool_use_id")
            answers.append({"role": "tool", "tool_call_id": call_id, "content": content_of(texts)})
        else:
            rest += _part(block, "messages.content")
    if images or rest or not answers:
        answers.append({"role": "user", "content": content_of(images + rest)})
    return answers


def _assistant_turn(content: Any) -> list[_Object]:
    texts: list[_Object] = []
    calls: list[_Object] = []
    for block in _blocks(content, "messages.content"):
        match block.get("type"):
            case "text":
                texts.append(_text(block, "messages.content"))
            case "tool_use":
                calls.append(_call(block))
            case "thinking" | "redacted_thinking":
                continue
            case _:
                raise _unsupported("messages.content")
    if not texts and not calls:
        return []
    turn: _Object = {"role": "assistant", "content": content_of(texts) if texts else None}
    return [turn | {"tool_calls": calls}] if calls else [turn]


def _call(block: Mapping[str, Any]) -> _Object:
    try:
        arguments = orjson.dumps(dict(as_object(block.get("input"), "messages.content.input"))).decode()
    except orjson.JSONEncodeError:
        raise BadAsk("`messages.content.input` nests too deep or is no JSON.", param="messages.content.input") from None
    name = as_text(block.get("name"), "messages.content.name")
    call_id = as_text(block.get("id"), "messages.content.id")
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _parts(content: Any, param: str) -> list[_Object]:
    return [part for block in _blocks(content, param) for part in _part(block, param)]


def _part(block: Mapping[str, Any], param: str) -> list[_Object]:
    """One block of a user's turn as chat parts."""
    match block.get("type"):
        case "text":
            return [_text(block, param)]
        case "image":
            return [{"type": "image_url", "image_url": {"url": _image_url(block)}}]
        case "document":
            return _document(block)
        case _:
            raise _unsupported(param)


def _text(block: Mapping[str, Any], param: str) -> _Object:
    if block.get("type") != "text":
        raise _unsupported(param)
    return {"type": "text", "text": as_text(block.get("text"), f"{param}.text")}


def _image_url(block: Mapping[str, Any]) -> str:
    source = as_object(block.get("source"), "messages.content.source")
    match source.get("type"):
        case "base64":
            media_type = as_text(source.get("media_type"), "messages.content.source.media_type")
            data = as_text(source.get("data"), "messages.content.source.data")
            return f"data:{media_type};base64,{data}"
        case "url":
            return as_text(source.get("url"), "messages.content.source.url")
        case _:
            raise _unsupported("messages.content.source")


def _document(block: Mapping[str, Any]) -> list[_Object]:
    """A plain text document: its title and context, where given, then its text."""
    source = as_object(block.get("source"), "messages.content.source")
    if source.get("type") != "text":
        raise _unsupported("messages.content.source")
    texts = [as_text(block[name], f"messages.content.{name}") for name in ("title", "context") if block.get(name)]
    texts.append(as_text(source.get("data"), "messages.content.source.data"))
    return [{"type": "text", "text": text} for text in texts]


def _unsupported(param: str) -> BadAsk:
    return BadAsk("This kind of content is not supported by the model chosen; leave it out.", param=param)
