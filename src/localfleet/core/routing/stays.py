"""Where conversations were served last, in memory: keyed fingerprints only, the oldest forgotten first."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from localfleet.core.routing.moment import Stay

__all__ = ["Stays"]

MOST = 50_000
"""Conversations kept: about 10 MB."""


@dataclass(slots=True)
class Stays:
    """Used from one event loop; times are seconds of a clock that never goes back."""

    forget_after_s: float = 3600.0
    most: int = MOST
    known: OrderedDict[bytes, tuple[Stay, float]] = field(default_factory=OrderedDict)

    def find(self, prints: Sequence[bytes], now: float) -> Stay | None:
        """What is remembered of the longest beginning that is known; the last fingerprints are the longest."""
        for one in reversed(prints):
            found = self.known.get(one)
            if found is not None:
                return found[0] if now - found[1] < self.forget_after_s else None
        return None

    def keep(self, prints: Sequence[bytes], stay: Stay, now: float) -> None:
        """Remember it for a conversation."""
        for one in prints:
            self.known.pop(one, None)
            self.known[one] = (stay, now)
        while len(self.known) > self.most:
            self.known.popitem(last=False)
