"""
What a body is made of, in tokens by part, and the words that ask.

Estimates of four characters a token, for strategies and reports; what is billed is counted by engines. Documents are
what the body itself marks as such: `documents`, content blocks of type `document` or `search_result`, and text between
`<document>`, `<documents>` or `<context>` tags.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api, Ask
from localfleet.core.routing.parts import Parts
from localfleet.wire.turns import turns_of

__all__ = ["parts_of"]

CHARS_PER_TOKEN = 4
STANDING = frozenset({"system", "developer"})
ASKING = frozenset({"user"})
RESULTS = frozenset({"tool", "function"})
RESULT_TYPES = frozenset({"tool_result", "function_call_output"})
DOCUMENT_TYPES = frozenset({"document", "search_result"})
TAGGED = re.compile(r"<(documents?|context)>.*?</\1>", re.DOTALL)


def parts_of(ask: Ask, body: Mapping[str, Any]) -> tuple[Parts, str]:
    """The tokens by part, and the text of the last user turn without the documents in it."""
    found = {"system": 0, "user": 0, "documents": _size(body.get("documents")), "history": 0, "tool_results": 0}
    turns = turns_of(ask.api, body)
    if ask.api is Api.RERANK:
        turns = turns[:1]  # its documents are counted already
    last = _last_asking(turns, ask.api)
    said: list[str] = []
    for at, turn in enumerate(turns):
        role = _role(turn, body, at)
        for kind, text in _texts(turn):
            where = _where(role, kind, asks=at == last)
            inside = _tagged(text) if where == "user" else 0
            found["documents"] += inside
            found[where] += len(text) - inside
            if where == "user":
                said.append(TAGGED.sub("", text) if inside else text)
    tokens = {name: chars // CHARS_PER_TOKEN for name, chars in found.items()}
    tools = _size(body.get("tools")) + _size(body.get("functions"))
    output = (ask.max_output_tokens or 0) * ask.choices
    return Parts(**tokens, tools=tools // CHARS_PER_TOKEN, output=output), "\n".join(said)


def _where(role: str, kind: str, *, asks: bool) -> str:
    if kind in DOCUMENT_TYPES:
        return "documents"
    if kind in RESULT_TYPES or role in RESULTS:
        return "tool_results"
    if role in STANDING:
        return "system"
    return "user" if asks else "history"


def _last_asking(turns: list[Any], api: Api) -> int:
    """The place of the last turn of the user; of the last turn where nothing has a role."""
    if api in {Api.COMPLETION, Api.EMBEDDING, Api.RERANK}:
        return len(turns) - 1
    asking = [at for at, turn in enumerate(turns) if not isinstance(turn, dict) or turn.get("role") in ASKING]
    return asking[-1] if asking else -1


def _role(turn: Any, body: Mapping[str, Any], at: int) -> str:
    if isinstance(turn, dict) and isinstance(turn.get("role"), str):
        return str(turn["role"])
    standing = at == 0 and any(turn is body.get(name) for name in ("system", "instructions"))
    return "system" if standing else "user"


def _texts(turn: Any) -> Iterator[tuple[str, str]]:
    """Each text of a turn with the type of the block that it stands in."""
    if isinstance(turn, str):
        yield "text", turn
    elif isinstance(turn, list):
        for block in turn:
            yield from _texts(block)
    elif isinstance(turn, dict):
        kind = turn.get("type")
        kind = kind if isinstance(kind, str) else "text"
        if kind in DOCUMENT_TYPES or kind in RESULT_TYPES:
            yield kind, orjson.dumps(turn).decode()
            return
        for key in ("text", "content", "arguments", "input", "tool_calls"):
            inner = turn.get(key)
            if isinstance(inner, str):
                yield kind, inner
            elif isinstance(inner, list) and key == "content":
                yield from _texts(inner)
            elif inner:
                yield kind, orjson.dumps(inner).decode()


def _tagged(text: str) -> int:
    """Characters between tags of documents; looked for only where a tag closes."""
    if "</document" not in text and "</context>" not in text:
        return 0
    return sum(len(found.group()) for found in TAGGED.finditer(text))


def _size(value: Any) -> int:
    return len(orjson.dumps(value)) if value else 0
