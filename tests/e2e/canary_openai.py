"""Every place of OpenAI's completion, embedding and Responses requests in which words can stand."""

from typing import Any

from canary_chat import OPTIONS, b64, call_arguments
from canary_fields import Field, Fragment, Json, fields_of, words

__all__ = [
    "COMMON",
    "COMPLETION_BASE",
    "COMPLETION_FIELDS",
    "EMBEDDING_BASE",
    "EMBEDDING_FIELDS",
    "RESPONSES_BASE",
    "RESPONSES_FIELDS",
]

COMPLETION_BASE: Json = {"prompt": "The capital of France is"}
EMBEDDING_BASE: Json = {"input": ["The capital of France"]}
QUESTION: Json = {"role": "user", "content": "What is the capital of France?"}
RESPONSES_BASE: Json = {"input": [QUESTION]}
CALL: Json = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
OUTPUT: Json = {"type": "function_call_output", "call_id": "call_1", "output": "done"}

SHARED = (
    "metadata value",
    "metadata key",
    "user id",
    "unknown key",
    "unknown value",
    "unknown, deep",
    "unknown list",
    "service tier",
    "safety identifier",
    "prompt cache key",
)
COMMON: dict[str, Fragment] = {
    **{name: OPTIONS[name] for name in SHARED},
    "model": lambda c: {"model": c},
    "metadata as text": lambda c: {"metadata": words(c)},
}

COMPLETION: dict[str, Fragment] = {
    "prompt": lambda c: {"prompt": words(c)},
    "prompt list": lambda c: {"prompt": ["first", words(c)]},
    "prompt as object": lambda c: {"prompt": {"text": words(c)}},
    "prompt deep list": lambda c: {"prompt": [["a"], [words(c)]]},
    "suffix": lambda c: {"suffix": words(c)},
    "stop": lambda c: {"stop": c},
    "stop list": lambda c: {"stop": ["x", c]},
    "logit bias key": lambda c: {"logit_bias": {c: 1}},
    "best of": lambda c: {"best_of": c},
    "guided regex": lambda c: {"guided_regex": c},
}

EMBEDDING: dict[str, Fragment] = {
    "input": lambda c: {"input": words(c)},
    "input list": lambda c: {"input": ["first", words(c)]},
    "input as object": lambda c: {"input": {"text": words(c)}},
    "input deep list": lambda c: {"input": [["a"], [words(c)]]},
    "encoding format": lambda c: {"encoding_format": c},
    "dimensions": lambda c: {"dimensions": c},
    "input type": lambda c: {"input_type": c},
}


def item(**fields: Any) -> Json:
    """A body whose input has one special item before the question."""
    return {"input": [fields, QUESTION]}


def part(**fields: Any) -> Json:
    """A body whose question has one special content part."""
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Look."}, fields]}]}


def tool(**fields: Any) -> Json:
    """A body that offers one function."""
    function = {"type": "function", "name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}}
    return {"tools": [{**function, **fields}]}


def mcp(**fields: Any) -> Json:
    """A body with a remote tool server."""
    return {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://example.org", **fields}]}


def shaped(**fields: Any) -> Json:
    """A body that wants structured output."""
    shape = {"type": "json_schema", "name": "answer", "schema": {"type": "object", "properties": {}}}
    return {"text": {"format": {**shape, **fields}}}


ITEMS: dict[str, Fragment] = {
    "instructions": lambda c: {"instructions": words(c)},
    "input": lambda c: {"input": words(c)},
    "input message": lambda c: {"input": [{"role": "user", "content": words(c)}]},
    "input system": lambda c: item(role="system", content=words(c)),
    "input developer": lambda c: item(role="developer", content=words(c)),
    "input assistant": lambda c: item(role="assistant", content=words(c)),
    "input typed message": lambda c: item(type="message", role="user", content=words(c)),
    "input text part": lambda c: part(type="input_text", text=words(c)),
    "output text part": lambda c: item(role="assistant", content=[{"type": "output_text", "text": words(c)}]),
    "refusal part": lambda c: item(role="assistant", content=[{"type": "refusal", "refusal": words(c)}]),
    "message id": lambda c: item(type="message", id=c, role="user", content="hello"),
    "message unknown": lambda c: item(role="user", content="hello", note=words(c)),
    "call arguments": lambda c: {"input": [{**CALL, "arguments": call_arguments(c)}, OUTPUT, QUESTION]},
    "call name": lambda c: {"input": [{**CALL, "name": c}, OUTPUT, QUESTION]},
    "call id": lambda c: {"input": [{**CALL, "call_id": c}, {**OUTPUT, "call_id": c}, QUESTION]},
    "call output": lambda c: {"input": [CALL, {**OUTPUT, "output": words(c)}, QUESTION]},
    "call output part": lambda c: {"input": [CALL, {**OUTPUT, "output": [_text(c)]}, QUESTION]},
    "custom call": lambda c: item(type="custom_tool_call", call_id="c", name="sql", input=words(c)),
    "custom output": lambda c: item(type="custom_tool_call_output", call_id="c", output=words(c)),
    "reasoning summary": lambda c: item(type="reasoning", id="r", summary=[{"type": "summary_text", "text": words(c)}]),
    "reasoning content": lambda c: item(
        type="reasoning", id="r", summary=[], content=[{"type": "reasoning_text", "text": words(c)}]
    ),
    "web search call": lambda c: item(type="web_search_call", id="w", status="completed", action={"query": words(c)}),
    "file search call": lambda c: item(type="file_search_call", id="w", status="completed", queries=[words(c)]),
    "code call": lambda c: item(type="code_interpreter_call", id="w", container_id="c", code=words(c)),
    "shell output": lambda c: item(type="local_shell_call_output", id="w", output=words(c)),
    "mcp call": lambda c: item(type="mcp_call", id="w", server_label="s", name="n", arguments=call_arguments(c)),
}

UNREADABLE: dict[str, Fragment] = {
    "image url": lambda c: part(type="input_image", image_url=f"https://example.org/{c}.png"),
    "image data": lambda c: part(type="input_image", image_url=f"data:image/png;base64,{b64(c)}"),
    "image file id": lambda c: part(type="input_image", file_id=c),
    "audio": lambda c: part(type="input_audio", input_audio={"data": b64(c), "format": "mp3"}),
    "file data": lambda c: part(type="input_file", filename="a.pdf", file_data=f"data:;base64,{b64(c)}"),
    "file name": lambda c: part(type="input_file", filename=f"{c}.pdf", file_data="data:;base64,AAAA"),
    "file url": lambda c: part(type="input_file", file_url=f"https://example.org/{c}"),
    "file id": lambda c: part(type="input_file", file_id=c),
    "encrypted reasoning": lambda c: item(type="reasoning", id="r", summary=[], encrypted_content=b64(c)),
    "screenshot": lambda c: item(
        type="computer_call_output", call_id="c", output={"type": "computer_screenshot", "image_url": f"data:,{b64(c)}"}
    ),
    "item reference": lambda c: item(type="item_reference", id=c),
    "unknown item": lambda c: item(type="hologram", hologram=words(c)),
    "unknown item type": lambda c: item(type=c, text="hello"),
    "unknown part": lambda c: part(type="hologram", hologram=words(c)),
    "previous response": lambda c: {"previous_response_id": f"resp_{c}"},
    "conversation": lambda c: {"conversation": f"conv_{c}"},
    "stored prompt": lambda c: {"prompt": {"id": f"pmpt_{c}"}},
}

SETTINGS: dict[str, Fragment] = {
    "tool name": lambda c: tool(name=c),
    "tool description": lambda c: tool(description=words(c)),
    "tool parameter": lambda c: tool(parameters={"type": "object", "properties": {c: {"type": "string"}}}),
    "tool enum": lambda c: tool(parameters={"type": "object", "properties": {"q": {"enum": [c]}}}),
    "tool server label": lambda c: mcp(server_label=c),
    "tool server url": lambda c: mcp(server_url=f"https://example.org/{c}"),
    "tool server header": lambda c: mcp(headers={"authorization": c}),
    "tool server description": lambda c: mcp(server_description=words(c)),
    "tool file search": lambda c: {"tools": [{"type": "file_search", "vector_store_ids": [c]}]},
    "tool location": lambda c: {"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": c}}]},
    "tool custom": lambda c: {"tools": [{"type": "custom", "name": "sql", "description": words(c)}]},
    "tool choice": lambda c: {**tool(), "tool_choice": {"type": "function", "name": c}},
    "format name": lambda c: shaped(name=c),
    "format description": lambda c: shaped(description=words(c)),
    "format property": lambda c: shaped(schema={"type": "object", "properties": {c: {"type": "string"}}}),
    "prompt variable": lambda c: {"prompt": {"id": "pmpt_1", "variables": {"name": words(c)}}},
    "include": lambda c: {"include": [c]},
    "truncation": lambda c: {"truncation": c},
    "reasoning": lambda c: {"reasoning": {"effort": c}},
    "input as object": lambda c: {"input": {"text": words(c)}},
    "input list of text": lambda c: {"input": [words(c)]},
    "role": lambda c: item(role=c, content="hello"),
    "store": lambda c: {"store": c},
    "max output tokens": lambda c: {"max_output_tokens": c},
}


def _text(canary: str) -> Json:
    return {"type": "input_text", "text": words(canary)}


COMPLETION_FIELDS: tuple[Field, ...] = fields_of({**COMPLETION, **COMMON}, answered=("guided ",))
EMBEDDING_FIELDS: tuple[Field, ...] = fields_of({**EMBEDDING, **COMMON})
RESPONSES_FIELDS: tuple[Field, ...] = (
    *fields_of(ITEMS),
    *fields_of(UNREADABLE, unreadable=tuple(UNREADABLE)),
    *fields_of({**SETTINGS, **COMMON}, answered=("format ",)),
)
