"""How long to wait before a process that ended is started again, and when to stop trying. Pure: time is passed in."""

from collections import deque

__all__ = ["Backoff"]

FIRST_S = 0.5
LONGEST_S = 30.0
JITTER = 0.2
CRASHES_TO_GIVE_UP = 5
WINDOW_S = 120.0
GOOD_RUN_S = 60.0


class Backoff:
    """Remembers the crashes of one process; `now` is any clock in seconds that only goes forward."""

    __slots__ = ("_crashes", "_in_a_row")

    def __init__(self) -> None:
        """No crash yet."""
        self._crashes: deque[float] = deque()
        self._in_a_row = 0

    def delay_s(self, now: float, *, ready_since: float | None, jitter: float) -> float | None:
        """
        Seconds until the next start after a crash, doubling from 0.5 to 30 with up to 20 % jitter; `None`: give up.

        A process that was ready for more than a minute has nothing to answer for. `jitter` is 0 to 1.
        """
        if ready_since is not None and now - ready_since > GOOD_RUN_S:
            self._crashes.clear()
            self._in_a_row = 0
        self._crashes.append(now)
        self._in_a_row += 1
        while now - self._crashes[0] > WINDOW_S:
            self._crashes.popleft()
        if len(self._crashes) >= CRASHES_TO_GIVE_UP:
            return None
        delay_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._in_a_row - 1, 10))
        return delay_s * (1 + JITTER * jitter)
