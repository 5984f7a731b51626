"""A model server that counts words, takes its time for each of them, says so in its usage, and keeps who came when."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from answering import answering, chat_answer

__all__ = ["CountingModel", "Served"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request as it was served. `who` is the first word of its prompt; `work` is input + 2 x output."""

    who: str
    work: int
    ended: float


@dataclass
class CountingModel:
    """Answers chat requests; `seconds_each` for each weighted token. As many at a time as it is sent."""

    seconds_each: float = 0.0
    served: list[Served] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    most_at_once: int = 0
    status: int = 200

    def __enter__(self) -> Self:
        """Serve."""
        self._lock = threading.Lock()
        self._now = 0
        self._serving = answering(self._answer)
        self._url = self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._serving.__exit__(None, None, None)

    @property
    def entry(self) -> dict[str, Any]:
        """Its entry below `local:`, without limits."""
        return {"engine": "endpoint", "url": self._url, "context_tokens": 100_000, "timeout_s": 20}

    def work_by(self, since: float, until: float) -> Counter[str]:
        """Weighted tokens served in a span of `time.monotonic`, by who asked."""
        total: Counter[str] = Counter()
        for one in list(self.served):
            if since <= one.ended < until:
                total[one.who] += one.work
        return total

    def _answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take the time that the request is worth."""
        if self.status != 200:
            return self.status, {"error": {}}
        words = asked["messages"][-1]["content"].split()
        wanted = asked.get("max_tokens", 1)
        work = len(words) + 2 * wanted
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.began.append(words[0])
        time.sleep(work * self.seconds_each)
        with self._lock:
            self._now -= 1
            self.served.append(Served(who=words[0], work=work, ended=time.monotonic()))
        return 200, chat_answer("yes", asked=len(words), said=wanted)
