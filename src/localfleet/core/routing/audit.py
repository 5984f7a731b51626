"""
Past calls sorted by kind of work and by how hard they were, beside what a routing table would have done (S78).

Counts and money of calls that somebody else made: which share was simple, which held what may not leave, what they cost
and what they would have cost. Holds no words.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from localfleet.core.value import value

__all__ = ["SIMPLE", "Audited", "Call", "advice", "usual_level"]

SIMPLE = 2
"""Levels up to this one are simple work."""
WORTH_A_CASCADE = 0.6
"""The published rule: cheapest first and retry pays from this share of simple calls on (S30)."""
OTHER = "other"
LEVELS: dict[str, int] = {
    "intent": 1, "classification": 1, "moderation": 1, "formatting": 1, "entity-extraction": 2, "extraction": 2,
    "translation": 2, "summarisation": 2, "rag-answer": 3, "batch-enrichment": 2, "tool-use": 3, "generation": 3,
    "creative": 3, "planning": 4, "code-generation": 4, "complex-query": 4, "critical-decision": 5,
}  # fmt: skip
LONG_TOKENS = 8_000
"""Of the whole context: one level more."""


@value
class Call:
    """
    One past call. `usd` is what it cost, `usd_there` what the first door of the table would cost for the same tokens;
    `None` is unknown. `door` is that door, `None` where the table has none for it.
    """

    kind: str
    level: int
    was: str
    restricted: bool
    left: bool
    """Whether it went to somebody else's model, as far as its name tells."""
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    door: str | None
    usd_there: Decimal | None


@dataclass(slots=True)
class Audited:
    """The sums of many calls."""

    calls: int = 0
    by_kind_and_level: Counter[tuple[str, int]] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    by_door: Counter[str] = field(default_factory=Counter)
    simple: int = 0
    simple_usd: Decimal = Decimal(0)
    restricted: int = 0
    restricted_left: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)
    usd_unknown: int = 0
    usd_before: Decimal = Decimal(0)
    """What those calls cost whose cost is known on either side."""
    usd_there: Decimal = Decimal(0)
    """What the same calls would cost by the table."""
    compared: int = 0

    def add(self, call: Call) -> None:
        """Count one."""
        self.calls += 1
        self.by_kind_and_level[call.kind, call.level] += 1
        self.by_model[call.was] += 1
        self.by_door[call.door or "none"] += 1
        self.simple += call.level <= SIMPLE
        self.restricted += call.restricted
        self.restricted_left += call.restricted and call.left
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        if call.usd is None:
            self.usd_unknown += 1
            return
        self.usd += call.usd
        self.simple_usd += call.usd if call.level <= SIMPLE else 0
        if call.usd_there is not None:
            self.compared += 1
            self.usd_before += call.usd
            self.usd_there += call.usd_there

    @property
    def simple_share(self) -> float:
        """Of the calls."""
        return self.simple / self.calls if self.calls else 0.0


def usual_level(kind: str | None, context_tokens: int) -> int:
    """What a kind of work usually asks for, 1 to 5: a habit, for files that say nothing of difficulty."""
    level = LEVELS.get(kind or "", SIMPLE)
    return min(level + (context_tokens > LONG_TOKENS), 5)


def advice(seen: Audited, measured: str | None) -> Sequence[str]:
    """What the figures tell, the law first. `measured` names the signal that levels come from, `None` is habit."""
    said = []
    if seen.restricted_left:
        said.append(
            f"{seen.restricted_left} calls held what may not leave, and went to a model that somebody else runs: "
            "look at them first"
        )
    if seen.simple_share >= WORTH_A_CASCADE:
        said.append(
            f"{seen.simple_share:.0%} are simple (level 1 or 2): the cheapest door first, judged, pays from 60% on; "
            "give their tasks a `cascade:`"
        )
    elif seen.calls:
        said.append(f"{seen.simple_share:.0%} are simple (level 1 or 2): below 60% a cascade often asks twice")
    if seen.usd_there < seen.usd_before:
        saved = 1 - float(seen.usd_there / seen.usd_before)
        said.append(
            f"the table's first doors cost {seen.usd_there:.6f} USD where these calls cost {seen.usd_before:.6f}: "
            f"{saved:.0%} less, before retries, and without the box's own cost (`localfleet cost compare`)"
        )
    if measured is None:
        said.append(
            "levels are what such work usually asks for, not measured: a classifier of your own tells more "
            "(`localfleet routing train`), and quality is told by neither (`localfleet bench`, experiments)"
        )
    return said
