"""The question of a pipeline's stage as a letter: in chat between stages, in the caller's own API at the end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.pipeline import short_number
from localfleet.wire.derived import chat_body, derived
from localfleet.wire.read import Letter

__all__ = ["NUMBERS", "documents_of", "input_of", "last_letter", "stage_letter"]

NUMBERS = (
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed",
    "frequency_penalty", "presence_penalty", "stream", "stream_options",
)  # fmt: skip
"""Options that should hold no text: the caller's, for the stage that answers it."""
FORMS = ("response_format", "tools", "tool_choice", "stop", "stop_sequences", "text", "output_config")
"""Options that may hold text: only where the stage is at least as sensitive as the request itself."""
OPTIONS = (*NUMBERS, *FORMS)
DOCUMENT = ("text", "content", "page_content")


def input_of(letter: Letter) -> str:
    """What was said in a request, turn by turn."""
    places = ("messages", "system", "prompt", "instructions", "input")
    return "\n\n".join(span.text for span in letter.ask.spans if span.where.startswith(places))


def documents_of(letter: Letter) -> tuple[str, ...]:
    """The documents that a request brought in `documents`: texts, or objects with a title and a text."""
    given = letter.body.get("documents")
    return tuple(text for one in given if (text := _document(one))) if isinstance(given, list) else ()


def _document(one: object) -> str:
    if isinstance(one, str):
        return one
    if not isinstance(one, dict):
        return ""
    text = next((one[key] for key in DOCUMENT if isinstance(one.get(key), str)), "")
    title = one.get("title")
    return f"{title}\n{text}" if isinstance(title, str) and text else text


def stage_letter(
    parent: Letter, question: str, *, model: str, system: str | None, max_tokens: int | None,
    schema: Mapping[str, Any] | None, label: Label, fields: frozenset[str],
) -> Letter:  # fmt: skip
    """A letter to a stage in the middle: whole, in chat."""
    body = chat_body(model, question, system=system, max_tokens=max_tokens)
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "fields", "schema": schema}}
    return derived(parent, body, label=label, fields=fields)


def last_letter(
    parent: Letter, question: str, *, model: str, system: str | None, max_tokens: int | None, label: Label,
    lowered: bool, fields: frozenset[str],
) -> Letter:  # fmt: skip
    """
    The letter whose answer goes out, in the caller's API with the caller's options.

    `lowered` says that the stage reads less than the request holds: then nothing of the request goes along that could
    hold a word of it.
    """
    kept = _wordless(parent.body) if lowered else {key: parent.body[key] for key in OPTIONS if key in parent.body}
    limit = {} if max_tokens is None or any(key.startswith("max_") for key in kept) else {_limit(parent): max_tokens}
    body = {"model": model, **_turns(parent.ask.api, question, system), **limit, **kept}
    letter = derived(parent, body, label=label, fields=fields, api=parent.ask.api)
    return replace(letter, wants_usage=parent.wants_usage)


def _wordless(body: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers as they should be: nobody has looked whether a caller wrote words, or an account, in their places."""
    found: dict[str, Any] = {}
    for key in NUMBERS:
        value = body.get(key)
        if key == "stream_options" and isinstance(value, dict):
            found[key] = {"include_usage": value.get("include_usage") is True}
        elif isinstance(value, bool) or (value := short_number(value)) is not None:
            found[key] = value
    return found


def _limit(parent: Letter) -> str:
    return "max_output_tokens" if parent.ask.api is Api.RESPONSES else "max_tokens"


def _turns(api: Api, question: str, system: str | None) -> dict[str, Any]:
    if api is Api.RESPONSES:
        return {"input": question, "store": False} | ({} if system is None else {"instructions": system})
    if api is Api.COMPLETION:
        return {"prompt": question if system is None else f"{system}\n\n{question}"}
    if api is Api.MESSAGES:
        turns = {"messages": [{"role": "user", "content": question}], "max_tokens": 1024}
        return turns if system is None else {**turns, "system": system}
    return {"messages": chat_body("", question, system=system)["messages"]}
