"""
What a find of the detectors really is, from its first character to its last.

A pattern is anchored where it is cheapest: an e-mail at its sign, an American address at its state. To count, that is
enough; to replace, the rest must go too. Kinds whose find is not the secret itself (`NEVER`) are not replaced at all.
"""

import re

from localfleet.core.detectors import SECRET_KINDS, Find
from localfleet.core.detectors.checksums import iban
from localfleet.core.detectors.row import Row

__all__ = ["NEVER", "STREET", "whole"]

NEVER = frozenset({"private_key", "gcp_key"})
"""A key of many lines is not echoed letter by letter, and a service account's file is told by its head alone."""
STREET = Row(kind="street_address", pattern=re.compile("(?!)"))
"""In place of the row that found it, for an address that the reader of names found."""
_LONGEST_LOCAL = 80
_LOCAL_PART = re.compile(r"[^\s@<>()\[\]{}\"',;:|=&?]{1,64}$")
_LOCAL_SAID = re.compile(r"(?:[\w+\-]{1,40}(?: ?[\[({]?(?:dot|underscore|dash)[\])}]? ?|[._]))*[\w+\-]{1,40}[ \[({]*$")
_TAIL = ".,;:!?"


def whole(find: Find, folded: str) -> tuple[int, int]:
    """The places in `folded` that must be replaced for this find."""
    start, end, kind = find.start, find.end, find.row.kind
    if kind == "email":
        return _mailbox(find, folded), end
    if kind == "street_address" and find.row.near is not None:
        return _head(find.row.near, folded.lower(), max(0, start - find.row.near_chars), start, end), end
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


def _mailbox(find: Find, folded: str) -> int:
    """Where the part before the sign begins, or before the word that stands for it."""
    spelled = folded[find.start - 1] != "@"
    end = find.outer if spelled else find.start - 1
    head = folded[max(0, end - _LONGEST_LOCAL) : end]
    local = (_LOCAL_SAID if spelled else _LOCAL_PART).search(head)
    return end if local is None else max(0, end - _LONGEST_LOCAL) + local.start()


def _end_of_iban(folded: str, start: int, end: int) -> int:
    """Where it passes: a word that follows may look like one more group."""
    compact, at = "", start
    for at in range(start, end):
        if folded[at].isalnum():
            compact += folded[at].upper()
            if iban(compact):
                return at + 1
    return at + 1
