"""
The fields of a request that may go into litellm's functions, which take much more than a provider's API does.

An allow-list: `api_base`, `api_key`, `mock_response`, `fallbacks`, `extra_headers` and the like are arguments there,
and a caller could send them. And litellm downloads an image that is given by URL: only `data:` URLs pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.wire.translate import to_chat

__all__ = ["FieldRefused", "litellm_fields"]

CHAT = frozenset(
    {
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
    }
)
NOT_SENT = frozenset(
    {
        "metadata",
        "model",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "verbosity",
    }
)
"""Fields that change nothing in the answer's meaning: left out without a word."""
PARTS = frozenset({"image_url", "redacted_thinking", "refusal", "text", "thinking", "tool_result", "tool_use"})


class FieldRefused(Exception):
    """A field that cannot be sent this way; `field` is a name of ours or `another field`, never the caller's word."""

    def __init__(self, field: str) -> None:
        """Name it."""
        super().__init__(field)
        self.field = field


def litellm_fields(api: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy, as arguments, of what may be sent for a call in `api`; raise `FieldRefused`."""
    if api not in {Api.CHAT, Api.MESSAGES, Api.RESPONSES}:
        raise FieldRefused("this API")
    fields = dict(body) if api is Api.CHAT else to_chat(api, body)
    sent = {name: value for name, value in fields.items() if value is not None and name not in NOT_SENT}
    if not CHAT.issuperset(sent):
        raise FieldRefused("another field")
    for tool in _mappings(sent.get("tools")):
        if tool.get("type") != "function":
            raise FieldRefused("tools[].type")
    for message in _mappings(sent.get("messages")):
        _check_content(message.get("content"))
    try:
        copy: dict[str, Any] = orjson.loads(orjson.dumps(sent))
    except orjson.JSONEncodeError:  # nested too deep; its text quotes the value
        raise FieldRefused("messages") from None
    return copy


def _check_content(content: object) -> None:
    for part in _mappings(content):
        if part.get("type") not in PARTS:
            raise FieldRefused("messages[].content[].type")
        if part.get("type") == "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, Mapping) else image
            if not isinstance(url, str) or not url.startswith("data:"):
                raise FieldRefused("messages[].content[].image_url")
        elif isinstance(part.get("content"), list):
            _check_content(part["content"])


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())
