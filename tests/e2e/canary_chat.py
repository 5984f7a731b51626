"""Every place of a chat completion request in which words can stand."""

import base64
import json
from typing import Any

from canary_fields import Field, Fragment, Json, fields_of, words

__all__ = ["BASE", "FIELDS"]

USER: Json = {"role": "user", "content": "What is the capital of France?"}
BASE: Json = {"messages": [USER]}


def said(content: Any, role: str = "user", **more: Any) -> Json:
    """A body whose history holds one special message before the question."""
    return {"messages": [{"role": role, "content": content, **more}, USER]}


def part(**fields: Any) -> Json:
    """A body whose question has one special content part."""
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look at this."}, fields]}]}


def called(**fields: Any) -> Json:
    """A body with a tool call in its history, and the tool's result."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}, **fields}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"messages": [USER, asked, {"role": "tool", "tool_call_id": call["id"], "content": "done"}]}


def tool(**fields: Any) -> Json:
    """A body that offers one tool."""
    function = {"name": "look_up", "description": "Looks up.", "parameters": {"type": "object", "properties": {}}}
    return {"tools": [{"type": "function", "function": {**function, **fields}}]}


def schema(**properties: Any) -> Json:
    """The JSON schema of a tool's parameters."""
    return {"parameters": {"type": "object", "properties": properties}}


def shaped(**fields: Any) -> Json:
    """A body that wants structured output."""
    shape = {"name": "answer", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}, **fields}
    return {"response_format": {"type": "json_schema", "json_schema": shape}}


def b64(canary: str) -> str:
    """The canary in base64, as files travel."""
    return base64.b64encode(words(canary).encode()).decode()


def call_arguments(canary: str) -> str:
    """A tool call's arguments: JSON text inside JSON."""
    return json.dumps({"query": words(canary)})


HISTORY: dict[str, Fragment] = {
    "system": lambda c: said(words(c), "system"),
    "developer": lambda c: said(words(c), "developer"),
    "user": lambda c: {"messages": [{"role": "user", "content": words(c)}]},
    "user, earlier": lambda c: {
        "messages": [*said(words(c))["messages"][:1], {"role": "assistant", "content": "ok"}, USER]
    },
    "assistant": lambda c: said(words(c), "assistant"),
    "assistant refusal": lambda c: said(None, "assistant", refusal=words(c)),
    "assistant refusal part": lambda c: said([{"type": "refusal", "refusal": words(c)}], "assistant"),
    "assistant text part": lambda c: said([{"type": "text", "text": words(c)}], "assistant"),
    "assistant reasoning": lambda c: said("ok", "assistant", reasoning_content=words(c)),
    "assistant audio id": lambda c: said("ok", "assistant", audio={"id": c}),
    "system text part": lambda c: said([{"type": "text", "text": words(c)}], "system"),
    "user text part": lambda c: part(type="text", text=words(c)),
    "user second text": lambda c: said([{"type": "text", "text": "a"}, {"type": "text", "text": words(c)}]),
    "text part extra": lambda c: part(type="text", text="a", note=words(c)),
    "message name": lambda c: said("hello", name=c),
    "message unknown key": lambda c: said("hello", **{c: "1"}),
    "message unknown value": lambda c: said("hello", note={"inner": [words(c)]}),
    "tool result": lambda c: {"messages": [*called()["messages"][:2], _result(words(c))]},
    "tool result part": lambda c: {
        "messages": [*called()["messages"][:2], _result([{"type": "text", "text": words(c)}])]
    },
    "tool result id": lambda c: {"messages": [*called()["messages"][:2], {**_result("done"), "tool_call_id": c}]},
    "tool call arguments": lambda c: called(function={"name": "look_up", "arguments": call_arguments(c)}),
    "tool call argument key": lambda c: called(function={"name": "look_up", "arguments": json.dumps({c: 1})}),
    "tool call arguments, broken": lambda c: called(function={"name": "look_up", "arguments": f'{{"q": "{c}'}),
    "tool call arguments, object": lambda c: called(function={"name": "look_up", "arguments": {"q": c}}),
    "tool call name": lambda c: called(function={"name": c, "arguments": "{}"}),
    "tool call id": lambda c: called(id=c),
    "tool call custom": lambda c: called(type="custom", custom={"name": "sql", "input": words(c)}),
    "function call": lambda c: said(None, "assistant", function_call={"name": "f", "arguments": call_arguments(c)}),
    "function result": lambda c: said(words(c), "function", name="f"),
    "function result name": lambda c: said("done", "function", name=c),
}

UNREADABLE: dict[str, Fragment] = {
    "image url": lambda c: part(type="image_url", image_url={"url": f"https://example.org/{c}.png"}),
    "image data": lambda c: part(type="image_url", image_url={"url": f"data:image/png;base64,{b64(c)}"}),
    "image as string": lambda c: part(type="image_url", image_url=f"data:image/png;base64,{b64(c)}"),
    "audio": lambda c: part(type="input_audio", input_audio={"data": b64(c), "format": "wav"}),
    "file data": lambda c: part(type="file", file={"filename": "a.pdf", "file_data": f"data:;base64,{b64(c)}"}),
    "file name": lambda c: part(type="file", file={"filename": f"{c}.pdf", "file_data": "data:;base64,AAAA"}),
    "file id": lambda c: part(type="file", file={"file_id": f"file-{c}"}),
    "video": lambda c: part(type="video_url", video_url={"url": f"https://example.org/{c}.mp4"}),
    "unknown part": lambda c: part(type="hologram", hologram=words(c)),
    "unknown part type": lambda c: part(type=c, text="hello"),
}

TOOLS: dict[str, Fragment] = {
    "tool name": lambda c: tool(name=c),
    "tool description": lambda c: tool(description=words(c)),
    "tool parameter name": lambda c: tool(**schema(**{c: {"type": "string"}})),
    "tool parameter description": lambda c: tool(**schema(q={"type": "string", "description": words(c)})),
    "tool parameter enum": lambda c: tool(**schema(q={"enum": [c, "b"]})),
    "tool parameter default": lambda c: tool(**schema(q={"type": "string", "default": c})),
    "tool parameter const": lambda c: tool(**schema(q={"const": c})),
    "tool parameter examples": lambda c: tool(**schema(q={"type": "string", "examples": [c]})),
    "tool parameter pattern": lambda c: tool(**schema(q={"type": "string", "pattern": c})),
    "tool parameter, deep": lambda c: tool(**schema(q=_nested(c, 12))),
    "tool $defs": lambda c: tool(parameters={"type": "object", "$defs": {c: {"title": words(c)}}}),
    "tool required": lambda c: tool(parameters={"type": "object", "required": [c]}),
    "tool unknown field": lambda c: tool(note=words(c)),
    "tool custom": lambda c: {"tools": [{"type": "custom", "custom": {"name": "sql", "description": words(c)}}]},
    "tool custom grammar": lambda c: {"tools": [_grammar(c)]},
    "tool of unknown type": lambda c: {"tools": [{"type": c, "note": words(c)}]},
    "tool choice": lambda c: {**tool(), "tool_choice": {"type": "function", "function": {"name": c}}},
    "tool choice word": lambda c: {**tool(), "tool_choice": c},
    "function": lambda c: {"functions": [{"name": "f", "description": words(c), "parameters": {}}]},
    "function name": lambda c: {"functions": [{"name": c, "parameters": {}}]},
    "function choice": lambda c: {"functions": [{"name": "f", "parameters": {}}], "function_call": {"name": c}},
}

OPTIONS: dict[str, Fragment] = {
    "metadata value": lambda c: {"metadata": {"note": words(c)}},
    "metadata key": lambda c: {"metadata": {c: "1"}},
    "metadata nested": lambda c: {"metadata": {"note": [{"inner": words(c)}]}},
    "user id": lambda c: {"user": c},
    "safety identifier": lambda c: {"safety_identifier": c},
    "prompt cache key": lambda c: {"prompt_cache_key": c},
    "stop": lambda c: {"stop": c},
    "stop list": lambda c: {"stop": ["x", c]},
    "logit bias key": lambda c: {"logit_bias": {c: 1}},
    "schema name": lambda c: shaped(name=c),
    "schema description": lambda c: shaped(description=words(c)),
    "schema property": lambda c: shaped(schema={"type": "object", "properties": {c: {"type": "string"}}}),
    "schema property description": lambda c: shaped(schema={"properties": {"q": {"description": words(c)}}}),
    "schema enum": lambda c: shaped(schema={"type": "object", "properties": {"q": {"enum": [c]}}}),
    "schema unknown field": lambda c: shaped(note=words(c)),
    "response format type": lambda c: {"response_format": {"type": c}},
    "prediction": lambda c: {"prediction": {"type": "content", "content": words(c)}},
    "prediction part": lambda c: {"prediction": {"type": "content", "content": [{"type": "text", "text": words(c)}]}},
    "web search city": lambda c: {"web_search_options": {"user_location": {"approximate": {"city": c}}}},
    "service tier": lambda c: {"service_tier": c},
    "reasoning effort": lambda c: {"reasoning_effort": c},
    "modalities": lambda c: {"modalities": ["text", c]},
    "guided regex": lambda c: {"guided_regex": c},
    "guided json": lambda c: {"guided_json": {"properties": {c: {}}}},
    "chat template": lambda c: {"chat_template": words(c)},
    "chat template value": lambda c: {"chat_template_kwargs": {"note": words(c)}},
    "documents": lambda c: {"documents": [{"title": "a", "text": words(c)}]},
    "stream options": lambda c: {"stream_options": {"include_usage": True, "note": c}},
    "unknown key": lambda c: {c: "1"},
    "unknown value": lambda c: {"x_note": words(c)},
    "unknown, deep": lambda c: {"x_note": _nested(c, 40)},
    "unknown list": lambda c: {"x_note": [[[words(c)]]]},
}

WRONG: dict[str, Fragment] = {
    "model": lambda c: {"model": c},
    "model with slash": lambda c: {"model": f"openai/{c}"},
    "role": lambda c: said("hello", c),
    "messages as text": lambda c: {"messages": words(c)},
    "message as text": lambda c: {"messages": [words(c), USER]},
    "messages as object": lambda c: {"messages": {c: words(c)}},
    "content as object": lambda c: said({"text": words(c)}),
    "content as list of text": lambda c: said([words(c)]),
    "temperature": lambda c: {"temperature": c},
    "max tokens": lambda c: {"max_tokens": c},
    "n": lambda c: {"n": c},
    "stream": lambda c: {"stream": c},
    "tools as text": lambda c: {"tools": words(c)},
    "metadata as text": lambda c: {"metadata": words(c)},
    "metadata privacy": lambda c: {"metadata": {"privacy": c}},
    "metadata task": lambda c: {"metadata": {"task": c}},
    "metadata session": lambda c: {"metadata": {"session": c}},
    "logprobs": lambda c: {"logprobs": c},
}

RAW: tuple[Field, ...] = (
    Field(
        name="duplicate key, first",
        raw=True,
        fragment=lambda c: {"raw": f'{{"messages":[{{"role":"user","content":"{words(c)}"}}],%s}}'},
    ),
    Field(
        name="duplicate key, last",
        raw=True,
        fragment=lambda c: {"raw": f'{{%s,"messages":[{{"role":"user","content":"{words(c)}"}}]}}'},
    ),
    Field(name="after the end", raw=True, fragment=lambda c: {"raw": f"{{%s}} {c}"}),
    Field(name="cut short", raw=True, fragment=lambda c: {"raw": f'{{%s,"x_note":"{c}'}),
    Field(name="not a number", raw=True, fragment=lambda c: {"raw": f'{{%s,"x_note":"{c}","top_p":NaN}}'}),
    Field(name="lone surrogate", raw=True, fragment=lambda c: {"raw": f'{{%s,"x_note":"\\ud800{c}"}}'}),
    Field(name="no json at all", raw=True, fragment=lambda c: {"raw": words(c)}),
)


def _result(content: Any) -> Json:
    return {"role": "tool", "tool_call_id": "call_1", "content": content}


def _grammar(canary: str) -> Json:
    shape = {"type": "grammar", "grammar": {"syntax": "regex", "definition": canary}}
    return {"type": "custom", "custom": {"name": "sql", "format": shape}}


def _nested(canary: str, depth: int) -> Json:
    inner: Json = {"description": words(canary)}
    for _ in range(depth):
        inner = {"properties": {"q": inner}}
    return inner


FIELDS: tuple[Field, ...] = (
    *fields_of(HISTORY),
    *fields_of(UNREADABLE, unreadable=tuple(UNREADABLE)),
    *fields_of({**TOOLS, **OPTIONS, **WRONG}, unreadable=("metadata privacy",), answered=("schema ", "guided ")),
    *RAW,
)
