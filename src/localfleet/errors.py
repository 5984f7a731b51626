"""
Everything that can go wrong, as one tree.

    FleetError                      has `status`, `code`, `kind`, `reason`; its message is safe to show to anyone
    ├── BadAsk                 400  the body or a header cannot be read
    │   ├── TooLarge           413  the body is over the limit
    │   └── TooSlow            408  the body did not arrive in time
    ├── Unauthenticated        401  no key, or one nobody knows
    ├── NotPermitted           403  the key may not do this
    ├── NotFound               404  no such model, response or path
    ├── NoDoor                 402, 403, 409, 422 or 503: no legal door, and why
    ├── WaitsForPerson         503  no model answered; a person has the request
    ├── RateLimited            429  this key asks too often
    ├── EngineFailed           502  an engine or provider failed (504 where it timed out, 503 where a line is too long)
    ├── LedgerClosed           503  the ledger cannot be written: hosted doors stay shut
    ├── ShuttingDown           503  the router drains
    ├── ReloadRefused          409  models.yaml is not read again now
    ├── ClientLeft             499  the client closed the connection before its answer: nobody is told
    ├── ShapeUnknown                a model's files do not say, in a way understood here, what it is made of
    ├── BadInput                    a file of traffic, prices or measurements: file, line, field, how to mend it
    └── ConfigError            422  models.yaml: file, line, what is wrong, how to mend it

No message holds text from a request or from an engine: error text is content.
"""

from collections.abc import Sequence

from localfleet.core.reason import Reason

__all__ = [
    "BadAsk",
    "BadInput",
    "ClientLeft",
    "ConfigError",
    "EngineFailed",
    "FleetError",
    "LedgerClosed",
    "NoDoor",
    "NotFound",
    "NotPermitted",
    "RateLimited",
    "ReloadRefused",
    "ShapeUnknown",
    "ShuttingDown",
    "TooLarge",
    "TooSlow",
    "Unauthenticated",
    "WaitsForPerson",
    "told_of",
]


class FleetError(Exception):
    """The root. `message` is a fixed sentence that says what to do next."""

    status = 500
    code = "internal_error"
    kind = "server_error"
    reason = Reason.INTERNAL_ERROR

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        """`param` names the offending field by its known name, never by the caller's."""
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class BadAsk(FleetError):
    """The request cannot be read."""

    status = 400
    code = "bad_request"
    kind = "invalid_request_error"
    reason = Reason.BAD_REQUEST


class TooLarge(BadAsk):
    """The body is over the limit."""

    status = 413
    code = "body_too_large"


class TooSlow(BadAsk):
    """The body did not arrive in time."""

    status = 408
    code = "body_too_slow"


class Unauthenticated(FleetError):
    """No key, or one nobody knows."""

    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    reason = Reason.BAD_KEY


class NotPermitted(FleetError):
    """The caller may not do this."""

    status = 403
    code = "not_permitted"
    kind = "permission_error"
    reason = Reason.NOT_PERMITTED


class NotFound(FleetError):
    """No such thing; `code` says what of, in the words that clients know (`model_not_found`)."""

    status = 404
    kind = "invalid_request_error"
    reason = Reason.MODEL_NOT_FOUND

    def __init__(self, message: str, *, code: str = "not_found", param: str | None = None) -> None:
        """`code` is one of a few fixed words."""
        super().__init__(message, param=param)
        self.code = code


class NoDoor(FleetError):
    """No legal door; the status depends on why."""

    status = 503
    code = "no_legal_door"
    kind = "policy_error"
    reason = Reason.NO_LEGAL_DOOR

    def __init__(self, message: str, *, status: int, reason: Reason, retry_after_s: int | None = None) -> None:
        """`reason` is the most telling one among the shut doors."""
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status
        self.code = str(reason)
        self.reason = reason


class WaitsForPerson(FleetError):
    """No model answered, and the task ends with a person: the request waits in the queue under its own id."""

    status = 503
    code = "waits_for_person"
    kind = "waits_for_person"
    reason = Reason.WAITS_FOR_PERSON

    def __init__(self) -> None:
        """Always the same sentence; the id is in `x-localfleet-request-id`."""
        super().__init__(
            "No model answered, so a person will: GET /api/tickets/<x-localfleet-request-id> tells what became of it."
        )


class RateLimited(FleetError):
    """The key's own rate limit."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"
    reason = Reason.KEY_RATE_LIMIT


class EngineFailed(FleetError):
    """
    One attempt failed before its first byte.

    The next door of the list may do better, unless `ends_the_walk`: then it is the caller's to mend.
    """

    status = 502
    code = "engine_failed"
    kind = "upstream_error"
    reason = Reason.UPSTREAM_ERROR

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """`upstream_status` and `upstream_code` are the provider's, the code only if it is a well-known one."""
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason
        self.code = upstream_code or str(reason)
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        if reason in {Reason.TIMED_OUT, Reason.DEADLINE_PASSED}:
            self.status = 504
        if reason in {Reason.ENGINE_DOWN, Reason.LEDGER_CLOSED, Reason.QUEUE_FULL, Reason.QUEUE_TOO_LONG}:
            self.status = 503
        if reason is Reason.OVER_BUDGET:
            self.status, self.kind = 402, "policy_error"
        if reason is Reason.RATE_LIMITED:
            self.status, self.kind = 429, "rate_limit_error"
        if reason in {Reason.UPSTREAM_REJECTED, Reason.PROVIDER_REFUSED, Reason.CONTEXT_TOO_LONG}:
            self.status, self.kind = 400, "invalid_request_error"

    @property
    def ends_the_walk(self) -> bool:
        """True where no other door can do better: a plain rejection, or no time left."""
        if self.reason is Reason.UPSTREAM_REJECTED:
            return self.upstream_code is None
        return self.reason is Reason.DEADLINE_PASSED


class LedgerClosed(FleetError):
    """The ledger cannot be written, so nothing may leave."""

    status = 503
    code = "ledger_closed"
    reason = Reason.LEDGER_CLOSED


class ShuttingDown(FleetError):
    """The router drains and takes no new work."""

    status = 503
    code = "shutting_down"
    reason = Reason.SHUTTING_DOWN


class ReloadRefused(FleetError):
    """The router cannot take a new `models.yaml` now."""

    status = 409
    code = "reload_refused"
    kind = "invalid_request_error"


class ClientLeft(FleetError):
    """The client closed the connection before its answer."""

    status = 499
    code = "client_left"
    reason = Reason.CLIENT_LEFT


class ShapeUnknown(FleetError):
    """Its memory cannot be told: the family, the format or a figure is not known here. Never a reason to guess."""


class BadInput(FleetError):
    """
    A file that a command was given is wrong. Says the file, the line, the field and what to do; never a cell's text.

    `line` is `None` and `field` empty where it is not about one.
    """

    status = 422
    code = "bad_input"
    kind = "invalid_request_error"

    def __init__(self, file: str, line: int | None, field: str, sentence: str) -> None:
        """Say all four in one sentence."""
        self.file, self.line, self.field = file, line, field
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {field}: {sentence}" if field else f"{where}: {sentence}")


class ConfigError(FleetError):
    """`models.yaml` is wrong. `problems` lists each as `(line or None, path, sentence)`."""

    status = 422
    code = "config_error"
    kind = "invalid_request_error"

    def __init__(self, file: str, problems: tuple[tuple[int | None, str, str], ...]) -> None:
        """Format all problems at once: nobody likes to mend them one by one."""
        self.file = file
        self.problems = problems
        lines = [
            f"{file}:{line or 1}: {path}: {text}" if path else f"{file}:{line or 1}: {text}"
            for line, path, text in problems
        ]
        super().__init__("\n".join(lines))


def told_of(failures: Sequence[EngineFailed]) -> EngineFailed:
    """The last failure speaks for all; to wait for the first door that opens again is enough."""
    last = failures[-1]
    if last.retry_after_s is not None:
        last.retry_after_s = min(one.retry_after_s for one in failures if one.retry_after_s is not None)
    return last
