"""
The turns of a conversation: what was said, in order, and as bytes that stay the same from request to request.

A fingerprint of those bytes recognises a restricted conversation later (`core.conversation`), so everything that a
client changes between two requests of one conversation is left out here.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.errors import BadAsk
from localfleet.wire.ranking import query_of, texts_of

__all__ = ["MAX_DEPTH", "fingerprinted", "one_of", "plain_prints", "plain_turns", "too_deep", "turns_of"]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
STANDING = frozenset({"system", "developer"})
CACHE_MARK = "cache_control"
CACHE_MARK_BYTES = CACHE_MARK.encode()
PLAIN_TURN = {"role", "content"}
NOT_SAID = frozenset({"id", "status"})
"""What an API gives an item beside its words."""
TEXT_PART = frozenset({"type", "text", "annotations", "logprobs", CACHE_MARK})
TEXT_TYPES = ("text", "input_text", "output_text")
MAX_DEPTH = 200
"""Levels of nesting. The parser takes 1024, but nothing beyond some 250 can be written again, to anybody."""


def plain_turns(api: Api, body: Mapping[str, Any]) -> list[dict[str, str]]:
    """
    The messages of a chat, if each has a known role, a text, and nothing else; else none.

    So it is with nearly every chat, and then it need not be asked again, by each reader, what its turns are made of.
    """
    messages = body.get("messages") if api is Api.CHAT else None
    if not isinstance(messages, list):
        return []
    for message in messages:
        if not isinstance(message, dict) or message.keys() != PLAIN_TURN:
            return []
        if not isinstance(message["content"], str) or not one_of(message["role"], ROLES):
            return []
    return messages


def plain_prints(turns: list[dict[str, str]]) -> tuple[bytes, ...]:
    """What `fingerprinted` makes of plain turns."""
    option, dumps = orjson.OPT_SORT_KEYS, orjson.dumps
    return tuple([dumps(turn, option=option) for turn in turns if turn["role"] not in STANDING])


def turns_of(api: Api, body: Mapping[str, Any]) -> list[Any]:
    """The turns of a conversation, checked as far as the router itself relies on their shape."""
    if api in {Api.CHAT, Api.MESSAGES}:
        head = [body["system"]] if api is Api.MESSAGES and body.get("system") is not None else []
        return [*head, *_messages(body)]
    if api is Api.COMPLETION:
        return [_filled(body, "prompt")]
    if api is Api.EMBEDDING:
        return [_filled(body, "input")]
    if api is Api.RERANK:
        return [query_of(body), texts_of(body)]
    head = [body["instructions"]] if body.get("instructions") is not None else []
    given = _filled(body, "input")
    return [*head, *(given if isinstance(given, list) else [given])]


def _messages(body: Mapping[str, Any]) -> list[Any]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadAsk("`messages` must be a list with at least one message.", param="messages")
    for message in messages:
        if not isinstance(message, dict):
            raise BadAsk("Every message must be an object with a role and content.", param="messages")
        if not one_of(message.get("role"), ROLES):
            raise BadAsk(
                "A message has no known role. Use system, developer, user, assistant, tool or function.",
                param="messages.role",
            )
    return messages


def _filled(body: Mapping[str, Any], key: str) -> Any:
    value = body.get(key)
    if not isinstance(value, str | list) or not value:
        raise BadAsk(f"`{key}` must be a text or a list, and not empty.", param=key)
    return value


def fingerprinted(body: Mapping[str, Any], turns: list[Any]) -> tuple[bytes, ...]:
    """The canonical bytes of each turn that was spoken; raise `BadAsk` for one nested too deeply to be written."""
    return tuple([_canonical(turn) for turn in _spoken(body, turns)])


def _spoken(body: Mapping[str, Any], turns: list[Any]) -> list[Any]:
    """The turns without standing instructions: a date in a system prompt must not hide that a conversation goes on."""
    system, instructions = body.get("system"), body.get("instructions")
    return [turn for turn in turns if turn is not system and turn is not instructions and not _instructs(turn)]


def _instructs(turn: Any) -> bool:
    return isinstance(turn, dict) and one_of(turn.get("role"), STANDING)


def _canonical(turn: Any) -> bytes:
    """One turn as bytes that stay the same over a conversation, for its fingerprint."""
    try:
        said = _plain(turn)
        written = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        # Clients move Anthropic's cache marks along with every request; what is said stays the same.
        if CACHE_MARK_BYTES in written:
            written = orjson.dumps(_unmarked(said), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise too_deep() from None
    return written


def _plain(turn: Any) -> Any:
    """
    What was said and by whom, without how it is written.

    One client writes the same turn in several ways, from one request to the next: as a text, as its only part, as an
    item with an id, with fields that are empty; and in each API in other ones.
    """
    if isinstance(turn, str):
        return {"role": "user", "content": turn}
    if not isinstance(turn, dict) or (turn.keys() == PLAIN_TURN and isinstance(turn["content"], str)):
        return turn
    said = {key: value for key, value in _filled_in(turn).items() if key not in NOT_SAID}
    if said.get("type") == "message":
        del said["type"]
    if isinstance(said.get("content"), list):
        parts = [_part(part) for part in said["content"]]
        alone = len(parts) == 1 and isinstance(parts[0], str)
        said["content"] = parts[0] if alone else parts
    return said


def _filled_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None and value != []}


def _part(part: Any) -> Any:
    """A part that is a text and nothing else, as that text."""
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return part
    said = _filled_in(part)
    return part["text"] if said.keys() <= TEXT_PART and said.get("type", "text") in TEXT_TYPES else said


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(inner) for key, inner in value.items() if key != CACHE_MARK}
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


def one_of(value: Any, words: frozenset[str]) -> bool:
    """Whether a value of any kind is one of these words."""
    # A list or an object cannot even be looked up in a set.
    return isinstance(value, str) and value in words


def too_deep() -> BadAsk:
    """The refusal of a body that could not be written again."""
    return BadAsk(f"The body is nested too deeply. Send at most {MAX_DEPTH} levels of objects and lists.")
