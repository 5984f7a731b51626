"""
Our errors, and any other, as the envelope each API's clients expect. Never the caller's text, never a traceback.

OpenAI: `{"error": {"message", "type", "code", "param", "src"}}`. Anthropic the same under `{"type": "error", ...}` with
its own `type` words. `src` marks localfleet, rather than an engine, as the origin.
"""

import logging
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.errors import ConfigError, FleetError

__all__ = ["LAST_RESORT", "NO_ENDPOINT", "envelope", "error_event"]

NO_ENDPOINT = (
    "Nothing answers this method at this path: the models' APIs take POST, /v1/models takes GET. "
    "docs/reference/http.md lists all endpoints; /openapi.json describes them."
)
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}

log = logging.getLogger("localfleet.server")


def envelope(error: FleetError, api: Api | None) -> bytes:
    """The body of an error answer, in the shape of the API that was called."""
    inner: dict[str, Any] = {
        "message": error.message,
        "type": error.kind,
        "code": error.code,
        "param": error.param,
        "src": "localfleet",
    }
    if isinstance(error, ConfigError):
        inner["problems"] = [{"line": line, "path": path, "sentence": text} for line, path, text in error.problems]
    if api is Api.MESSAGES:
        fallback = "invalid_request_error" if error.status < 500 else "api_error"
        inner["type"] = ANTHROPIC_TYPES.get(error.status, fallback)
        return orjson.dumps({"type": "error", "error": inner})
    return orjson.dumps({"error": inner})


def error_event(error: FleetError, api: Api) -> bytes:
    """The same inside a stream that has begun: the last event of it."""
    if api is Api.RESPONSES:
        told = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
        return b"event: error\ndata: %b\n\n" % orjson.dumps({**told, "sequence_number": 0, "src": "localfleet"})
    name = b"event: error\n" if api is Api.MESSAGES else b""
    return b"%bdata: %b\n\n" % (name, envelope(error, api))


class _LastResort:
    """A fault of our own becomes one fixed sentence: the log gets its place in the code, nobody gets its text."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, FleetError):
            log.error("internal error %s at %s", type(exc).__name__, _place(exc))
            raise FleetError("localfleet failed inside. The log names the place; please report it.") from None


LAST_RESORT = _LastResort()
"""Around all that is done for a request."""


def _place(exc: BaseException) -> str:
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else "an unknown place"
