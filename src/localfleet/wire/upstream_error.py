"""The little that is kept of an upstream's error: a well-known code or nothing. Its words are content: dropped."""

from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["UpstreamSaid", "code_of", "known_code"]

KNOWN = {
    "Service Unavailable": "queue_full",  # vLLM beyond --max-num-queued-reqs or -tokens; its other 503s differ
    "billing_hard_limit_reached": "insufficient_quota",
    "content_filter": "content_filter",
    "content_policy_violation": "content_policy_violation",
    "context_length_exceeded": "context_length_exceeded",
    "exceed_context_size_error": "context_length_exceeded",  # llama.cpp
    "image_parse_error": "invalid_image",
    "insufficient_quota": "insufficient_quota",
    "invalid_image": "invalid_image",
    "invalid_image_format": "invalid_image",
    "invalid_image_url": "invalid_image",
    "model_not_found": "model_not_found",
    "overloaded_error": "overloaded",  # Anthropic
    "rate_limit_error": "rate_limit_exceeded",  # Anthropic
    "rate_limit_exceeded": "rate_limit_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "unsupported_country_region_territory": "unsupported_region",
    "unsupported_parameter": "unsupported_parameter",
    "unsupported_value": "unsupported_parameter",
}
"""What providers write -> what we say. Only values of this table ever leave this file."""


class UpstreamSaid(Exception):
    """The upstream reported an error inside an answer. Holds a well-known code or `None`, never its words."""

    def __init__(self, code: str | None) -> None:
        """`code` is a value of `KNOWN`."""
        super().__init__(code)
        self.code = code


def known_code(body: bytes) -> str | None:
    """The well-known code in an error's body, JSON or not."""
    try:
        return code_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None


def code_of(error: Any) -> str | None:
    """The well-known code of an error object, wrapped in `error` or `response` or not."""
    for _ in range(3):
        if not isinstance(error, Mapping):
            return None
        for name in ("code", "type"):
            value = error.get(name)
            if isinstance(value, str) and value in KNOWN:
                return KNOWN[value]
        error = error.get("error") or error.get("response")
    return None
