"""Requests and tokens per minute and key: buckets that refill evenly, with the time passed in."""

from dataclasses import dataclass
from math import inf

__all__ = ["Bucket", "TokenBucket"]


@dataclass(slots=True)
class Bucket:
    """Holds at most `per_minute` tokens and refills evenly. `at` is the monotonic time of the last look, in seconds."""

    per_minute: int
    at: float
    tokens: float = -1.0

    def take(self, now: float) -> float:
        """Take one token: 0.0 if there was one, else the seconds until there is."""
        if self.tokens < 0:
            self.tokens = float(self.per_minute)
        self.tokens = min(float(self.per_minute), self.tokens + max(now - self.at, 0.0) * self.per_minute / 60)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * 60 / self.per_minute


@dataclass(slots=True)
class TokenBucket:
    """
    Tokens of a model, which are known only when an answer is there: who has some left may ask, and may overdraw.

    What was overdrawn is waited for, so over time no more than `per_minute` tokens go through, and what is under way.
    """

    per_minute: int
    at: float
    left: float = inf

    def wait_s(self, now: float) -> float:
        """0.0 while there are any left, else the seconds until there are."""
        refilled = self.left + max(now - self.at, 0.0) * self.per_minute / 60
        self.left, self.at = min(float(self.per_minute), refilled), now
        return 0.0 if self.left >= 1 else (1 - self.left) * 60 / self.per_minute

    def spend(self, tokens: int) -> None:
        """Take what an answer used."""
        self.left = min(self.left, float(self.per_minute)) - tokens
