"""
A suite of prompts with answers that a program can check, and what a candidate's answers to it are worth (S83).

The same prompts go to the candidate and to the door of today, so answers are compared in pairs: the interval of the
difference is Newcombe's method 10 for paired shares (1998), which holds for few prompts and for shares at the ends.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Any, Literal, Protocol

from localfleet.core.interval import wilson
from localfleet.core.judges.schema import fits

__all__ = ["Check", "Choice", "Exact", "Gate", "Matches", "Number", "Schema", "gated", "paired"]

FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
NAMED_CHOICE = re.compile(r"(?i:answer|choice|option)(?i:\s+is)?\s*:?\s*\(?([A-J])\b")
FIRST_CHOICE = re.compile(r"\A[\s\"'*(\[]*([A-J])(?![A-Za-z])")
EDGES = " \t\r\n\"'`*.!"


class Check(Protocol):
    """Says of an answer whether it is right."""

    def right(self, answer: str) -> bool:
        """Whether it is."""
        ...


class Finder(Protocol):
    """An operator's pattern, compiled at the edge; linear in the text."""

    def count(self, text: str) -> int:
        """How often it matches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """One of these texts; case, white space, and quotes and stops around it do not count."""

    texts: tuple[str, ...]

    def right(self, answer: str) -> bool:
        """Whether it is one of them."""
        return _plain(answer) in set(map(_plain, self.texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """A pattern is found in it."""

    pattern: Finder

    def right(self, answer: str) -> bool:
        """Whether it is."""
        return self.pattern.count(answer) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The last number of the answer, give or take; commas between thousands do not count."""

    number: float
    tolerance: float = 0.0

    def right(self, answer: str) -> bool:
        """Whether it is that number."""
        found = NUMBER.findall(answer)
        return bool(found) and abs(float(found[-1].replace(",", "")) - self.number) <= self.tolerance + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """JSON after a schema; a fence of Markdown around it does not count."""

    schema: Mapping[str, Any]

    def right(self, answer: str) -> bool:
        """Whether it is JSON that fits."""
        fenced = FENCE.match(answer)
        try:
            return fits(json.loads(fenced.group(1) if fenced else answer), self.schema)
        except (ValueError, RecursionError):
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The letter of one of several options: the last that is called the answer, else the letter that it begins with."""

    letter: str

    def right(self, answer: str) -> bool:
        """Whether it is that letter."""
        named = NAMED_CHOICE.findall(answer)
        first = FIRST_CHOICE.match(answer)
        return self.letter == (named[-1] if named else first.group(1) if first else "")


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(EDGES).casefold()


def paired(candidate: Sequence[bool], today: Sequence[bool]) -> tuple[float, float]:
    """
    The 95 % interval of the candidate's share of right answers minus today's, on the same prompts in the same order.

    Newcombe 1998, method 10, with his correction of the correlation. The whole range where nothing was asked.
    """
    many = len(candidate)
    if many == 0:
        return (-1.0, 1.0)
    both = sum(one and other for one, other in zip(candidate, today, strict=True))
    right, before = sum(candidate), sum(today)
    first, second = right / many, before / many
    low1, high1 = wilson(right, many)
    low2, high2 = wilson(before, many)
    spread = right * (many - right) * before * (many - before)
    tied = both * (many - right - before + both) - (right - both) * (before - both)
    phi = (max(tied - many / 2, 0.0) if tied > 0 else tied) / sqrt(spread) if spread else 0.0
    below = (first - low1) ** 2 - 2 * phi * (first - low1) * (high2 - second) + (high2 - second) ** 2
    above = (high1 - first) ** 2 - 2 * phi * (high1 - first) * (second - low2) + (second - low2) ** 2
    middle = first - second
    return (max(-1.0, middle - sqrt(max(below, 0.0))), min(1.0, middle + sqrt(max(above, 0.0))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether a candidate may take the place of today's door: `pass`, `fail` or `cannot_tell`, and why."""

    says: Literal["pass", "fail", "cannot_tell"]
    why: str
    low: float
    high: float


def gated(
    candidate: Sequence[bool],
    today: Sequence[bool],
    *,
    usd: Decimal | None,
    usd_today: Decimal | None,
    margin: float,
    most_cost_ratio: float,
) -> Gate:
    """No worse by more than `margin`, for sure, and no dearer than `most_cost_ratio` times today's money."""
    low, high = paired(candidate, today)
    if high < -margin:
        return Gate(says="fail", why="it is worse", low=low, high=high)
    if low < -margin:
        return Gate(says="cannot_tell", why="too few prompts to exclude that it is worse", low=low, high=high)
    if usd is None or usd_today is None:
        return Gate(says="cannot_tell", why="good enough; the cost of some answers is unknown", low=low, high=high)
    if usd > usd_today * Decimal(str(most_cost_ratio)):
        return Gate(says="fail", why="good enough, and dearer than allowed", low=low, high=high)
    return Gate(says="pass", why="good enough, and no dearer than allowed", low=low, high=high)
