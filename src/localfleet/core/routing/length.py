"""By length: how many tokens the last user turn has (S25)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.difficulty import Thresholds
from localfleet.core.routing.moment import Moment

__all__ = ["Length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Level -> tokens from which on it holds."""

    tokens: Thresholds
    reason: Reason = Reason.BY_LENGTH

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """By the words that ask, not by what hangs on them."""
        return self.tokens.level(moment.parts.user)
