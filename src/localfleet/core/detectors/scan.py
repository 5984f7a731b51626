"""
Reading one text for everything private that patterns can see.

Whole groups of rows hide behind one cheap question each, so an everyday prompt costs a few searches. Rows run in order
and a candidate that overlaps an earlier find is not counted again: a card is not also a telephone number.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from localfleet.core.detectors import assigned, contact, money, national, papers, secrets
from localfleet.core.detectors.fold import fold
from localfleet.core.detectors.row import Page, Row, spans
from localfleet.core.label import Finding

__all__ = ["KINDS", "scan"]

Gate = Literal["text", "token", "digit", "digits", "number"]
Window = tuple[int, int]

# The shortest credential with a known prefix, in characters.
_LONG_TOKEN_CHARS = 16
# Longer than any number with its country letters and separators.
_MARGIN_CHARS = 48
# More places than this are cheaper to search in one go.
_MOST_WINDOWS = 16
_NUMBER = re.compile(r"[0-9](?:[ .\-/)(]{0,3}[0-9]){5,64}")
_DIGIT = re.compile(r"[0-9]")
# No paper has a number of fewer than four digits, and a date of birth has four at least.
_FOUR_DIGITS = re.compile(r"[0-9](?:[^0-9]*[0-9]){3}")

_GROUPS: tuple[tuple[Gate, tuple[Row, ...]], ...] = (
    ("text", secrets.TEXT_ROWS),
    ("token", secrets.TOKEN_ROWS),
    ("text", (*assigned.ROWS, *contact.ADDRESS_ROWS)),
    ("text", papers.TOKEN_ROWS),
    ("token", (*national.TOKEN_ROWS, *money.WALLET_ROWS)),
    ("number", (*money.ROWS, *national.ROWS)),
    ("digits", (*national.WORD_ROWS, *papers.ROWS)),
    ("number", contact.NUMBER_ROWS),
    ("text", money.CODE_ROWS),
    ("digit", contact.PLACE_ROWS),
)

KINDS: tuple[str, ...] = tuple(dict.fromkeys(row.kind for _, rows in _GROUPS for row in rows))


def _number_windows(text: str) -> list[Window]:
    """Where six digits or more stand together, separators allowed, with a margin; joined where margins meet."""
    windows: list[Window] = []
    for match in _NUMBER.finditer(text):
        start, end = max(0, match.start() - _MARGIN_CHARS), match.end() + _MARGIN_CHARS
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows if len(windows) <= _MOST_WINDOWS else [(0, len(text))]


def _long_words(low: str) -> str:
    """The words long enough to be a credential, one a line; usually none, so that few needles are looked for at all."""
    return "\n".join([word for word in low.split() if len(word) >= _LONG_TOKEN_CHARS])


def _gates(page: Page) -> dict[Gate, tuple[str, Sequence[Window]]]:
    """For each gate, where its rows' needs are looked for and which parts of the text lie behind it."""
    whole: list[Window] = [(0, len(page.text))]
    long_words = _long_words(page.low)
    first = _DIGIT.search(page.text)
    has_digit = first is not None
    # Tried at the first digit only: there are four digits from there on, or nowhere.
    has_four = first is not None and _FOUR_DIGITS.match(page.text, first.start()) is not None
    return {
        "text": (page.low, whole),
        "token": (long_words, whole if long_words else ()),
        "digit": (page.low, whole if has_digit else ()),
        "digits": (page.low, whole if has_four else ()),
        "number": (page.low, _number_windows(page.text) if has_digit else ()),
    }


def _needles(rows: tuple[Row, ...]) -> tuple[tuple[str, int], ...]:
    """What each row needs, with the row's place; the empty needle, which is in every text, for a row without needs."""
    return tuple((needle, place) for place, row in enumerate(rows) for needle in row.needs or ("",))


_NEEDLES = tuple(_needles(rows) for _, rows in _GROUPS)


def _possible(needles: tuple[tuple[str, int], ...], where: str) -> Iterable[int]:
    """The places of rows whose needs are met; one flat loop, because most of a scan's time is spent here."""
    return dict.fromkeys([place for needle, place in needles if needle in where])


class _Tally:
    """Counts by kind, and which characters are already spoken for."""

    __slots__ = ("_taken", "counts")

    def __init__(self, length: int) -> None:
        self._taken = bytearray(length)
        self.counts: dict[str, int] = {}

    def add(self, kind: str, start: int, end: int) -> None:
        """Count one find unless it overlaps an earlier one."""
        if 1 not in self._taken[start:end]:
            self._taken[start:end] = b"\x01" * (end - start)
            self.counts[kind] = self.counts.get(kind, 0) + 1


def scan(text: str, on: frozenset[str] | None = None) -> tuple[Finding, ...]:
    """
    Everything private that patterns find in `text`: kinds and counts in the order of `KINDS`, never the text.

    `on` names the kinds to look for; `None` means all. Time grows linearly with the text.
    """
    folded = fold(text)
    page = Page(text=folded, low=folded.lower())
    tally = _Tally(len(folded))
    gates = _gates(page)
    for (gate, rows), needles in zip(_GROUPS, _NEEDLES, strict=True):
        where, windows = gates[gate]
        for place in _possible(needles, where) if windows else ():
            row = rows[place]
            if on is None or row.kind in on:
                for window in windows:
                    for start, end in spans(row, page, window):
                        tally.add(row.kind, start, end)
    return tuple(Finding(kind=kind, count=tally.counts[kind]) for kind in KINDS if kind in tally.counts)
