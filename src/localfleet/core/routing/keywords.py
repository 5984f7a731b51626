"""By words: what stands in the last user turn says how hard the request is (S24)."""

from dataclasses import dataclass

from localfleet.core.ask import Ask
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Finder
from localfleet.core.routing.moment import Moment

__all__ = ["Keywords"]

HEAD = 20_000
"""Characters looked at, from the front: who asks says so early, and a pasted book must not cost milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Level -> words, the hardest first."""

    finders: tuple[tuple[int, Finder], ...]
    reason: Reason = Reason.BY_KEYWORDS

    def level(self, _ask: Ask, moment: Moment) -> int | None:
        """The hardest level of which a word stands there."""
        return self.level_of(moment.text)

    def level_of(self, text: str) -> int | None:
        """The same of a text; `None` where no word stands in it."""
        head = text[:HEAD]
        return next((level for level, finder in self.finders if finder.count(head)), None) if head else None
