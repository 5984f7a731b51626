"""
Reading one text for everything private that patterns can see.

Whole groups of rows hide behind one cheap question each, so an everyday prompt costs a few searches. Rows run in order
and a candidate that overlaps an earlier find is not counted again: a card is not also a telephone number.
"""

import re
from collections.abc import Sequence
from typing import Literal

from localfleet.core.detectors import assigned, contact, money, national, papers, said, secrets, services, states
from localfleet.core.detectors.fold import fold
from localfleet.core.detectors.row import Page, Row, fits
from localfleet.core.detectors.sieve import OTHERS, Hits, Sieve
from localfleet.core.detectors.views import DRESSES, LONG_CHARS, views
from localfleet.core.label import Finding
from localfleet.core.value import value

__all__ = ["KINDS", "SECRET_KINDS", "Find", "find_all", "scan"]

Gate = Literal["text", "token", "digit", "digits", "number", "unspent"]
Window = tuple[int, int]

# The shortest credential with a known prefix, and the shortest encoded word, in characters.
_LONG_TOKEN_CHARS = LONG_CHARS
# Longer than any number with its country letters and separators.
_MARGIN_CHARS = 48
# More places than this are cheaper to search in one go.
_MOST_WINDOWS = 16
_NUMBER = re.compile(r"[0-9](?:[ .\-/)(]{0,3}[0-9]){5,64}")
_DIGIT = re.compile(r"[0-9]")
# No paper has a number of fewer than four digits, and a date of birth has four at least.
_FOUR_DIGITS = re.compile(r"[0-9](?:[^0-9]*[0-9]){3}")


# `unspent`: every candidate of these rows holds six digits together, so where all such numbers are spoken for, none is
# left to find. An IBAN may have its digits in short runs, so `number` opens money's windows whatever was found.
_GROUPS: tuple[tuple[Gate, tuple[Row, ...]], ...] = (
    ("text", secrets.TEXT_ROWS),
    ("token", secrets.TOKEN_ROWS),
    ("text", (*assigned.ROWS, *said.ROWS, *contact.ADDRESS_ROWS)),
    ("text", papers.TOKEN_ROWS),
    ("token", (*national.TOKEN_ROWS, *money.WALLET_ROWS)),
    ("number", money.ROWS),
    ("unspent", (*national.ROWS, *states.ROWS)),
    ("digits", (*national.WORD_ROWS, *papers.ROWS)),
    ("unspent", contact.NUMBER_ROWS),
    ("text", money.CODE_ROWS),
    ("digit", contact.PLACE_ROWS),
    ("token", secrets.LAST_ROWS),
    ("text", services.ROWS),
)
# Credentials are looked for in the long words only, of which there are usually none.
_TOKENS = Sieve([rows if gate == "token" else () for gate, rows in _GROUPS])
_OTHERS = Sieve([() if gate == "token" else rows for gate, rows in _GROUPS], DRESSES)

KINDS: tuple[str, ...] = tuple(dict.fromkeys(row.kind for _, rows in _GROUPS for row in rows))
SECRET_KINDS = frozenset(
    row.kind for row in (*secrets.TEXT_ROWS, *secrets.TOKEN_ROWS, *secrets.LAST_ROWS, *assigned.ROWS, *said.ROWS)
)
"""Credentials: the kinds of the layer `secrets`; all others are of the layer `patterns`."""
_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


class _Gates:
    """What the cheap questions say of one page: which parts of it lie behind each gate. None is asked in vain."""

    __slots__ = ("_at", "_numbers", "_page", "_whole", "_windows")

    def __init__(self, page: Page) -> None:
        """Look for the first digit: without one, most gates are shut."""
        self._page = page
        self._whole: Sequence[Window] = ((0, len(page.text)),)
        first = _DIGIT.search(page.text)
        self._at = -1 if first is None else first.start()
        self._numbers: list[Window] | None = None
        self._windows: Sequence[Window] = ()

    def behind(self, gate: Gate, taken: bytearray) -> Sequence[Window]:
        """The parts of the page behind a gate, none where it is shut; `taken` marks what is already spoken for."""
        if gate in {"text", "token"}:
            return self._whole
        if self._at < 0:
            return ()
        if gate == "digit":
            return self._whole
        if gate == "digits":
            # Tried at the first digit only: there are four digits from there on, or nowhere.
            return self._whole if _FOUR_DIGITS.match(self._page.text, self._at) is not None else ()
        if self._numbers is None:
            self._numbers = [match.span() for match in _NUMBER.finditer(self._page.text, self._at)]
            self._windows = _windows(self._numbers, len(self._page.text)) if self._numbers else ()
        if gate == "unspent" and all(0 not in taken[start:end] for start, end in self._numbers):
            return ()
        return self._windows


def _windows(numbers: Sequence[Window], length: int) -> list[Window]:
    """The places of numbers with a margin; joined where margins meet."""
    windows: list[Window] = []
    for number_start, number_end in numbers:
        start, end = max(0, number_start - _MARGIN_CHARS), number_end + _MARGIN_CHARS
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows if len(windows) <= _MOST_WINDOWS else [(0, length)]


class _Tally:
    """Counts by kind, and which characters are already spoken for."""

    __slots__ = ("counts", "page", "taken")

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taken = bytearray(len(page.text))
        self.counts: dict[str, int] = {}

    def try_row(self, row: Row, windows: Sequence[Window]) -> None:
        """Look for a row's kind in the windows; most rows find nothing, which is one search for each window."""
        text, search = self.page.low if row.lowered else self.page.text, row.pattern.search
        for start, end in windows:
            match = search(text, start, end)
            while match is not None:
                self._weigh(row, match)
                match = search(text, match.end(), end)

    def _weigh(self, row: Row, match: re.Match[str]) -> None:
        """Count one find if it fits, unless it overlaps an earlier one, which is the cheaper question."""
        start, end = match.span("v" if "v" in row.pattern.groupindex else 0)
        if 1 not in self.taken[start:end] and fits(row, self.page, start, end):
            self.taken[start:end] = b"\x01" * (end - start)
            self.found(row, match, start, end)

    def found(self, row: Row, _match: re.Match[str], _start: int, _end: int) -> None:
        """One more of a kind; where it stands is nobody's business."""
        self.counts[row.kind] = self.counts.get(row.kind, 0) + 1


@value
class Find:
    """
    One find at its place in the folded text; `outer` is where the words begin that gave it away.

    For redaction alone: it never leaves the process, and neither do findings that hold text.
    """

    row: Row
    start: int
    end: int
    outer: int


class _Places(_Tally):
    """Finds with their places."""

    __slots__ = ("finds",)

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.finds: list[Find] = []

    def found(self, row: Row, match: re.Match[str], start: int, end: int) -> None:
        """Keep where it stands."""
        self.finds.append(Find(row=row, start=start, end=end, outer=match.start()))


def scan(text: str, on: frozenset[str] | None = None) -> tuple[Finding, ...]:
    """
    Everything private that patterns find in `text`: kinds and counts in the order of `KINDS`, never the text.

    `on` names the kinds to look for; `None` means all. Time grows linearly with the text.
    """
    seen = _see(fold(text))
    tally = _Tally(seen.page)
    _try_rows(tally, seen, on)
    counts = tally.counts
    return tuple([Finding(kind=kind, count=counts[kind]) for kind in sorted(counts, key=_RANKS.__getitem__)])


def find_all(folded: str, on: frozenset[str] | None = None) -> list[Find]:
    """
    What `scan` counts, with places in `folded`, which went through `fold` before; in the order of the text.

    A find in another dress (base64, spoken digits) lies beyond the end of `folded`.
    """
    seen = _see(folded)
    places = _Places(seen.page)
    _try_rows(places, seen, on)
    return sorted(places.finds, key=lambda find: find.start)


@value
class _Seen:
    """A page, what the sieve found on it, and its long words."""

    page: Page
    hits: Hits
    long_words: list[str]


def _see(folded: str) -> _Seen:
    """The text with its views, if it can have any."""
    seen = _sift(folded)
    if OTHERS in seen.hits or seen.long_words:
        undressed = views(folded)
        if undressed:
            # Last, so that offsets of the text stay; what counts here and there was said twice.
            seen = _sift("\n".join((folded, *undressed)))
        seen.hits.pop(OTHERS, None)
    return seen


def _sift(text: str) -> _Seen:
    low = text.lower()
    long_words = [word for word in low.split() if len(word) >= _LONG_TOKEN_CHARS]
    return _Seen(page=Page(text=text, low=low), hits=_OTHERS.hits(low), long_words=long_words)


def _try_rows(tally: _Tally, seen: _Seen, on: frozenset[str] | None) -> None:
    gates, hits = _Gates(seen.page), seen.hits
    token_hits = _TOKENS.hits("\n".join(seen.long_words)) if seen.long_words else {}
    tables = _OTHERS.tables(hits) | _TOKENS.tables(token_hits) if seen.long_words else _OTHERS.tables(hits)
    for table in sorted(tables):
        gate = _GROUPS[table][0]
        windows = gates.behind(gate, tally.taken)
        if windows:
            for row in _TOKENS.rows(table, token_hits) if gate == "token" else _OTHERS.rows(table, hits):
                if on is None or row.kind in on:
                    tally.try_row(row, windows)
