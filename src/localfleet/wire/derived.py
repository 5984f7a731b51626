"""
Letters that the router writes itself: to a judge, or from one stage of a pipeline to the next.

They are made of a caller's words, so they are read and classified as a caller's own, and their label is at least that
of what they were made of (law 1). They belong to the same caller, with the same demands and the same deadline.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.wire.read import Letter, read_ask

__all__ = ["chat_body", "derived"]


def chat_body(model: str, text: str, *, system: str | None = None, max_tokens: int | None = None) -> dict[str, Any]:
    """A chat request with one turn of a user."""
    turns = [{"role": "user", "content": text}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    limit = {} if max_tokens is None else {"max_tokens": max_tokens}
    return {"model": model, "messages": turns, **limit}


def derived(
    parent: Letter,
    body: Mapping[str, Any],
    *,
    label: Label,
    fields: frozenset[str] = frozenset(),
    api: Api = Api.CHAT,
) -> Letter:
    """A letter of the router's own, made of text of `label`. It remembers no conversation: its parent does."""
    whole = dict(body)
    said, size = parent.ask, len(orjson.dumps(whole))
    letter = read_ask(
        whole, api=api, headers={}, caller=said.caller, request_id=said.request_id, size=size, fields=fields
    )
    ask = replace(
        letter.ask,
        declared=label,
        declared_by="derived",
        turns=(),
        providers=said.providers,
        deadline_ms=said.deadline_ms,
        max_cost_usd=said.max_cost_usd,
        priority=said.priority,
    )
    return replace(letter, ask=ask)
