"""Requests per minute and key: a token bucket, with the time passed in."""

from dataclasses import dataclass

__all__ = ["Bucket"]


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
