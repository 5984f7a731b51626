"""A provider's no, as an `EngineFailed` with a fixed sentence. Of its words only a well-known code is kept."""

import asyncio

from localfleet.core.reason import Reason
from localfleet.engines.client import Response
from localfleet.errors import EngineFailed
from localfleet.wire.upstream_error import UpstreamSaid, known_code

__all__ = ["refused", "said_in_answer"]

ERROR_BYTES = 64 * 1024
ERROR_READ_S = 5.0

TOO_LONG = "context_length_exceeded"
"""A model with a larger window may take it."""
SENTENCES = {
    Reason.QUEUE_FULL: "The queue of the engine is full: try again later.",
    Reason.RATE_LIMITED: "The provider limits the rate: try again later, or allow another model for this task.",
    Reason.TIMED_OUT: "The provider gave up waiting for its own answer: try again.",
    Reason.UPSTREAM_DENIED: (
        "The provider refused our key: check the key that models.yaml names for this model, its rights and its credit."
    ),
    Reason.UPSTREAM_ERROR: "The provider has a fault of its own: try again, or allow another model for this task.",
    Reason.UPSTREAM_GARBLED: "It answered with a status that no model server gives: check its URL.",
    Reason.PROVIDER_REFUSED: "The provider's safety refused this request.",
    Reason.CONTEXT_TOO_LONG: "The request is too long for this model: shorten it or lower max_tokens.",
    Reason.UPSTREAM_REJECTED: "The model refused this request as it stands: check its parameters and content.",
}
SENTENCES_BY_CODE = {
    "content_filter": "The provider's content filter stopped this request.",
    "content_policy_violation": "The provider's content policy forbids this request.",
    "insufficient_quota": "The provider account has no credit or quota left: check its billing.",
    "invalid_image": "The model cannot read an image of this request: check its format and size.",
    "model_not_found": "The provider does not know this model: check `model:` in models.yaml.",
    "unsupported_parameter": "The model does not support a parameter of this request: leave it out.",
    "unsupported_region": "The provider does not serve this region.",
}
FILTERS = frozenset({"content_filter", "content_policy_violation"})
"""The provider's safety said no: an outcome of its own."""
BY_STATUS = {
    401: Reason.UPSTREAM_DENIED,
    402: Reason.UPSTREAM_DENIED,
    403: Reason.UPSTREAM_DENIED,
    407: Reason.UPSTREAM_DENIED,
    408: Reason.TIMED_OUT,
    429: Reason.RATE_LIMITED,
    504: Reason.TIMED_OUT,
}
BY_CODE = {
    TOO_LONG: Reason.CONTEXT_TOO_LONG,
    "insufficient_quota": Reason.RATE_LIMITED,
    "overloaded": Reason.UPSTREAM_ERROR,
    "queue_full": Reason.QUEUE_FULL,
    "rate_limit_exceeded": Reason.RATE_LIMITED,
}


async def refused(response: Response, deadline: float) -> EngineFailed:
    """Read a status other than 200; the body is searched for a well-known code and dropped."""
    reason = _reason(response.status)
    soon = min(deadline, asyncio.get_running_loop().time() + ERROR_READ_S)
    try:
        code = known_code(await response.read(soon, ERROR_BYTES))
    except EngineFailed:  # the status says enough
        code = None
    if response.status == 503 and code == "queue_full":
        reason = Reason.QUEUE_FULL
    return _failure(reason, code, status=response.status, retry_after_s=response.retry_after_s)


def said_in_answer(said: UpstreamSaid) -> EngineFailed:
    """An error that came with status 200, as the answer or as its first event."""
    reason = Reason.UPSTREAM_ERROR
    if said.code is not None:
        reason = BY_CODE.get(said.code, Reason.UPSTREAM_REJECTED)
    return _failure(reason, said.code, status=200, retry_after_s=None)


def _failure(reason: Reason, code: str | None, *, status: int, retry_after_s: int | None) -> EngineFailed:
    if code in FILTERS:
        reason = Reason.PROVIDER_REFUSED
    if code == TOO_LONG:
        reason = Reason.CONTEXT_TOO_LONG
    sentence = SENTENCES_BY_CODE.get(code or "", SENTENCES[reason])
    return EngineFailed(
        sentence, reason=reason, upstream_status=status, upstream_code=code, retry_after_s=retry_after_s
    )


def _reason(status: int) -> Reason:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return Reason.UPSTREAM_ERROR
    return Reason.UPSTREAM_REJECTED if status >= 400 else Reason.UPSTREAM_GARBLED
