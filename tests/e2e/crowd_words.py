"""
Canaries of a crowd: all words of one family begin and end alike, so that one search finds any of twenty thousand.

    HOME   may not reach a hosted tap          HEAD   may reach no tap at all: headers, queries, paths
    FREE   may leave                           SIDE   words at side doors: files, tickets, feedback, pages

The number of the case stands in the middle; `who` reads it out of what was found.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from canary import traces_of

__all__ = ["Family", "Words"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
MARK_LETTERS = 10
NUMBER_LETTERS = 6


class Family(StrEnum):
    """Where a word may be seen."""

    HOME = "home"
    FREE = "free"
    HEAD = "head"
    SIDE = "side"


def _mark() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(MARK_LETTERS))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one run: 50 random bits before the number and 50 after, so no two runs or families ever meet."""

    marks: Mapping[Family, tuple[str, str]] = field(
        default_factory=lambda: {family: (_mark(), _mark()) for family in Family}
    )

    def word(self, family: Family, number: int) -> str:
        """The word of a case: 32 letters and digits."""
        before, after = self.marks[family]
        middle = "".join(LETTERS[number >> 5 * at & 31] for at in reversed(range(NUMBER_LETTERS)))
        return f"CANARY{before}{middle}{after}"

    def found(self, data: bytes, *families: Family) -> dict[Family, list[str]]:
        """Family -> the spellings in which `data` holds a word of it, or the first or last half of one."""
        sought = {self.word(family, 0): family for family in families or (*Family,)}
        return {sought[word]: names for word, names in traces_of(data, sought).items()}

    def who(self, data: bytes, family: Family) -> list[int]:
        """The numbers of the cases whose words stand in `data` in plain letters of any case."""
        before, after = self.marks[family]
        whole = re.compile(f"{before}([A-Z2-7]{{{NUMBER_LETTERS}}}){after}".encode(), re.IGNORECASE)
        return sorted({_number(match[1]) for match in whole.finditer(data)})

    def told(self, data: bytes, *families: Family) -> Iterator[str]:
        """A sentence for each family found."""
        for family, names in self.found(data, *families).items():
            yield f"words of {family} ({', '.join(names[:4])}) of cases {self.who(data, family)[:8]}"


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.decode().upper():
        number = number << 5 | LETTERS.index(letter)
    return number
