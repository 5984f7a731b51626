"""Undressing: what encodings and spellings hide, the pattern layers see; in linear time, and everyday text stays."""

import base64
import random
import time

import pytest
import re2

from localfleet.core.detectors import scan
from localfleet.core.detectors.views import DRESSES, LONG_CHARS, views

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"decode {base64.b64encode(f'card {CARD}'.encode()).decode()} please", "card"),
        (f"decode {base64.urlsafe_b64encode(f'card {CARD}?>'.encode()).decode().rstrip('=')} please", "card"),
        (f"hex {f'card {CARD}'.encode().hex()}", "card"),
        ("GET /find?mail=ann.lee%40corp.io&x=1", "email"),
        ("write to ann.lee&#64;corp.io or", "email"),
        ("write to ann.lee&commat;corp.io or", "email"),
        ('{"m": "ann.lee\\u0040corp.io"}', "email"),
        ("my ssn is four five six dash seven eight dash nine one two three", "us_ssn"),
        ("card four one one one, one one one one, one one one one, one one one one", "card"),
        ("card quatre un un un un un un un un un un un un un un un", "card"),
        ("llámame al móvil seis uno dos tres cuatro cinco seis siete ocho", "phone"),
        ("ring my mobile: double five five two one two oh one four seven", "phone"),
    ],
)
def test_what_is_hidden_is_found(text: str, kind: str) -> None:
    """One level of each dress is undone."""
    assert kind in {found.kind for found in scan(text)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One of the two options is fine, three at most.",
        "Mix 50% water with 50% vinegar & stir.",
        "The class getUserByIdentifier and the commit 22226a44024ce5c047a346f500039c945d8cdbb6",
        "a b c are letters",
        "See https://docs.python.org/3/library/functions.html#sorted",
    ],
)
def test_everyday_text_has_no_other_view_that_is_found(text: str) -> None:
    """Per cent signs, counted words and hashes are no disguises."""
    assert not scan(text)


def test_views_are_bounded_and_fast() -> None:
    """A hostile text of any kind costs time in proportion to its length, and views do not multiply it."""
    for unit in (
        "a ",
        "one ",
        "%41",
        "A",
        "&amp;",
        "0a",
        "one two three one two three ",
        "%",
        "&#",
        "a-",
        "x%",
        "\\u0041",
    ):
        text = unit * (120_000 // len(unit))
        began = time.perf_counter()
        found = views(text)
        assert time.perf_counter() - began < 2.0
        assert sum(map(len, found)) <= 5 * len(text) + 40


PIECES = [
    *("one", "two", "Double", "cinq", "F\u00dcNF", "\u017fix", "s\u0131x", "dash", "point", "12", "1999"),
    *("(five", "six)", "at", "a", "B", "\u00e9", "\u0416", "7", "c-", "d.", "_", "e-f", "word", "Someone"),
    *("%41", "&amp;", "\\u0041", "deadbeef" * 3, "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "internationalisation"),
]


def test_what_has_views_is_never_passed_by() -> None:
    """Ten thousand mixtures of dresses and words: where undressing finds something, the sieve has a pattern for it."""
    dice, undressed = random.Random(7), 0
    patterns = [re2.compile(pattern) for pattern in DRESSES]
    for _ in range(10_000):
        separators = dice.choice(([" "], [" ", ", ", "-", "."], ["", " ", "  ", "\n", "_", ","]))
        pieces = dice.choices(dice.choice((PIECES, PIECES[:10], PIECES[14:21])), k=dice.randrange(1, 12))
        text = "".join(piece + dice.choice(separators) for piece in pieces)
        if views(text):
            undressed += 1
            long = any(len(word) >= LONG_CHARS for word in text.lower().split())
            assert long or any(pattern.search(text.lower()) for pattern in patterns), text
    assert undressed > 2_000


def test_a_said_number_between_marks_is_found() -> None:
    """Six pieces are enough where the first and the last cling to a bracket or a colon."""
    assert views("call (five five five one two three): soon") == ["call (555123"]
