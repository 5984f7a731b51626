"""By context: how many tokens the request has in one of its parts, or in all (S35)."""

from collections.abc import Mapping
from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.difficulty import Thresholds
from localfleet.core.routing.moment import Moment

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Part (`context` is the whole input, else a field of `Parts`) -> level -> tokens from which on it holds."""

    tokens: Mapping[str, Thresholds]
    reason: Reason = Reason.BY_CONTEXT

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """The highest that any part says."""
        said = [limits.level(getattr(moment.parts, part)) for part, limits in self.tokens.items()]
        return max((level for level in said if level is not None), default=None)
