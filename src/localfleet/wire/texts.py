"""
Every text of a body, wherever it stands.

The walk is over the whole JSON value, known field or not: a string that would leave is a `Span`. Known names stay in
the path, unknown keys are written `*`, because a key is the caller's text too. Numbers of five digits and more count as
text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from localfleet.core.ask import Span

__all__ = ["spans_of"]

KNOWN = frozenset(
    """
    arguments call_id choices code content custom data department description detail developer document documents
    effort encoding_format enum file file_data file_id filename format function function_call functions id image_url
    input input_schema instructions items json_schema key language logit_bias max_tokens messages metadata model
    modalities name output parameters parts prediction project prompt properties query reasoning reasoning_content
    refusal required response_format return_documents role schema session signature stop stop_sequences stream strict
    suffix summary system task frequency_penalty logprobs max_completion_tokens max_output_tokens n
    parallel_tool_calls presence_penalty seed store stream_options team temperature tenant text thinking title
    tool_call_id tool_calls tool_choice tool_use_id tools top_k top_logprobs top_n top_p type url user user_id
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
"""Values that structure fields have in nearly every request."""

PLAIN_TURN = {"role", "content"}
FIVE_DIGITS = 10_000


def spans_of(body: Mapping[str, Any], fields: frozenset[str] = frozenset()) -> tuple[Span, ...]:
    """
    All texts of a parsed body in reading order.

    `fields` are further names to keep in paths (from the operator's field rules); their values count even where they
    are small numbers, flags or everyday words. The top-level `model` is not among the texts, for it is replaced before
    anything leaves.
    """
    known = KNOWN | fields if fields else KNOWN
    # A stack of iterators: neither depth nor a list of millions of items may exhaust anything.
    spans: list[Span] = []
    stack = [_entries("", body, known)]
    while stack:
        for where, key, value in stack[-1]:
            if where == "model":
                continue
            if isinstance(value, str) and key in known and key not in fields:
                # Nearly every text: dropping everyday words of the structure keeps the scan short and hides nothing.
                if key not in STRUCTURE or value not in WORDS:
                    spans.append(Span(where=where, text=value))
            elif isinstance(value, dict):
                stack.append(_entries(where, value, known))
                break
            elif isinstance(value, list):
                if not fields and (said := _plain_turns(value)):
                    inside = f"{where}[].content"
                    spans += [Span(where=inside, text=text) for text in said]
                    continue  # nearly every conversation, without a walk of its own
                stack.append(_items(where, key, value))
                break
            elif (text := _ruled(value) if key in fields else _text(key, value)) is not None:
                spans.append(Span(where=where, text=text))
        else:
            stack.pop()
    return tuple(spans)


def _plain_turns(items: list[Any]) -> list[str]:
    """What is said in a list of turns that have a known role and a text, and nothing else; else nothing."""
    said = []
    for item in items:
        if not isinstance(item, dict) or item.keys() != PLAIN_TURN:
            return []
        role, text = item["role"], item["content"]
        if not isinstance(role, str) or role not in WORDS or not isinstance(text, str):
            return []
        said.append(text)
    return said


def _entries(where: str, mapping: Mapping[str, Any], known: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    """The entries of an object; an unknown key without a text of its own counts alone."""
    dot = f"{where}." if where else ""
    for key, value in mapping.items():
        if key in known:
            yield dot + key, key, value
        else:
            if not isinstance(value, str):
                yield dot + "*", "key", key
            yield dot + "*", key, value


def _items(where: str, key: str, items: list[Any]) -> Iterator[tuple[str, str, Any]]:
    inside = f"{where}[]"
    for item in items:
        yield inside, key, item


def _text(key: str, value: Any) -> str | None:
    """The text under an unknown key, which is text as well and the best context its value has; or a long number."""
    if type(value) is int and -FIVE_DIGITS < value < FIVE_DIGITS:
        return None  # a setting, as nearly all of them
    if isinstance(value, str):
        return None if value in WORDS and key in STRUCTURE else f"{key}: {value}"
    if isinstance(value, bool) or value is None:
        return None
    # Without its sign and the ".0" of tables that were read as floats, which would hide its ends from the detectors.
    size = abs(value)
    size = int(size) if isinstance(size, float) and size.is_integer() else size
    return f"{key}: {size}" if size >= FIVE_DIGITS or _long_fraction(size) else None


def _long_fraction(size: float) -> bool:
    return isinstance(size, float) and len(repr(size)) > len("0.9999")


def _ruled(value: Any) -> str | None:
    """The value of a field that a rule looks at, as the rule spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
