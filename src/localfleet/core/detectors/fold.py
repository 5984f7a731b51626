"""
Undoing cheap disguises before anything is searched: wide digits, exotic dashes and spaces, invisible characters.

A table and not Unicode's NFKC, because NFKC sorts runs of combining marks and a hostile text makes that quadratic.
Plain ASCII, the usual case, goes through untouched.
"""

import re

__all__ = ["fold", "fold_places"]

# The first digit of each ten: Arabic, Persian, the Indic scripts, Thai, Lao, Tibetan, Burmese, wide, and mathematical.
_ZEROS = (
    *(0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040),
    *range(0x1D7CE, 0x1D800, 10),
)
_DASHES = (*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63)
_SPACES = (0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
# Beside what has no width: what strikes a character out or frames it, says how it is drawn, or in which direction.
_INVISIBLE = (
    *(0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0x20E3, 0xFEFF),
    *(*range(0x334, 0x339), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10)),
)
# Tags: all of ASCII once more, which nobody sees and every model reads.
_TAGS = range(0xE0000, 0xE0080)
# A capital I with a dot grows when lowered, which would shift every offset after it.
_TURKISH_I = 0x130

_TABLE: dict[int, str | None] = {
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **{0x245F + digit: str(digit) for digit in range(1, 10)},
    **{wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_INVISIBLE),
    **{tag: chr(tag - _TAGS.start) if " " <= chr(tag - _TAGS.start) <= "~" else None for tag in _TAGS},
    _TURKISH_I: "I",
}
# Two classes, because one that reaches beyond the first plane loses the engine's bitmap and takes eight times as long.
_ODD = re.compile("[" + "".join(re.escape(chr(code)) for code in _TABLE if code < 0x10000) + "]")
_BEYOND = re.compile("[\U0001d7ce-\U0001d7ff\U000e0000-\U000e007f]")


def _plain(match: re.Match[str]) -> str:
    return _TABLE[ord(match[0])] or ""


def fold(text: str) -> str:
    """The text as the patterns expect it: ASCII digits, dashes and spaces, nothing invisible. Linear in its length."""
    if text.isascii():
        return text
    return _BEYOND.sub(_plain, _ODD.sub(_plain, text))


def fold_places(text: str) -> range | list[int]:
    """For each character of the folded text, where it stood in `text`; then the length of `text`."""
    if text.isascii():
        return range(len(text) + 1)
    return [*(at for at, char in enumerate(text) if _TABLE.get(ord(char), char)), len(text)]
