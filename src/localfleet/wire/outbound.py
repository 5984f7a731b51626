"""
What an upstream is sent: the caller's values under our model's name, without what is localfleet's own.

Written anew from the parsed values, never the caller's bytes: a key that stands twice, or bytes that no reader saw,
cannot travel along.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.wire.translate import to_asked

__all__ = ["outbound_body", "outbound_fields"]

CHAT, COMPLETION, RESPONSES = Api.CHAT, Api.COMPLETION, Api.RESPONSES
OUR_METADATA = frozenset(
    {"privacy", "task", "session", "action", "max_cost_usd", "deadline_ms", "priority", "provider_policy"}
)


def outbound_fields(
    api: Api, asked: Api, body: Mapping[str, Any], *, model: str, stream: bool, wants_usage: bool
) -> dict[str, Any]:
    """
    The fields to send for a call in `api` to an engine that is asked in `asked`.

    A chat or completion stream always asks for usage, on our behalf if not on the client's.
    """
    fields = to_asked(api, asked, body)
    fields["model"] = model
    _drop_our_metadata(fields)
    if stream and asked in {CHAT, COMPLETION} and (api is not asked or not wants_usage):
        fields["stream"] = True
        options = fields.get("stream_options")
        fields["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
    return fields


def outbound_body(
    api: Api,
    asked: Api,
    body: Mapping[str, Any],
    *,
    model: str,
    stream: bool,
    wants_usage: bool,
    store_false: bool,
    prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    imposed: Mapping[str, Any] | None = None,
) -> bytes:
    """
    The bytes to send. Raise `ValueError` if impossible.

    `store_false` keeps hosted Responses from being stored; `prepare` adapts a chat body to local weights; `imposed` are
    fields that are the router's to say, not the caller's: a value of `None` takes the field away.
    """
    fields = outbound_fields(api, asked, body, model=model, stream=stream, wants_usage=wants_usage)
    if asked is RESPONSES:
        # The earlier turns stand in `input` already, and no upstream knows an id of ours.
        fields.pop("previous_response_id", None)
        if store_false:
            fields["store"] = False
    if prepare is not None and asked is CHAT:
        fields = dict(prepare(fields))
    if imposed is not None:
        fields = {name: value for name, value in fields.items() if name not in imposed}
        fields |= {name: value for name, value in imposed.items() if value is not None}
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:  # its text quotes the value
        raise ValueError("this body cannot be written as JSON") from None


def _drop_our_metadata(fields: dict[str, Any]) -> None:
    metadata = fields.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    kept = {name: value for name, value in metadata.items() if name not in OUR_METADATA}
    if kept:
        fields["metadata"] = kept
    else:
        del fields["metadata"]
