"""
An OpenAI Responses request as a chat completion request: everything but the conversation (see `turns`).

The new body shares the caller's values where they stay as they are, so neither may be changed afterwards.

Nothing is invented: the only words that are not the caller's are field names, roles and types. Deliberately dropped,
so never sent to a chat server:

- `background` and `stream_options` where they ask for nothing, `context_management`, `include`, `max_tool_calls`,
  `moderation`, `previous_response_id` (resolved before this), `service_tier`, `store`, `truncation`;
- `n`, `best_of`, `max_tokens`, `max_completion_tokens`, `messages`: this API has none, and in a chat body they would
  change what is bought or what is said;
- of `reasoning`: all but `effort`; of `text.format`: all but a schema's name, description, schema and strictness;
- of a tool: all but `name`, `description`, `parameters`, `strict`; with `allowed_tools`, the tools not allowed;
- of items and parts: `id`, `status`, `annotations`, `logprobs`, `prompt_cache_breakpoint`, a file's `detail`, a tool
  answer's `name`; reasoning items.
"""

from collections.abc import Mapping
from typing import Any

from localfleet.errors import BadAsk
from localfleet.wire.checked import as_flag, as_items, as_number, as_object, as_objects, as_text, as_whole
from localfleet.wire.responses.turns import turns_from

__all__ = ["to_chat"]

_DROPPED = frozenset(
    {
        "background",
        "best_of",
        "context_management",
        "conversation",
        "include",
        "max_completion_tokens",
        "max_tokens",
        "max_tool_calls",
        "messages",
        "moderation",
        "n",
        "previous_response_id",
        "prompt",
        "service_tier",
        "store",
        "stream_options",
        "truncation",
    }
)
_TRANSLATED = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "reasoning",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
    }
)
_LOGPROBS = "message.output_text.logprobs"

_Object = dict[str, Any]


def to_chat(body: Mapping[str, Any]) -> _Object:
    """Translate a request; raise `BadAsk` where it is malformed or asks for what chat cannot do."""
    _refuse_stored(body)
    chat = {key: value for key, value in body.items() if key not in _DROPPED and key not in _TRANSLATED}
    chat["messages"] = turns_from(body.get("instructions"), body.get("input"))
    return chat | _sampling(body) | _tools(body) | _text(body.get("text")) | _logprobs(body) | _caller(body)


def _refuse_stored(body: Mapping[str, Any]) -> None:
    """What needs a provider that remembers."""
    if body.get("background") is not None and as_flag(body["background"], "background"):
        raise BadAsk("Background responses are not supported; set `background` to false.", param="background")
    for name in ("prompt", "conversation"):
        if body.get(name) is not None:
            raise BadAsk(f"`{name}` is kept by a provider and not supported; send the text itself.", param=name)


def _sampling(body: Mapping[str, Any]) -> _Object:
    chat: _Object = {
        name: as_number(body[name], name) for name in ("temperature", "top_p") if body.get(name) is not None
    }
    chat |= {
        name: as_flag(body[name], name) for name in ("stream", "parallel_tool_calls") if body.get(name) is not None
    }
    if body.get("max_output_tokens") is not None:
        chat["max_tokens"] = as_whole(body["max_output_tokens"], "max_output_tokens", least=1)
    if body.get("reasoning") is not None:
        effort = as_object(body["reasoning"], "reasoning").get("effort")
        chat |= {} if effort is None else {"reasoning_effort": as_text(effort, "reasoning.effort")}
    return chat


def _caller(body: Mapping[str, Any]) -> _Object:
    chat: _Object = {}
    if body.get("user") is not None:
        chat["user"] = as_text(body["user"], "user")
    if body.get("metadata") is not None:
        chat["metadata"] = as_object(body["metadata"], "metadata")
    return chat


def _logprobs(body: Mapping[str, Any]) -> _Object:
    """Chat gives the probabilities of other tokens only together with those of the chosen one."""
    wanted = body.get("include") is not None and _LOGPROBS in as_items(body["include"], "include")
    if body.get("top_logprobs") is None:
        return {"logprobs": True} if wanted else {}
    top = as_whole(body["top_logprobs"], "top_logprobs", least=0)
    return {"logprobs": True, "top_logprobs": top} if top or wanted else {}


def _text(text: Any) -> _Object:
    if text is None:
        return {}
    chat: _Object = {}
    if as_object(text, "text").get("verbosity") is not None:
        chat["verbosity"] = as_text(text["verbosity"], "text.verbosity")
    if text.get("format") is not None:
        chat |= _format(as_object(text["format"], "text.format"))
    return chat


def _format(wanted: Mapping[str, Any]) -> _Object:
    match wanted.get("type"):
        case "text":
            return {}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            return {"response_format": {"type": "json_schema", "json_schema": _schema(wanted)}}
        case _:
            raise BadAsk("`text.format.type` must be `text`, `json_object` or `json_schema`.", param="text.format")


def _schema(wanted: Mapping[str, Any]) -> _Object:
    schema: _Object = {"name": as_text(wanted.get("name"), "text.format.name")}
    if wanted.get("description") is not None:
        schema["description"] = as_text(wanted["description"], "text.format.description")
    schema["schema"] = as_object(wanted.get("schema"), "text.format.schema")
    if wanted.get("strict") is not None:
        schema["strict"] = as_flag(wanted["strict"], "text.format.strict")
    return schema


def _tools(body: Mapping[str, Any]) -> _Object:
    tools = as_objects(body["tools"], "tools") if body.get("tools") is not None else []
    chat: _Object = {"tools": [_tool(tool) for tool in tools]} if tools else {}
    choice = body.get("tool_choice")
    if choice is None:
        return chat
    if choice in ("auto", "none", "required"):
        return chat | {"tool_choice": choice}
    choice = as_object(choice, "tool_choice")
    if choice.get("type") == "function":
        name = as_text(choice.get("name"), "tool_choice.name")
        return chat | {"tool_choice": {"type": "function", "function": {"name": name}}}
    if choice.get("type") == "allowed_tools":
        return _allowed(chat.get("tools", []), choice)
    raise BadAsk("`tool_choice` must be `auto`, `none`, `required`, a function or allowed tools.", param="tool_choice")


def _tool(tool: Mapping[str, Any]) -> _Object:
    if tool.get("type") != "function":
        raise BadAsk("Only function tools work here; the provider's own tools do not.", param="tools")
    function: _Object = {"name": as_text(tool.get("name"), "tools.name")}
    if tool.get("description") is not None:
        function["description"] = as_text(tool["description"], "tools.description")
    if tool.get("parameters") is not None:
        function["parameters"] = as_object(tool["parameters"], "tools.parameters")
    if tool.get("strict") is not None:
        function["strict"] = as_flag(tool["strict"], "tools.strict")
    return {"type": "function", "function": function}


def _allowed(tools: list[_Object], choice: Mapping[str, Any]) -> _Object:
    """Leave only the tools allowed: few chat servers know this choice, all know a shorter list."""
    if choice.get("mode") not in ("auto", "required"):
        raise BadAsk("`tool_choice.mode` must be `auto` or `required`.", param="tool_choice.mode")
    allowed = {
        as_text(tool.get("name"), "tool_choice.tools.name")
        for tool in as_objects(choice.get("tools"), "tool_choice.tools")
    }
    left = [tool for tool in tools if tool["function"]["name"] in allowed]
    if left:
        return {"tools": left, "tool_choice": choice["mode"]}
    if choice["mode"] == "required":
        raise BadAsk("`tool_choice` requires a tool but allows none of `tools`.", param="tool_choice.tools")
    return {}
