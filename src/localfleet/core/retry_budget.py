"""
How many attempts at a door that has just failed the whole router may make: pure, the time is passed in.

The list of one request bounds its own retries. When a provider fails for all, each of them is one request more on it at
the worst moment; so together they may be a share of the requests of the last ten seconds, and a few in any case.
"""

__all__ = ["RetryBudget"]

WINDOW_S = 10.0
AT_LEAST = 10
"""Retries in a window that are always allowed: a quiet router has no storm to control."""


class RetryBudget:
    """
    A sliding window of two counters, as rate limits use: the window before counts by what is left of it.

    `now` is any clock in seconds that only goes forward.
    """

    __slots__ = ("_began", "_requests", "_requests_before", "_retries", "_retries_before", "_share")

    def __init__(self, share: float = 0.1) -> None:
        """`share` of the requests may be tried again."""
        self._share = share
        self._began = 0.0
        self._requests = self._requests_before = 0
        self._retries = self._retries_before = 0

    def asked(self, now: float) -> None:
        """Count a request."""
        self._turn(now)
        self._requests += 1

    def allows(self, now: float) -> bool:
        """Whether one more retry fits; if so it is counted."""
        self._turn(now)
        left = max(1 - (now - self._began) / WINDOW_S, 0.0)
        requests = self._requests + self._requests_before * left
        retries = self._retries + self._retries_before * left
        if retries + 1 > AT_LEAST + self._share * requests:
            return False
        self._retries += 1
        return True

    def _turn(self, now: float) -> None:
        since_s = now - self._began
        if since_s < WINDOW_S:
            return
        gone = since_s >= 2 * WINDOW_S
        self._requests_before, self._requests = (0 if gone else self._requests), 0
        self._retries_before, self._retries = (0 if gone else self._retries), 0
        self._began = now if gone else self._began + WINDOW_S
