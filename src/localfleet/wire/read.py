"""
Bytes -> `Ask`: the few facts a decision needs, read once.

What is read here is what leaves: engines serialise the parsed body again, never the caller's bytes, so that no second
reading (a duplicate key, a lone surrogate, an odd number) can differ from ours. Unknown fields travel on untouched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from localfleet.core.ask import WORDLESS, Api, Ask, Caller, Need, Priority
from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.core.label import Label
from localfleet.core.value import value
from localfleet.errors import BadAsk
from localfleet.wire.marks import labelled_in, marks_in, without_marks
from localfleet.wire.provider_wish import read_demand
from localfleet.wire.ranking import texts_of
from localfleet.wire.texts import spans_of
from localfleet.wire.turns import MAX_DEPTH, fingerprinted, one_of, plain_prints, plain_turns, too_deep, turns_of
from localfleet.wire.unreadable import unreadable_in

__all__ = ["Letter", "Wishes", "parse_body", "read_ask"]

SHAPING = frozenset({"response_format", "output_format", "text", "output_config"})
JSON_FORMS = frozenset({"json_object", "json_schema"})
BYTES_PER_TOKEN = 4
"""A common rule of thumb for English; only an estimate, kept apart from measured counts."""
TOKENS_PER_TURN = 4
PRIORITIES = frozenset(Priority)
MAX_ID_BYTES = 512
MAX_PARTS = 1_000_000
"""Objects and lists in one body: each costs memory many times its two bytes."""
PREFIX = "x-localfleet-"
TURN_FIELDS = {
    Api.CHAT: ("messages",),
    Api.MESSAGES: ("system", "messages"),
    Api.COMPLETION: ("prompt",),
    Api.EMBEDDING: ("input",),
    Api.RERANK: ("query", "documents"),
    Api.RESPONSES: ("instructions", "input"),
}
"""What is said, by API. Everything else of a body is options, tools, and fields nobody here knows."""
OUTPUT_LIMITS = {
    Api.CHAT: ("max_tokens", "max_completion_tokens"),
    Api.COMPLETION: ("max_tokens",),
    Api.EMBEDDING: (),
    Api.MESSAGES: ("max_tokens",),
    Api.RERANK: (),
    Api.RESPONSES: ("max_output_tokens",),
}
"""The limits that a server of an API keeps to; another API's word in a body limits nothing and reserves nothing."""
METADATA_KEYS = ("privacy", "task", "session", "action", "max_cost_usd", "deadline_ms", "priority")
HEADERS = {key: PREFIX + key.replace("_", "-") for key in METADATA_KEYS}
HEADER_NAMES = frozenset(HEADERS.values())
RARE = SHAPING | {"tools", "functions", "logprobs", "n", "best_of", "prompt", "previous_response_id", "stream_options"}
"""Fields that most requests do not have, so that one question stands for a dozen."""
NO_NEEDS: frozenset[Need] = frozenset()


@value
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
    also_task: str | None
    also_session: str | None
    action: str | None
    max_cost_usd: Decimal | None
    deadline_ms: int | None
    priority: Priority
    providers: Demand


NO_WISHES = Wishes(
    label=None,
    label_by="metadata",
    task=None,
    session=None,
    also_task=None,
    also_session=None,
    action=None,
    max_cost_usd=None,
    deadline_ms=None,
    priority=Priority.LIVE,
    providers=NO_DEMAND,
)
"""What nearly every request says."""


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object; raise `BadAsk` for anything else (NaN, invalid UTF-8 and lone surrogates included)."""
    parts = raw.count(b"[") + raw.count(b"{")
    if parts > MAX_PARTS:
        raise BadAsk("The body has too many parts. Send fewer messages, or fewer objects in them.")
    try:
        body = orjson.loads(raw)
    except (orjson.JSONDecodeError, RecursionError):
        raise BadAsk("The body is not valid JSON in UTF-8. Send one JSON object.") from None
    if not isinstance(body, dict):
        raise BadAsk("The body is not a JSON object. Send one JSON object.")
    if parts > MAX_DEPTH and _deeper(body, MAX_DEPTH):
        raise too_deep()
    return body


def _deeper(body: dict[str, Any], levels: int) -> bool:
    """Whether a value nests deeper than so many levels; level by level, so that depth costs no stack."""
    level: list[Any] = [body]
    for _ in range(levels):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


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
    Read the facts of a parsed body; raise `BadAsk` for what cannot be meant.

    `size` is the length of the caller's bytes, `headers` have lower-case names, `fields` are names that
    operator rules look at.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadAsk("`model` is missing. Use a name from GET /v1/models, or auto.", param="model")
    spans = spans_of(body, fields)
    marked = marks_in(spans)
    labelled: tuple[str, ...] = ()
    if marked is not None:
        labelled = labelled_in(body) if marked is Label.RESTRICTED else ()
        body = without_marks(body)
        spans = spans_of(body, fields)
    plain = plain_turns(api, body)
    turns: list[Any] = plain or turns_of(api, body)
    unreadable = unreadable_in(() if plain else turns, body, TURN_FIELDS[api], spans)
    wishes = read_wishes(headers, body.get("metadata"))
    if marked is not None and (wishes.label is None or marked > wishes.label):
        wishes = replace(wishes, label=marked, label_by="chunk")
    written = plain_prints(plain) if plain else fingerprinted(body, turns)
    rare = not RARE.isdisjoint(body)
    # Turns that we recalled were not in the caller's bytes, but they go along and are paid for again.
    said = sum(map(len, written)) if rare and body.get("previous_response_id") is not None else 0
    again, longest = _pieces(api, turns) if api in WORDLESS else (0, None)
    ask = Ask(
        request_id=request_id,
        api=api,
        model=model,
        caller=caller,
        spans=spans,
        unreadable=unreadable,
        turns=written,
        needs=_needs(body, unreadable) if rare or unreadable else NO_NEEDS,
        stream=_streams(api, body),
        input_tokens=(max(size, said) + again) // BYTES_PER_TOKEN + TOKENS_PER_TURN * len(turns),
        input_bytes=size + said + again,
        piece_tokens=longest,
        max_output_tokens=_max_output(api, body),
        choices=_choices(api, body) if rare else 1,
        declared=wishes.label,
        declared_by=wishes.label_by,
        labelled=labelled,
        task=wishes.task,
        session=wishes.session,
        also_task=wishes.also_task,
        also_session=wishes.also_session,
        action=wishes.action,
        previous_response=_short_text(body, "previous_response_id") if rare else None,
        max_cost_usd=wishes.max_cost_usd,
        deadline_ms=wishes.deadline_ms,
        priority=wishes.priority,
        providers=wishes.providers,
    )
    options = body.get("stream_options") if rare else None
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Letter(ask=ask, body=_outgoing(api, body), wants_usage=wants_usage)


def _pieces(api: Api, turns: list[Any]) -> tuple[int, int | None]:
    """
    Bytes that are read again, for a query goes with each document; and the tokens of the longest piece.

    A list of other things than texts is one piece.
    """
    if not isinstance(turns[-1], list) or not all(isinstance(text, str) for text in turns[-1]):
        return 0, None
    query = len(turns[0].encode()) if api is Api.RERANK else 0
    longest = query + max(len(text.encode()) for text in turns[-1])
    again = len(turns[-1]) * (query + TOKENS_PER_TURN) if query else 0
    return again, longest // BYTES_PER_TOKEN + TOKENS_PER_TURN * len(turns)


def _outgoing(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    if api is Api.RERANK:
        _whole(body, "top_n", 0), _flag(body, "return_documents")
        return {**body, "documents": texts_of(body)}
    # The earlier turns are in the input by now; the id is ours, and a provider would only refuse it.
    if api is Api.RESPONSES and "previous_response_id" in body:
        return {key: value for key, value in body.items() if key != "previous_response_id"}
    return body


def _needs(body: Mapping[str, Any], unreadable: tuple[str, ...]) -> frozenset[Need]:
    needs = set()
    if body.get("tools") or body.get("functions"):
        needs.add(Need.TOOLS)
    if _wants_json(body):
        needs.add(Need.JSON)
    if body.get("logprobs"):
        needs.add(Need.LOGPROBS)
    if "image" in unreadable:
        needs.add(Need.VISION)
    return frozenset(needs) if needs else NO_NEEDS


def _wants_json(body: Mapping[str, Any]) -> bool:
    if SHAPING.isdisjoint(body):
        return False
    forms = [body.get("response_format"), body.get("output_format")]
    forms += [holder.get("format") for key in ("text", "output_config") if isinstance(holder := body.get(key), dict)]
    return any(isinstance(form, dict) and one_of(form.get("type"), JSON_FORMS) for form in forms)


def _streams(api: Api, body: Mapping[str, Any]) -> bool:
    stream = _flag(body, "stream")
    if stream and api in WORDLESS:
        raise BadAsk("Embeddings and rankings do not stream. Leave out `stream`.", param="stream")
    return stream


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = body.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadAsk(f"`{key}` must be true or false.", param=key)


def _max_output(api: Api, body: Mapping[str, Any]) -> int | None:
    """The highest of the limits that count in this API: which of two a server keeps to, nobody can tell."""
    limits = [limit for key in OUTPUT_LIMITS[api] if (limit := _whole(body, key, 0)) is not None]
    return max(limits) if limits else None


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
    """
    Join headers and `metadata`: both labels count (the higher wins), else the header goes before the metadata.

    A task or session that a header so hides is kept as `also_...`: no header may lower what it says of the label.
    """
    if metadata is None and HEADER_NAMES.isdisjoint(headers):
        return NO_WISHES
    said = {key: headers[name] for key, name in HEADERS.items() if name in headers}
    meta = {key: metadata[key] for key in METADATA_KEYS if key in metadata} if isinstance(metadata, dict) else {}
    by_header, by_meta = _label_in_header(said.get("privacy")), _label_in_metadata(metadata)
    both = {**meta, **said}
    from_header = by_meta is None or (by_header is not None and by_header >= by_meta)
    return Wishes(
        label=by_header if from_header else by_meta,
        label_by="header" if from_header else "metadata",
        task=_name_of(both.get("task")),
        session=_name_of(both.get("session")),
        also_task=_hidden(meta, said, "task"),
        also_session=_hidden(meta, said, "session"),
        action=_name_of(both.get("action")),
        max_cost_usd=_money(both.get("max_cost_usd")),
        deadline_ms=_deadline(both.get("deadline_ms")),
        priority=_priority(both.get("priority")),
        providers=read_demand(metadata.get("provider_policy")) if isinstance(metadata, dict) else NO_DEMAND,
    )


def _label_in_header(value: str | None) -> Label | None:
    """The highest of the labels in a header; it may stand there several times, joined by commas."""
    return None if value is None else max(map(_label, value.split(",")))


def _label_in_metadata(metadata: Any) -> Label | None:
    """The highest label that metadata names, in any spelling of `privacy`; metadata of another shape is unreadable."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return Label.RESTRICTED
    labels = [_label(value) for key, value in metadata.items() if value is not None and _means_privacy(key)]
    return max(labels, default=None)


def _means_privacy(key: str) -> bool:
    return key == "privacy" or key.strip().lower().replace("_", "-").removeprefix(PREFIX) == "privacy"


def _label(word: Any) -> Label:
    try:
        return Label.read(word)
    except (ValueError, AttributeError):
        return Label.RESTRICTED  # law 2: a label that cannot be read is the highest


def _name_of(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > MAX_ID_BYTES:
        raise BadAsk(f"Task, session and action are texts of 1 to {MAX_ID_BYTES} characters.", param="metadata")
    return value


def _hidden(meta: Mapping[str, Any], said: Mapping[str, str], key: str) -> str | None:
    value = meta.get(key)
    return value if key in said and isinstance(value, str) and value != said[key] else None


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
    if not one_of(value, PRIORITIES):
        raise BadAsk("The priority is live or batch.", param="priority")
    return Priority(value)
