"""
What a find of the detectors really is, from its first character to its last.

A pattern is anchored where it is cheapest: an e-mail at its sign, an American address at its state. To count, that is
enough; to replace, the rest must go too. Kinds whose find is not the secret itself (`NEVER`) are not replaced at all.
"""

import re
from collections.abc import Iterator

from localfleet.core.detectors import SECRET_KINDS, Find
from localfleet.core.detectors.checksums import iban
from localfleet.core.detectors.row import Row

__all__ = ["NEVER", "STREET", "flats", "mailbox_names", "whole"]

NEVER = frozenset({"private_key", "gcp_key"})
"""A key of many lines is not echoed letter by letter, and a service account's file is told by its head alone."""
STREET = Row(kind="street_address", pattern=re.compile("(?!)"))
"""In place of the row that found it, for an address that the reader of names found."""
_LONGEST_LOCAL = 80
_LOCAL_PART = re.compile(r"[^\s@<>()\[\]{}\"',;:|=&?]{1,64}$")
_LOCAL_SAID = re.compile(r"(?:[\w+\-]{1,40}(?: ?[\[({]?(?:dot|underscore|dash)[\])}]? ?|[._]))*[\w+\-]{1,40}[ \[({]*$")
_LONGEST_NUMBERS = 20
_NUMBERS_BEFORE = re.compile(r"(?<![\w.,$])(?:[0-9]{1,6}[ ,]{1,2}){1,3}\Z")
_FLAT = re.compile(r"\b(?:Apt|Apartment|Suite|Ste|Unit|Flat)\.? #?[0-9]{1,5}(?![\w.]*[0-9])")
_TAIL = ".,;:!?"
_MAILBOX = re.compile(r"([\w.+\-]{3,64})@[\w\-]+\.[\w.\-]+")
_PART = re.compile(r"[^\W\d_]{3,}")
_CAPITAL = re.compile(r"(?<![^\W_])[^\W\d_a-z][^\W\d_]{2,}(?![^\W_])")


def whole(find: Find, folded: str) -> tuple[int, int]:
    """The places in `folded` that must be replaced for this find."""
    start, end, kind = find.start, find.end, find.row.kind
    if kind == "email":
        return _mailbox(find, folded), end
    if kind == "street_address":
        if find.row.near is not None:
            start = _head(find.row.near, folded.lower(), max(0, start - find.row.near_chars), start, end)
        return _numbers_before(folded, start), end
    if kind == "mac_address":
        return start - len("00:"), end
    if kind == "iban":
        return start, _end_of_iban(folded, start, end)
    if kind in SECRET_KINDS:
        return start, start + len(folded[start:end].rstrip(_TAIL))
    return start, end


def _head(near: re.Pattern[str], low: str, at: int, start: int, end: int) -> int:
    """Where the nearest number of a house begins that makes a state and its code an address."""
    found = start
    while (match := near.search(low, at, end)) is not None and match.start() < start:
        found, at = match.start(), match.start() + 1
    return found


def _numbers_before(folded: str, start: int) -> int:
    """Where further numbers begin that stand right before an address."""
    numbers = _NUMBERS_BEFORE.search(folded, max(0, start - _LONGEST_NUMBERS), start)
    return start if numbers is None else numbers.start()


def flats(folded: str) -> Iterator[tuple[int, int]]:
    """Numbers of flats and suites, which are of an address although a line stands between."""
    return (match.span() for match in _FLAT.finditer(folded))


def _mailbox(find: Find, folded: str) -> int:
    """Where the part before the sign begins, or before the word that stands for it."""
    spelled = folded[find.start - 1] != "@"
    end = find.outer if spelled else find.start - 1
    head = folded[max(0, end - _LONGEST_LOCAL) : end]
    local = (_LOCAL_SAID if spelled else _LOCAL_PART).search(head)
    return end if local is None else max(0, end - _LONGEST_LOCAL) + local.start()


def mailbox_names(folded: str) -> Iterator[tuple[int, int]]:
    """
    Where words with a capital stand that are part of a mailbox in the same text: `anton.brandt30@...` knows Brandt.

    Whoever writes to somebody names them, and a reader of names does not see every name.
    """
    parts = {part for box in _MAILBOX.finditer(folded) for part in _PART.findall(box[1].lower())}
    if parts:
        for word in _CAPITAL.finditer(folded):
            if word[0].lower() in parts:
                yield word.span()


def _end_of_iban(folded: str, start: int, end: int) -> int:
    """Where it passes: a word that follows may look like one more group."""
    compact, at = "", start
    for at in range(start, end):
        if folded[at].isalnum():
            compact += folded[at].upper()
            if iban(compact):
                return at + 1
    return at + 1
