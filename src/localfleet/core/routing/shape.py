"""
The shape of a prompt: what can be counted without knowing what it is about.

Length, numbers, options to choose from, mathematical marks, words of calculation and of reasoning. They are few, they
cost a tenth of a millisecond, and a model trained on one subject can still read them in another. None of them holds a
word of the prompt.
"""

import re
from math import log, log1p

__all__ = ["SHAPE", "SHAPE_CHARS", "shape_of", "tail"]

SHAPE_CHARS = 4_000
"""So much of the end is looked at: the question stands there, and a long paste before it costs no time."""

SHAPE = (
    *("log_chars", "log_words", "log_stem_chars", "chars_per_word", "long_words", "variety", "log_numbers"),
    *("numbers_per_word", "digits", "decimals", "maths", "latex", "sentences", "calculation", "reasoning"),
    *("negation", "case", "options", "option_chars", "numeric_options", "longest_option", "option_spread"),
    *("gap", "question", "capitals", "acronyms", "brackets", "quotes", "commas", "single_letters", "code"),
    *("which", "what", "why", "how", "who", "when", "where"),
)
"""The names of the features, in the order of `shape_of`."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_SENTENCE = re.compile(r"[.?!](?:\s|$)")
_OPTION = re.compile(r"(?m)^[ \t]*\(?[A-H][.)][ \t]*(.*)$")
_MATHS = re.compile(
    "[=+*/^<>%\u2264\u2265\u221a\u2211\u222b\u03c0\u221e\u00b1\u00d7\u00f7\u2208\u2200\u2203\u2192\u2202]"
)
_LATEX = re.compile(r"[$\\]")
_CODE = re.compile(r"[{}_;]|\bdef |==|\(\)")
_QUOTE = re.compile('["“]')
_CALCULATION = re.compile(
    r"\b(?:calculate|compute|evaluate|solve|find|total|average|per|each|twice|half|percent|ratio|sum|product|equation"
    r"|function|integer|prime|matrix|vector|polynomial|derivative|integral|probability|many|much|far|fast)\b"
)
_REASONING = re.compile(
    r"\b(?:if|then|therefore|because|suppose|assume|given|let|unless|implies|hence|prove|true|false|statement|argument"
    r"|conclusion|valid)\b"
)
_NEGATION = re.compile(r"\b(?:not|never|except|least|neither|nor|cannot|no)\b|n['\u2019]t\b")
_CASE = re.compile(r"\b(?:year|patient|plaintiff|defendant|court|statute|contract|diagnosis|symptoms|sued)\b")
_ASKING = ("which", "what", "why", "how", "who", "when", "where")


def tail(text: str, most_chars: int) -> str:
    """The end of a prompt, with line ends that somebody escaped made whole again."""
    end = text[-most_chars:].strip()
    return end.replace("\\n", "\n") if "\\n" in end else end


def shape_of(text: str) -> list[float]:
    """One number for each name of `SHAPE`; the length counts the whole text, the rest its last 4,000 characters."""
    end = tail(text, SHAPE_CHARS)
    first = _OPTION.search(end)
    stem = end[: first.start()] if first else end
    words = _WORD.findall(end)
    low = end.lower()
    vocabulary = set(_WORD.findall(low))
    numbers = _NUMBER.findall(end)
    count = max(1, len(words))
    whole = max(1, len(end), len(text) if len(text) > SHAPE_CHARS else 0)
    return [
        *(log(whole), log(count * max(1.0, whole / max(1, len(end)))), log(max(1, len(stem) + whole - len(end)))),
        sum(map(len, words)) / count,
        sum(len(word) >= 9 for word in words) / count,
        len(vocabulary) / count**0.8,
        log1p(len(numbers)),
        len(numbers) / count,
        float(max((min(6, len(number)) for number in numbers), default=0)),
        float(any("." in number for number in numbers)),
        *(log1p(len(pattern.findall(end))) for pattern in (_MATHS, _LATEX, _SENTENCE)),
        *(log1p(len(cues.findall(low))) for cues in (_CALCULATION, _REASONING, _NEGATION, _CASE)),
        *_of_options(_OPTION.findall(end)),
        float("__" in end or stem.rstrip()[-1:] not in {"?", ".", ":"}),
        float("?" in stem),
        sum(word[0].isupper() for word in words) / count,
        sum(len(word) > 1 and word.isupper() for word in words) / count,
        log1p(end.count("(")),
        log1p(len(_QUOTE.findall(end))),
        end.count(",") / count,
        sum(len(word) == 1 for word in words) / count,
        log1p(len(_CODE.findall(end))),
        *(float(word in vocabulary) for word in _ASKING),
    ]


def _of_options(options: list[str]) -> list[float]:
    lengths = [len(option.strip()) for option in options] or [0]
    numeric = sum(option.lstrip(" $-(")[:1].isdecimal() for option in options)
    spread = log1p((max(lengths) + 1) / (min(lengths) + 1)) if options else 0.0
    mean = sum(lengths) / len(lengths)
    return [len(options) / 4, log1p(mean), numeric / max(1, len(options)), log1p(max(lengths)), spread]
