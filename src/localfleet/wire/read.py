"""
Bytes -> `Ask`: the few facts a decision needs, read once.

What is read here is what leaves: engines serialise the parsed body again, never the caller's bytes, so that no second
reading (a duplicate key, a lone surrogate, an odd number) can differ from ours. Unknown fields travel on untouched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from localfleet.core.ask import Api, Ask, Caller, Need, Priority
from localfleet.core.label import Label
from localfleet.errors import BadAsk
from localfleet.wire.texts import spans_of, unreadable_in

__all__ = ["Letter", "Wishes", "parse_body", "read_ask"]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
BYTES_PER_TOKEN = 4
"""A common rule of thumb for English; only an estimate, kept apart from measured counts."""
TOKENS_PER_TURN = 4
MAX_ID_BYTES = 512
PREFIX = "x-localfleet-"
METADATA_KEYS = ("privacy", "task", "session", "max_cost_usd", "deadline_ms", "priority")
HEADERS = {key: PREFIX + key.replace("_", "-") for key in METADATA_KEYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The opened letter: the facts, and the parsed body that engines may send on."""

    ask: Ask
    body: Mapping[str, Any]
    wants_usage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller said about the request, from headers and from the body's `metadata`."""

    label: Label | None
    label_by: str
    task: str | None
    session: str | None
    max_cost_usd: Decimal | None
    deadline_ms: int | None
    priority: Priority


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object; raise `BadAsk` for anything else (NaN, invalid UTF-8 and lone surrogates included)."""
    try:
        body = orjson.loads(raw)
    except (orjson.JSONDecodeError, RecursionError):
        raise BadAsk("The body is not valid JSON in UTF-8. Send one JSON object.") from None
    if not isinstance(body, dict):
        raise BadAsk("The body is not a JSON object. Send one JSON object.")
    return body


def read_ask(
    body: dict[str, Any],
    *,
    api: Api,
    headers: Mapping[str, str],
    caller: Caller,
    request_id: str,
    size: int,
    fields: frozenset[str] = frozenset(),
) -> Letter:
    """
    Read the facts of a parsed body.

    `size` is its length in bytes, `headers` have lower-case names, `fields` are names that operator rules look at.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadAsk("`model` is missing. Use a name from GET /v1/models, or auto.", param="model")
    turns = _turns(api, body)
    wishes = read_wishes(headers, body.get("metadata"))
    ask = Ask(
        request_id=request_id,
        api=api,
        model=model,
        caller=caller,
        spans=spans_of(body, fields),
        unreadable=_unreadable(body, turns),
        turns=tuple(map(_canonical, turns)),
        needs=_needs(body),
        stream=_flag(body, "stream"),
        input_tokens=size // BYTES_PER_TOKEN + TOKENS_PER_TURN * len(turns),
        input_bytes=size,
        max_output_tokens=_max_output(body),
        choices=_choices(api, body),
        declared=wishes.label,
        declared_by=wishes.label_by,
        task=wishes.task,
        session=wishes.session,
        previous_response=_short_text(body, "previous_response_id"),
        max_cost_usd=wishes.max_cost_usd,
        deadline_ms=wishes.deadline_ms,
        priority=wishes.priority,
    )
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Letter(ask=ask, body=body, wants_usage=wants_usage)


def _canonical(turn: Any) -> bytes:
    return orjson.dumps(turn, option=orjson.OPT_SORT_KEYS)


def _turns(api: Api, body: Mapping[str, Any]) -> list[Any]:
    """The turns of a conversation, checked as far as the router itself relies on their shape."""
    if api in {Api.CHAT, Api.MESSAGES}:
        head = [body["system"]] if api is Api.MESSAGES and body.get("system") is not None else []
        return [*head, *_messages(body)]
    if api is Api.COMPLETION:
        return [_filled(body, "prompt")]
    if api is Api.EMBEDDING:
        return [_filled(body, "input")]
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
        if message.get("role") not in ROLES:
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


def _unreadable(body: Mapping[str, Any], turns: list[Any]) -> tuple[str, ...]:
    # Token ids instead of text cannot be read either, nor can what a provider keeps on its side.
    kinds = dict.fromkeys(unreadable_in(turns))
    if body.get("conversation") is not None or isinstance(body.get("prompt"), dict):
        kinds["reference"] = None
    return tuple(kinds)


def _needs(body: Mapping[str, Any]) -> frozenset[Need]:
    needs = set()
    if body.get("tools") or body.get("functions"):
        needs.add(Need.TOOLS)
    if _wants_json(body):
        needs.add(Need.JSON)
    if body.get("logprobs"):
        needs.add(Need.LOGPROBS)
    if _shows_image(body):
        needs.add(Need.VISION)
    return frozenset(needs)


def _wants_json(body: Mapping[str, Any]) -> bool:
    text = body.get("text")
    forms = (body.get("response_format"), text.get("format") if isinstance(text, dict) else None)
    return any(isinstance(form, dict) and form.get("type") in {"json_object", "json_schema"} for form in forms)


def _shows_image(body: Mapping[str, Any]) -> bool:
    stack = [body.get("messages"), body.get("input")]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if item.get("type") in {"image_url", "image", "input_image"}:
                return True
            stack.append(item.get("content"))
    return False


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadAsk(f"`{key}` must be true or false.", param=key)


def _max_output(body: Mapping[str, Any]) -> int | None:
    limits = [_whole(body, key, 0) for key in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
    return min((limit for limit in limits if limit is not None), default=None)


def _choices(api: Api, body: Mapping[str, Any]) -> int:
    asked = max(_whole(body, "n", 1) or 1, _whole(body, "best_of", 1) or 1)
    prompt = body.get("prompt")
    many = len(prompt) if api is Api.COMPLETION and isinstance(prompt, list) else 1
    return asked * max(many, 1)


def _whole(body: Mapping[str, Any], key: str, least: int) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**9:
        raise BadAsk(f"`{key}` must be a whole number of at least {least}.", param=key)
    return value


def _short_text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_ID_BYTES:
        raise BadAsk(f"`{key}` must be a short text.", param=key)
    return value


def read_wishes(headers: Mapping[str, str], metadata: Any) -> Wishes:
    """Join headers and `metadata`: both labels count (the higher wins), else the header goes before the metadata."""
    said = {key: headers[name] for key, name in HEADERS.items() if name in headers}
    meta = {key: metadata[key] for key in METADATA_KEYS if key in metadata} if isinstance(metadata, dict) else {}
    by_header, by_meta = _label(said.get("privacy")), _label(meta.get("privacy"))
    both = {**meta, **said}
    from_header = by_meta is None or (by_header is not None and by_header >= by_meta)
    return Wishes(
        label=by_header if from_header else by_meta,
        label_by="header" if from_header else "metadata",
        task=_name_of(both.get("task")),
        session=_name_of(both.get("session")),
        max_cost_usd=_money(both.get("max_cost_usd")),
        deadline_ms=_deadline(both.get("deadline_ms")),
        priority=_priority(both.get("priority")),
    )


def _label(word: Any) -> Label | None:
    if word is None:
        return None
    try:
        return Label.read(word)
    except (ValueError, AttributeError):
        return Label.RESTRICTED  # law 2: a label that cannot be read is the highest


def _name_of(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > MAX_ID_BYTES:
        raise BadAsk("Task and session are short texts.", param="metadata")
    return value


def _money(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        usd = Decimal(str(value))
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd < 0:
        raise BadAsk("The highest cost is a number of US dollars, such as 0.002.", param="max_cost_usd")
    return usd


def _deadline(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise BadAsk("The deadline is a whole number of milliseconds, such as 30000.", param="deadline_ms")
    return int(text)


def _priority(value: Any) -> Priority:
    if value is None:
        return Priority.LIVE
    if value not in {"live", "batch"}:
        raise BadAsk("The priority is live or batch.", param="priority")
    return Priority(value)
