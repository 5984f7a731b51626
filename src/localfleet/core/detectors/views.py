"""
The same text undressed: what it says when encodings and spellings are undone. The pattern layers read these as well.

Each view is a piece of the text in another dress: base64 and hexadecimal, URL and HTML escapes, JSON's escapes, digits
as words in several languages, letters set apart ("c a r d"). Only what was dressed becomes a view, one level deep,
so the views are hardly longer than the text, and the time is linear. `DRESSES` says in RE2's syntax what a lower-case
text must hold to have views: the sieve looks for that along with everything else, and everyday text ends there.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

__all__ = ["DRESSES", "LONG_CHARS", "views"]

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_\-=])[A-Za-z0-9+/_\-]{16,4000}={0,2}(?![A-Za-z0-9+/_\-=])")
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{2}){10,2000}(?![0-9A-Za-z])|(?<![0-9A-Za-z])(?:[0-9A-F]{2}){10,2000}(?![0-9A-Za-z])"
)
_ESCAPE = re.compile(r"\\u(00[0-9a-fA-F]{2})")
_APART = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*]{1,3}){5,60}[^\W_](?![^\W_])")
_GAPS = re.compile(r"[ .\-_*]{1,3}")

_WORDS = (
    ("zero", "oh", "cero", "zéro", "null", "nul", "noll", "nolla"),
    ("one", "uno", "una", "un", "une", "eins", "ein", "um", "uma", "een", "ett", "yksi"),
    ("two", "dos", "deux", "zwei", "zwo", "due", "dois", "duas", "twee", "två", "kaksi"),
    ("three", "tres", "trois", "drei", "tre", "três", "drie", "kolme"),
    ("four", "cuatro", "quatre", "vier", "quattro", "quatro", "fyra", "neljä"),
    ("five", "cinco", "cinq", "fünf", "cinque", "vijf", "fem", "viisi"),
    ("six", "seis", "sechs", "sei", "zes", "sex", "kuusi"),
    ("seven", "siete", "sept", "sieben", "sette", "sete", "zeven", "sju", "seitsemän"),
    ("eight", "ocho", "huit", "acht", "otto", "oito", "åtta", "kahdeksan"),
    ("nine", "nueve", "neuf", "neun", "nove", "negen", "nio", "yhdeksän"),
)
_DIGIT_OF = {word: str(digit) for digit, words in enumerate(_WORDS) for word in words}
_TIMES = {"double": 2, "doble": 2, "triple": 3, "treble": 3}
_SAID = "|".join(sorted((*_DIGIT_OF, *_TIMES), key=len, reverse=True))
# Six said digits or more; digits written as such may stand between them, as may "dash" and "dot".
_SPOKEN = re.compile(
    rf"(?<![^\W_])(?:{_SAID})(?:[ ,.\-]{{1,3}}(?:{_SAID}|[0-9]{{1,4}}|dash|hyphen|dot|point|space)(?![^\W_])){{5,60}}",
    re.IGNORECASE,
)
_SPOKEN_WITH = frozenset({*_DIGIT_OF, *_TIMES, "dash", "hyphen", "dot", "point", "space"})
_INNER_PIECES = 4
LONG_CHARS = 16
"""Base64 and hexadecimal that say something are a word of so many characters at least."""
_CONTEXT_CHARS = 40
_APART_LETTERS = 6
_PIECE = re.compile(r"[^\W_]+")

_LETTER = r"[0-9a-z\x{80}-\x{10FFFF}]"
DRESSES = (
    "%",
    "&",
    r"\\u00",
    # Two said digits beside each other; or a letter that case folding takes for one of ours, and `lower` leaves.
    rf"(?:^|[^0-9a-z])(?:{_SAID})[ ,.\-]{{1,3}}(?:{_SAID}|[0-9]{{1,4}}|dash|hyphen|dot|point|space)(?:$|[^0-9a-z])",
    "[\u017f\u0131]",
    rf"{_LETTER}(?:[ .\-_*]{{1,3}}{_LETTER}){{{_APART_LETTERS - 1}}}",
)
"""Any of these is in every lower-case text that has views, but for those with a word of `LONG_CHARS`."""


def views(text: str) -> list[str]:
    """What the text says undressed, a string for each dressed piece; empty for everyday text. Linear, pure."""
    pieces = text.split()
    lengths = [len(piece) for piece in pieces]
    found: list[str] = []
    if max(lengths, default=0) >= LONG_CHARS:
        found += _decoded(text)
    if "%" in text:
        found += [plain for piece in pieces if "%" in piece and (plain := unquote(piece)) != piece]
    if "&" in text:
        found += [plain for piece in pieces if "&" in piece and (plain := unescape(piece)) != piece]
    if "\\u00" in text:
        found.append(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
    if _said_in_a_row(text):
        found += [_before(text, m) + _digits(m[0]) for m in _SPOKEN.finditer(text)]
    if _stand_alone(pieces) >= _APART_LETTERS or max(lengths, default=0) > 2 * _APART_LETTERS:
        found += [_before(text, m) + _GAPS.sub(_gap, m[0]) + _behind(text, m) for m in _APART.finditer(text)]
    return found


def _said_in_a_row(text: str) -> bool:
    """
    Whether a spoken number can be there at all; the pattern itself costs ten times as much.

    It has six pieces at least. What stands before the first or after the last may cling to it; those between are words.
    """
    words = text.lower().replace(",", " ").replace("-", " ").replace(".", " ").split()
    if _DIGIT_OF.keys().isdisjoint(words):
        return False
    said = "".join(["1" if word in _SPOKEN_WITH or word.isdigit() else " " for word in words])
    return "1" * _INNER_PIECES in said


def _stand_alone(pieces: list[str]) -> int:
    """How many letters and digits stand by themselves, with a dash or a dot at most, or joined by such: `4-1-1-1`."""
    alone = sum([len(piece) == 1 or (len(piece) == 2 and not piece.isalnum()) for piece in pieces])
    return alone + sum([len(piece) for piece in pieces if len(piece) > 4 and not (piece[1] + piece[3]).isalnum()])


def _gap(match: re.Match[str]) -> str:
    """What a gap becomes: one mark is nothing, more of them part words; a dash among blanks stays a dash."""
    gap = match[0]
    return "" if len(gap) == 1 else "-" if "-" in gap else " "


def _before(text: str, match: re.Match[str]) -> str:
    """What stands before a piece: a number in another dress still needs its word."""
    return text[max(0, match.start() - _CONTEXT_CHARS) : match.start()]


def _behind(text: str, match: re.Match[str]) -> str:
    """What stands behind a word in another dress: `p-a-s-s-w-o-r-d = ...` needs its value."""
    return text[match.end() : match.end() + _CONTEXT_CHARS]


def _decoded(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        plain = _readable(_bytes_of(match[0]))
        if plain:
            yield _before(text, match) + plain
    for match in _HEX.finditer(text):
        plain = _readable(bytes.fromhex(match[0]))
        if plain:
            yield _before(text, match) + plain


def _bytes_of(word: str) -> bytes:
    body = word.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1:
        return b""
    return b64decode(body + "=" * (-len(body) % 4))


def _readable(raw: bytes) -> str:
    """The text that bytes are, if they are one: most tokens decode to noise."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if len(text) >= 8 and all(char.isprintable() or char in "\n\r\t" for char in text) else ""


def _digits(spoken: str) -> str:
    """The number that was said; "double five" is two."""
    out, times = [], 1
    for word in _PIECE.findall(spoken.lower()):
        if word in _TIMES:
            times = _TIMES[word]
        elif word in {"dash", "hyphen"}:
            out.append("-")
        elif word in {"dot", "point"}:
            out.append(".")
        elif word != "space":
            out.append(_DIGIT_OF.get(word, word) * times)
            times = 1
    return "".join(out)
