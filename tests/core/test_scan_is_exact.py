"""The quick way of the scan finds what the plain way finds: each string asked for by itself, each number looked at."""

import random
from collections.abc import Iterator

import pytest
from test_detectors import CASES, SEEDS

from localfleet.core.detectors import KINDS, scan
from localfleet.core.detectors.fold import fold
from localfleet.core.detectors.row import Page, Row, fits
from localfleet.core.detectors.scan import _DIGIT, _FOUR_DIGITS, _GROUPS, _NUMBER, _windows
from localfleet.core.detectors.views import views
from localfleet.core.label import Finding

WORDS = [
    *("the", "order", "of", "my", "card", "account", "passport", "12345", "swift", "bic", "at", "dot", "call", "me"),
    *("rue", "de", "la", "place", "via", "key", "token:", "secret", "=", "born", "on", "1987", "unit", "apt", "box"),
    *("4111 1111 1111 1111", "987-65-4321", "+49", "30", "1234567", "v1.2.3.4", "07:4b", "eyJ", "sk_live_", "ghp_"),
    *("\u00e9t\u00e9", "stra\u00dfe", "\u7535\u8bdd", "\uff11\uff12", "555"),
]


def plain_scan(text: str) -> tuple[Finding, ...]:
    """The same tables, with nothing skipped but what a row's own needs and its gate rule out."""
    shown = "\n".join([fold(text), *views(fold(text))])
    page = Page(text=shown, low=shown.lower())
    taken = bytearray(len(page.text))
    counts: dict[str, int] = {}
    for gate, rows in _GROUPS:
        where, windows = _behind(gate, page)
        for row in rows if windows else ():
            if not row.needs or any(needle in where for needle in row.needs):
                for start, end in _candidates(row, page, windows):
                    if 1 not in taken[start:end]:
                        taken[start:end] = b"\x01" * (end - start)
                        counts[row.kind] = counts.get(row.kind, 0) + 1
    return tuple(Finding(kind=kind, count=counts[kind]) for kind in KINDS if kind in counts)


def _behind(gate: str, page: Page) -> tuple[str, list[tuple[int, int]]]:
    whole = [(0, len(page.text))]
    long_words = "\n".join(word for word in page.low.split() if len(word) >= 16)
    numbers = _windows([match.span() for match in _NUMBER.finditer(page.text)], len(page.text))
    digit = _DIGIT.search(page.text)
    opened = {
        "text": whole,
        "token": whole if long_words else [],
        "digit": whole if digit else [],
        "digits": whole if digit and _FOUR_DIGITS.match(page.text, digit.start()) else [],
        "number": numbers,
        "unspent": numbers,
    }
    return (long_words if gate == "token" else page.low), opened[gate]


def _candidates(row: Row, page: Page, windows: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    group = "v" if "v" in row.pattern.groupindex else 0
    for window in windows:
        for match in row.pattern.finditer(page.low if row.lowered else page.text, *window):
            start, end = match.span(group)
            if fits(row, page, start, end):
                yield start, end


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_of_a_kind_is_found_alike(kind: str) -> None:
    """Finds and look-alikes of each kind, alone, among words, and beside a card that is spoken for."""
    for text in (one for side in CASES[kind] for one in side):
        for dressed in (text, f"please look at {text} again", f"4111 1111 1111 1111 {text}", f"{text}\n{text}"):
            assert scan(dressed) == plain_scan(dressed)


def test_mixtures_are_found_alike() -> None:
    """Five hundred texts of words, finds, look-alikes and hostile pieces in any order, the same by both ways."""
    dice = random.Random(20)
    cases = [text for sides in CASES.values() for side in sides for text in side]
    for _ in range(500):
        pieces = dice.choices(WORDS, k=dice.randrange(30)) + dice.choices(cases, k=dice.randrange(4))
        pieces += dice.choices(SEEDS, k=dice.randrange(2))
        dice.shuffle(pieces)
        text = dice.choice((" ", " ", "\n", ", ", "")).join(pieces)
        assert scan(text) == plain_scan(text)


def test_a_long_text_is_found_alike() -> None:
    """Many numbers far from each other, more than are looked at one by one."""
    cases = [side[0] for sides in CASES.values() for side in sides if side]
    text = (" and so on, as everybody knows. " * 4).join(cases)
    assert scan(text) == plain_scan(text)
    assert len(scan(text)) > 40
