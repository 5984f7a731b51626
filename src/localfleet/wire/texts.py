"""
Every text of a body, wherever it stands, and every part that nobody here can read.

The walk is over the whole JSON value, known field or not: a string that would leave is a `Span`. Known names stay in
the path, unknown keys are written `*`, because a key is the caller's text too. Numbers of five digits and more count as
text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localfleet.core.ask import Span

__all__ = ["spans_of", "unreadable_in"]

KNOWN = frozenset(
    """
    arguments call_id choices code content custom data department description detail developer document documents
    effort encoding_format enum file file_data file_id filename format function function_call functions id image_url
    input input_schema instructions items json_schema key language logit_bias max_tokens messages metadata model
    modalities name output parameters parts prediction project prompt properties reasoning reasoning_content refusal
    required response_format role schema session stop stop_sequences stream strict suffix summary system task team
    frequency_penalty logprobs max_completion_tokens max_output_tokens n parallel_tool_calls presence_penalty seed store
    stream_options temperature tenant text thinking title tool_call_id tool_calls tool_choice tool_use_id tools top_k
    top_logprobs top_p type url user user_id
    """.split()  # noqa: SIM905  # a list of quoted words of this length reads worse
)

STRUCTURE = frozenset(
    {
        "role", "type", "object", "tool_choice", "encoding_format", "effort", "detail",
        "service_tier", "truncation", "verbosity", "reasoning_effort", "format", "modalities",
    }
)  # fmt: skip
WORDS = frozenset(
    """
    system developer user assistant tool function text input_text output_text message json_object json_schema object
    string number integer boolean array null function_call function_call_output tool_use tool_result auto none required
    any image_url input_image image float base64 low medium high minimal default ephemeral custom
    """.split()  # noqa: SIM905  # as above
)
"""Values that structure fields have in nearly every request: dropping them keeps the scan short and hides nothing."""

FIVE_DIGITS = 10_000

READABLE_PARTS = frozenset(
    {
        "text", "input_text", "output_text", "refusal", "thinking", "message", "tool_use", "tool_result",
        "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
        "search_result", "summary_text", "reasoning_text",
    }
)  # fmt: skip
KINDS = {
    "image_url": "image",
    "image": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "container_upload": "file",
    "redacted_thinking": "encrypted",
    "item_reference": "reference",
}


def spans_of(body: Mapping[str, Any], fields: frozenset[str] = frozenset()) -> tuple[Span, ...]:
    """
    All texts of a parsed body in reading order.

    `fields` are further names to keep in paths (from the operator's field rules). The top-level `model` is not among
    the texts, for it is replaced before anything leaves.
    """
    return tuple(_walk({key: value for key, value in body.items() if key != "model"}, KNOWN | fields))


def _walk(body: Mapping[str, Any], known: frozenset[str]) -> Iterator[Span]:
    # An explicit stack: a body nested as deep as the parser allows must not exhaust Python's.
    stack: list[tuple[str, str, Any]] = [("", "", body)]
    while stack:
        where, key, value = stack.pop()
        if isinstance(value, str):
            if not (value in WORDS and key in STRUCTURE):
                # An unknown key is text as well, and the best context its value has.
                yield Span(where=where, text=value if key in known else f"{key}: {value}")
        elif isinstance(value, dict):
            stack.extend(_entries(where, value, known))
        elif isinstance(value, list):
            stack.extend((f"{where}[]", key, item) for item in reversed(value))
        elif isinstance(value, int | float) and abs(value) >= FIVE_DIGITS:
            yield Span(where=where, text=f"{key}: {value}")


def _entries(where: str, mapping: dict[str, Any], known: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    """The entries of an object last first; an unknown key without a text of its own counts alone."""
    dot = f"{where}." if where else ""
    for key in reversed(mapping):
        value = mapping[key]
        if key in known:
            yield dot + key, key, value
        else:
            yield dot + "*", key, value
            if not isinstance(value, str):
                yield dot + "*", "key", key


def unreadable_in(turns: Sequence[Any]) -> tuple[str, ...]:
    """The kinds of content in these turns that nothing here can read, each once."""
    kinds: dict[str, None] = {}
    stack: list[Any] = list(turns)
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            kind = _part_kind(item)
            if kind is not None:
                kinds[kind] = None
            stack.extend(value for key in ("content", "output", "summary") if isinstance(value := item.get(key), list))
            if isinstance(item.get("audio"), dict):
                kinds["audio"] = None
        elif not isinstance(item, str):
            kinds["unknown"] = None
    return tuple(kinds)


def _part_kind(item: Mapping[str, Any]) -> str | None:
    kind = item.get("type")
    if kind is None:
        return None if "role" in item else "unknown"
    if kind == "document" and _is_text_document(item):
        return None
    if kind == "reasoning" and item.get("encrypted_content"):
        return "encrypted"
    if isinstance(kind, str) and kind in READABLE_PARTS:
        return None
    return KINDS.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _is_text_document(item: Mapping[str, Any]) -> bool:
    source = item.get("source")
    return isinstance(source, dict) and source.get("type") == "text" and isinstance(source.get("data"), str)
