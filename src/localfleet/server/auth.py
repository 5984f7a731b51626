"""Who is at the porch: identifies a caller, never decides what it may do."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from localfleet.core.ask import Caller
from localfleet.core.rate import Bucket, TokenBucket
from localfleet.errors import NotPermitted, RateLimited, Unauthenticated

__all__ = ["Doorkeeper", "bearer"]

LOOPBACK = re.compile(r"(?:localhost\.?|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
"""A `Host` header that names this machine, whole: what a URL parser makes of anything odder is not asked."""


def bearer(headers: Mapping[str, str]) -> str | None:
    """The caller's key: `Authorization: Bearer`, or `x-api-key` as Anthropic's clients send it."""
    given = headers.get("authorization", "")
    if given[:7].lower() == "bearer ":
        return given[7:].strip()
    return headers.get("x-api-key")


@dataclass(slots=True, kw_only=True)
class Doorkeeper:
    """
    With keys: a known key or nothing. Without: loopback callers that are no web page.

    `lookup` finds a caller by token, `has_keys` says whether any key exists, both from memory.
    """

    lookup: Callable[[str], Caller | None]
    has_keys: Callable[[], bool]
    by_id: Callable[[str], Caller | None] = lambda _: None
    anyone: Caller
    """The caller of a router without keys."""
    monotonic: Callable[[], float]
    buckets: dict[str, Bucket] = field(default_factory=dict)
    token_buckets: dict[str, TokenBucket] = field(default_factory=dict)

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Name the caller; raise `Unauthenticated`, `NotPermitted` or `RateLimited`."""
        caller = self.identify(headers)
        self._pace(caller)
        return caller

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Name the caller without counting a request against its rate."""
        if not self.has_keys():
            check_same_machine(headers)
            return self.anyone
        token = bearer(headers)
        if token is None:
            raise Unauthenticated("This router needs a key: send `Authorization: Bearer lf_...`.")
        caller = self.lookup(token)
        if caller is None:
            raise Unauthenticated("This key is not known here, or was revoked. `localfleet keys create` makes one.")
        return caller

    def known(self, key_id: str) -> Caller | None:
        """Who a key's id stands for now; `None` where it was revoked, or where keys were made since."""
        if not self.has_keys():
            return self.anyone if key_id == self.anyone.key_id else None
        return self.by_id(key_id)

    def _pace_tokens(self, caller: Caller) -> None:
        most = caller.tokens_per_minute
        if most is None:
            return
        now = self.monotonic()
        bucket = self.token_buckets.get(caller.key_id)
        if bucket is None or bucket.per_minute != most:
            bucket = self.token_buckets[caller.key_id] = TokenBucket(per_minute=most, at=now)
        if (wait_s := bucket.wait_s(now)) > 0:
            raise RateLimited("This key used its tokens of the minute. Wait and retry.", retry_after_s=int(wait_s) + 1)

    def _pace(self, caller: Caller) -> None:
        self._pace_tokens(caller)
        if caller.requests_per_minute is None:
            return
        now = self.monotonic()
        bucket = self.buckets.get(caller.key_id)
        if bucket is None or bucket.per_minute != caller.requests_per_minute:
            bucket = self.buckets[caller.key_id] = Bucket(per_minute=caller.requests_per_minute, at=now)
        wait_s = bucket.take(now)
        if wait_s > 0:
            raise RateLimited("This key asks more often than it may. Wait and retry.", retry_after_s=int(wait_s) + 1)


def check_same_machine(headers: Mapping[str, str]) -> None:
    """
    Refuse foreign `Host` and `Origin`.

    Without keys anything in a browser on this machine could talk to us: a page by its `Origin`, a rebound DNS name by
    its `Host`. Programs send no `Origin`.
    """
    host = headers.get("host", "")
    if not LOOPBACK.fullmatch(host):
        raise NotPermitted("Without keys this router answers to localhost only. `localfleet keys create` makes a key.")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host}".lower(), f"https://{host}".lower()}:
        raise NotPermitted("Without keys no web page may use this router. `localfleet keys create` makes a key.")
