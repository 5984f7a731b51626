"""
The words of a prompt as numbers of buckets: what it is about, for a linear model. The words themselves are not kept.

A feature is a word, a pair of neighbours, a word's beginning or its end. Several words share a bucket, so that a bucket
does not tell for certain which of them was there.
"""

import re
from collections.abc import Iterator
from zlib import crc32

from localfleet.core.routing.shape import tail

__all__ = ["BUCKETS", "WORDS_CHARS", "buckets_of"]

BUCKETS = 1 << 17
WORDS_CHARS = 1_500
"""So much of the end is read word by word: about 250 words, half a millisecond."""
_PIECE = re.compile(r"[^\W\d_]+|\d+|[=+*/^<>%$\\?]")
_BEGINNING_CHARS = 5
_END_CHARS = 3


def buckets_of(text: str) -> dict[int, int]:
    """How often each bucket is hit by the words at the end of a text."""
    counts: dict[int, int] = {}
    for feature in _features(_PIECE.findall(tail(text, WORDS_CHARS).lower())):
        bucket = crc32(feature.encode()) % BUCKETS
        counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def _features(pieces: list[str]) -> Iterator[str]:
    before = ""
    for piece in pieces:
        word = "#" * min(len(piece), 6) if piece.isdecimal() else piece
        yield word
        yield f"{before} {word}"
        if len(word) > _BEGINNING_CHARS:
            yield f"{word[:_BEGINNING_CHARS]}-"
            yield f"-{word[-_END_CHARS:]}"
        before = word
