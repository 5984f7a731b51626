"""Anthropic's Messages format, plain and streamed, as its client reads it."""

import json
from collections.abc import Iterator
from typing import Any

from tap_behaviour import Answer, Behaviour, Heard, pieces, sse
from tap_reply import Said, said_to

__all__ = ["count_tokens", "error", "messages"]

Json = dict[str, Any]


def messages(heard: Heard, behaviour: Behaviour, text: str) -> Answer:
    """An answer of `/v1/messages`."""
    said = said_to(heard, behaviour, text)
    if heard.stream:
        return Answer(events=tuple(_events(heard, behaviour, said)))
    body = {**_message(heard), "content": _content(said), "stop_reason": _stop(said)}
    if behaviour.usage != "none":
        body["usage"] = {**_input_usage(behaviour, said), "output_tokens": said.output_tokens}
    return Answer(body=json.dumps(body, ensure_ascii=False).encode())


def count_tokens(behaviour: Behaviour) -> Answer:
    """An answer of `/v1/messages/count_tokens`."""
    return Answer(body=json.dumps({"input_tokens": behaviour.tokens.input}).encode())


def error_fields(status: int, message: str) -> Json:
    """Anthropic's error object, as in an error body and in an `error` event."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def error(status: int, message: str) -> bytes:
    """Anthropic's error body."""
    fields = {**error_fields(status, message), "request_id": "req_tap"}
    return json.dumps(fields, ensure_ascii=False).encode()


def _message(heard: Heard) -> Json:
    return {
        "id": f"msg_tap{heard.number}",
        "type": "message",
        "role": "assistant",
        "model": str(heard.data.get("model", "tap")),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _input_usage(behaviour: Behaviour, said: Said) -> Json:
    """Anthropic counts cached input apart: `input_tokens` is the rest."""
    tokens = behaviour.tokens
    return {
        "input_tokens": said.input_tokens - tokens.cache_read - tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation_input_tokens": tokens.cache_write,
    }


def _stop(said: Said) -> str:
    if said.calls:
        return "tool_use"
    return "max_tokens" if said.cut else "end_turn"


def _content(said: Said) -> list[Json]:
    if said.calls:
        return [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in said.calls
        ]
    return [{"type": "text", "text": said.text}]


def _events(heard: Heard, behaviour: Behaviour, said: Said) -> Iterator[bytes]:
    start: Json = _message(heard)
    if behaviour.usage != "none":
        start["usage"] = {**_input_usage(behaviour, said), "output_tokens": 1}
    yield _event("message_start", {"message": start})
    yield from _blocks(said)
    last: Json = {"delta": {"stop_reason": _stop(said), "stop_sequence": None}}
    if behaviour.usage != "none":
        last["usage"] = {"output_tokens": said.output_tokens}
    yield _event("message_delta", last)
    if behaviour.done:
        yield _event("message_stop", {})


def _blocks(said: Said) -> Iterator[bytes]:
    for index, block in enumerate(_content(said)):
        empty = {**block, "input": {}} if said.calls else {**block, "text": ""}
        yield _event("content_block_start", {"index": index, "content_block": empty})
        if index == 0:
            yield _event("ping", {})
        for delta in _block_deltas(said, index):
            yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})


def _block_deltas(said: Said, index: int) -> list[Json]:
    if said.calls:
        cut = pieces(said.calls[index].arguments)
        return [{"type": "input_json_delta", "partial_json": part} for part in cut]
    return [{"type": "text_delta", "text": part} for part in said.parts]


def _event(kind: str, fields: Json) -> bytes:
    return sse({"type": kind, **fields}, event=kind)
