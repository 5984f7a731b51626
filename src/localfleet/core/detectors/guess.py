"""
Telling a secret from a stand-in: entropy, placeholders, references to variables.

A value counts as a stand-in when nobody could log in with it: repeated or counted-up characters, words such as
`changeme`, templates such as `${TOKEN}`.
"""

import math
import re
from itertools import pairwise

__all__ = [
    "counted_up",
    "entropy_bits",
    "looks_like_password",
    "looks_random",
    "placeholder",
    "real_token",
    "same_again",
    "shuffled",
]

_ENTROPY_CHARS = 128
_LETTERS_IN_ORDER = 8
_STAND_IN = re.compile(
    r"example|changeme|change[_-]me|your|placeholder|dummy|sample|redacted|insert|replace|fake|goes[_-]?here|"
    r"xxxx|\*\*\*|\.\.\.|####|12345|abcdef|qwerty|foobar|passw(?:or)?d|secret|environ|process\.env|getenv|"
    r"^(?:none|null|undefined|true|false|test|pass|admin|root|user|token|key|string|todo|tbd|n/a|postgres|guest)$"
)
_SAME_AGAIN = re.compile(r"(?<![A-Za-z0-9])([A-Za-z0-9]{3,32})(?:[\-_.]\1){2}(?![A-Za-z0-9])")
_REFERENCE = re.compile(r"[$<{%\[(@]|-{2}")
_DOTTED_NAME = re.compile(r"[A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63}){1,8}")
_SHOUTED_NAME = re.compile(r"[A-Z]{2,20}(?:_[A-Z0-9]{1,20}){1,8}")
_DIGIT_RUN = re.compile(r"[0-9]{1,64}")
_LETTER = re.compile(r"[A-Za-z]")
_SYMBOL = re.compile(r"[!@#$%^&*+?~=]")
_TEMPLATE = re.compile(r"\$[{(]|\{\{|<[^>]{1,80}>|%\(|\[[A-Z_ -]{2,40}\]")


def entropy_bits(text: str) -> float:
    """Shannon's entropy in bits per character of the first 128 characters."""
    head = text[:_ENTROPY_CHARS]
    counts = [head.count(char) for char in set(head)]
    return -sum(count / len(head) * math.log2(count / len(head)) for count in counts)


def placeholder(value: str) -> bool:
    """Whether the value is a stand-in or names a variable."""
    return (
        _STAND_IN.search(value.lower()) is not None
        or _REFERENCE.match(value) is not None
        or _TEMPLATE.search(value) is not None
        or _DOTTED_NAME.fullmatch(value) is not None
        or _SHOUTED_NAME.fullmatch(value) is not None
        or len(set(value)) < 5
    )


def real_token(token: str) -> bool:
    """Whether a token of a known format has enough entropy to be more than an illustration."""
    low = token.lower()
    return (
        entropy_bits(token) >= 3.0
        and "xxxx" not in low
        and "example" not in low
        and "..." not in token
        and "####" not in token
        and not counted_up(token)
        and not same_again(token)
    )


def same_again(token: str) -> bool:
    """Whether one group stands three times in a row, as in `1234-1234-1234`: no generator says so in a lifetime."""
    return _SAME_AGAIN.search(token) is not None


def counted_up(token: str) -> bool:
    """
    Whether eight letters stand in the order of the alphabet: what hands write that need any token.

    A generator writes them once in a hundred thousand million characters. Digits do: workspaces have numbers.
    """
    run = 0
    for before, after in pairwise(token.lower()):
        run = run + 1 if before >= "a" and ord(after) - ord(before) == 1 else 0
        if run >= _LETTERS_IN_ORDER - 1:
            return True
    return False


def shuffled(token: str) -> bool:
    """Whether capitals, small letters and digits come in no order, as only a generator writes them."""
    if entropy_bits(token) < 3.9 or placeholder(token) or not 3 <= sum(map(str.isdigit, token)) <= len(token) // 2:
        return False
    kinds = ["A" if char.isupper() else "a" if char.islower() else "0" if char.isdigit() else "-" for char in token]
    changes = sum(one != other for one, other in pairwise(kinds))
    return {"A", "a", "0"} <= set(kinds) and changes * 2.2 >= len(token) and "aaaaaa" not in "".join(kinds)


def looks_random(value: str) -> bool:
    """Whether an assigned value reads like a generated token: letters and digits mixed, no words, no path."""
    if len(value) < 16 or " " in value or "://" in value or value[0] == "/" or placeholder(value) or same_again(value):
        return False
    runs = len(_DIGIT_RUN.findall(value))
    if not runs or entropy_bits(value) < 2.9:
        return False
    cases = value.lower() != value != value.upper()
    return runs > 1 or cases or (len(value) >= 20 and not set("_-. ") & set(value))


def looks_like_password(value: str) -> bool:
    """Whether a value assigned to a password could be one: a letter, and a digit or a symbol."""
    if len(value) < 6 or " " in value or placeholder(value):
        return False
    mixed = _DIGIT_RUN.search(value) or _SYMBOL.search(value)
    return _LETTER.search(value) is not None and mixed is not None
