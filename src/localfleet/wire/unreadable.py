"""
What of a body nobody here can read: images, sound, files, things kept elsewhere, encrypted and encoded text (law 2).

Content is read strictly: a part counts as readable only if its type says so and nothing else hangs on it. The rest of
the body (tools, schemas, options, unknown fields) may hold any JSON, so there only what names itself as media counts.
Encoded text is looked for wherever text stands.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from localfleet.core.ask import Span

__all__ = ["unreadable_in"]

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
    "image_file": "image",
    "image_embeds": "image",
    "input_audio": "audio",
    "audio": "audio",
    "audio_url": "audio",
    "video": "video",
    "video_url": "video",
    "input_video": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "container_upload": "file",
    "redacted_thinking": "encrypted",
    "reasoning.encrypted": "encrypted",
    "item_reference": "reference",
}
"""By the `type` of a part, and by the key that holds it: some servers take an image from a part of any type."""
REFERENCES = {
    "file_id": "file",
    "file_ids": "file",
    "file_url": "file",
    "file_data": "file",
    "file_uri": "file",
    "fileUri": "file",
    "attachments": "file",
    "image_url": "image",
    "images": "image",
    "encrypted_content": "encrypted",
}
HUNG_ON = KINDS | REFERENCES | dict.fromkeys(("inline_data", "inlineData", "fileData"), "file")
TOP = {
    "conversation": "reference",
    "container": "reference",
    "prompt_embeds": "encoded",
    "prompt_token_ids": "encoded",
    "multi_modal_data": "image",
    "image_data": "image",
    "images": "image",
    "attachments": "file",
    "file_id": "file",
    "file_ids": "file",
    "file_url": "file",
    "file_data": "file",
}
"""Fields of a body by which a server takes content that it keeps, or that is no text."""
CONTENT = ("content", "output", "summary")
PLAIN_TURN = {"role", "content"}
STRUCTURED = (dict, list)
MANY_NUMBERS = 64
"""A list of so many numbers is tokens, samples or an embedding, not a setting."""

STRIDE = 256
ENCODED = re.compile(r"[A-Za-z0-9+/=_\r\n-]{256}")
DATA_URL = re.compile(r";\s?base64,\s?[A-Za-z0-9+/_=%-]{16}", re.IGNORECASE)
PLAIN_SOURCE = frozenset({"type", "media_type", "data"})
LEAST_ALPHABET = 10
"""Fewer different characters are a ruler of dashes, not bytes; hexadecimal has sixteen."""
SIGNATURE = "messages[].content[].signature"
MOST_LINES = 6
"""In one piece: encoded bytes have lines of 64 characters and more; a list of words has short ones."""


def unreadable_in(
    turns: Sequence[Any], body: Mapping[str, Any], said: Collection[str], spans: Sequence[Span] = ()
) -> tuple[str, ...]:
    """
    The kinds of content that nothing here can read, each once.

    `turns` are what is said, in the fields `said` of the body; `spans` are all of its texts.
    """
    kinds = [*_in_content(turns)] if turns else []
    for key, value in body.items():
        # A number or a text of a name that is nobody's is nothing of all this.
        if key not in said and (key in TOP or isinstance(value, STRUCTURED)):
            kinds += _in_field(key, value)
    if any(map(_encoded, spans)):
        kinds.append("encoded")
    return tuple(dict.fromkeys(kinds)) if kinds else ()


def _in_content(turns: Sequence[Any]) -> Iterator[str]:
    stack: list[Any] = list(turns)
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if item.keys() == PLAIN_TURN and isinstance(item["content"], str):
                continue  # what nearly every turn is
            yield from _in_part(item)
            stack.extend(item[key] for key in CONTENT if item.get(key) is not None)
        elif not isinstance(item, str):
            yield "unknown"  # token ids, for one


def _in_part(item: dict[str, Any]) -> Iterator[str]:
    kind = item.get("type")
    if kind == "document":
        yield from _in_document(item)
    elif kind is None:
        if "role" not in item:
            yield "unknown"
    elif not isinstance(kind, str):
        yield "unknown"
    elif kind not in READABLE_PARTS:
        yield KINDS.get(kind, "unknown")
    for key, value in item.items():
        if key in HUNG_ON and value:
            yield HUNG_ON[key]
        elif isinstance(value, dict | list) and key not in CONTENT:
            yield from _hung_on(kind, key, value)


def _hung_on(kind: Any, key: str, value: Any) -> Iterator[str]:
    """What else hangs on a part; the arguments of a tool call are JSON of the caller's own making."""
    if key == "source":
        if kind != "document":
            yield "file"
    elif not (kind == "tool_use" and key == "input"):
        yield from _media(value)
        if key == "text":
            yield "unknown"


def _in_document(item: Mapping[str, Any]) -> Iterator[str]:
    """Plain text, or content that is all text; anything else is a file."""
    source = item.get("source")
    if isinstance(source, dict):
        if source.get("type") == "text" and isinstance(source.get("data"), str) and source.keys() <= PLAIN_SOURCE:
            return
        if source.get("type") == "content" and source.get("content"):
            yield from _in_content([source["content"]])
            return
    yield "file"


def _in_field(key: str, value: Any) -> Iterator[str]:
    if value and key in TOP:
        yield TOP[key]
    elif key == "prompt" and isinstance(value, dict):
        yield "reference"
    # Metadata is the caller's own notes: a `file_id` there points to nothing a provider has.
    if isinstance(value, STRUCTURED) and key != "metadata":
        yield from _media(value)


def _media(value: Any) -> Iterator[str]:
    """Media in JSON of any shape: what calls itself so by its type, file ids, long lists of numbers."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield from _named(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            if len(item) >= MANY_NUMBERS and all(isinstance(one, int | float) for one in item):
                yield "encoded"
            else:
                stack.extend(item)


def _named(item: Mapping[str, Any]) -> Iterator[str]:
    kind = item.get("type")
    if isinstance(kind, str) and kind in KINDS:
        yield from _in_document(item) if kind == "document" else (KINDS[kind],)
    for key in item.keys() & REFERENCES.keys():
        # An object here is the description of a field of that name in a schema.
        if item[key] and isinstance(item[key], str | list):
            yield REFERENCES[key]


def _encoded(span: Span) -> bool:
    """Whether a text holds base64 of some length, or a data URL."""
    text = span.text
    if ("base64," in text or "BASE64," in text) and DATA_URL.search(text):
        return True
    # A provider's signature under its own thinking is made there and means nothing elsewhere.
    if len(text) < 2 * STRIDE or span.where == SIGNATURE:
        return False
    return any(_is_encoded(text, start) for start in range(0, len(text) - STRIDE + 1, STRIDE))


def _is_encoded(text: str, start: int) -> bool:
    # Any run of twice the stride fills one piece; prose fails at its first space, so this costs next to nothing.
    if ENCODED.match(text, start) is None:
        return False
    piece = text[start : start + STRIDE]
    return len(set(piece)) >= LEAST_ALPHABET and any(map(str.isdigit, piece)) and piece.count("\n") < MOST_LINES
