"""
When to stop asking a provider that fails, and when to try again. Pure: the caller passes the time in.

A real request is the probe; nothing is ever sent only to find out.
"""

__all__ = ["Breaker"]

FAILURES = 3
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
LONGEST_RATE_LIMIT_S = 60.0


class Breaker:
    """
    Opens after three transient failures in a row, for 1, 2, 4 .. 30 s; then one request may try.

    A rate limit with a `retry-after` opens it too, for that time, at most a minute. `now` is any clock in seconds that
    only goes forward.
    """

    __slots__ = ("_failures", "_limited_until", "_open_until", "_pause_s", "_probing")

    def __init__(self) -> None:
        """Closed."""
        self._failures = 0
        self._pause_s = 0.0
        self._open_until = 0.0
        self._limited_until = 0.0
        self._probing = False

    def opens_in_s(self, now: float) -> float | None:
        """Seconds until a request may try, `None` if it may now. While a probe is under way: the pause after it."""
        if self._probing:
            return max(self._pause_s, FIRST_PAUSE_S)
        left_s = max(self._open_until, self._limited_until) - now
        return left_s if left_s > 0 else None

    def limited_only(self, now: float) -> bool:
        """Whether a rate limit is all that keeps requests out."""
        return not self._probing and self._open_until <= now < self._limited_until

    def enter(self) -> bool:
        """Begin a request that may try now; true if it is the probe, which its end must say again."""
        self._probing = self._probing or self._failures >= FAILURES
        return self._probing

    def succeeded(self) -> None:
        """Any request was answered: close. A rate limit still counts its time down."""
        self._failures = 0
        self._pause_s = 0.0
        self._open_until = 0.0
        self._probing = False

    def failed(self, now: float, *, probe: bool) -> None:
        """A request failed in a way that may pass: no connection, time-out, 5xx, garbled."""
        late = self._failures >= FAILURES and not probe  # begun before it opened: tells nothing new
        self.left(probe=probe)
        self._failures += 1
        if self._failures >= FAILURES and not late:
            self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._open_until = now + self._pause_s

    def limited(self, now: float, retry_after_s: float | None, *, probe: bool) -> None:
        """The provider said 429. Without a time it is the request's problem, not the door's."""
        self.left(probe=probe)
        if retry_after_s is not None:
            self._limited_until = max(self._limited_until, now + min(retry_after_s, LONGEST_RATE_LIMIT_S))

    def left(self, *, probe: bool) -> None:
        """A request ended without telling anything: cancelled, or refused for its own fault."""
        if probe:
            self._probing = False
