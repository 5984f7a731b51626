"""
What one line of a detector table is, and how it is tried on a text.

A row's cheap question comes first (`needs`), then the pattern, then the neighbourhood, then the arithmetic. Patterns
are linear by construction: bounded repeats, nothing nested that could match in two ways. They start with a character or
a class and look behind after it, not before: so the engine skips to the next possible start instead of trying all.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from localfleet.core.value import value

__all__ = ["Page", "Row", "fits"]

_BEFORE_CHARS = 24


@value
class Page:
    """One text, folded, and the same in lower case; both have the same length, so offsets agree."""

    text: str
    low: str


def _always(_candidate: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One way one kind looks.

    `needs`: any of these lower-case strings must be in the text, or the row is skipped; `shape` says the same of a row
    without words: a pattern in RE2's syntax that the lower-case text must match somewhere. Keep its repeats to whole
    classes: `[456][0-9]{11}` has two thousand states on digits, `[0-9]{12}` has twelve. `near`: must match within
    `near_chars` (in lower case). `unless`: must not match in the 24 characters before. `accept` sees the candidate, the
    named group `v` if the pattern has one, and judges checksum, entropy and the like. `lowered`: the pattern runs on
    the lower-case text (the candidate is handed over as written).
    """

    kind: str
    pattern: re.Pattern[str]
    needs: tuple[str, ...] = ()
    shape: str = ""
    near: re.Pattern[str] | None = None
    near_chars: int = 40
    unless: re.Pattern[str] | None = None
    accept: Callable[[str], bool] = _always
    lowered: bool = False


def fits(row: Row, page: Page, start: int, end: int) -> bool:
    """Whether the neighbourhood and the arithmetic allow the candidate at these offsets."""
    if row.unless is not None and row.unless.search(page.low, max(0, start - _BEFORE_CHARS), start):
        return False
    if row.near is not None and not row.near.search(page.low, max(0, start - row.near_chars), end + row.near_chars):
        return False
    return row.accept(page.text[start:end])
