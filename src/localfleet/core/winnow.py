"""
Knowing a document again by parts of it, without keeping a word: winnowed, keyed fingerprints.

Every run of eight words is hashed, and of every four neighbouring hashes of a document the smallest is kept: so a text
that shares eleven words in a row with it shares a fingerprint, wherever in either they stand (Schleimer, Wilkerson
and Aiken, "Winnowing", SIGMOD 2003). Case, punctuation and white space do not count. Who has the fingerprints and not
the key learns nothing.
"""

import re
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from localfleet.core.detectors.fold import fold
from localfleet.core.label import Finding, Label

__all__ = ["DocumentSet", "Documents", "fingerprints", "gathered", "shingles"]

SHINGLE_WORDS = 8
WINDOW = 4
LEAST_SHARED = 2
"""Fingerprints that a text must share with one document; one of them may be a turn of speech."""
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def fingerprints(text: str, key: bytes) -> frozenset[int]:
    """What of a document is kept, 64 bits each; nothing for a text of fewer than eight words."""
    hashes = shingles(text, key)
    starts = range(max(1, len(hashes) - WINDOW + 1) if hashes else 0)
    return frozenset(min(hashes[at : at + WINDOW]) for at in starts)


def shingles(text: str, key: bytes) -> list[int]:
    """The hash of every run of eight words."""
    words = _WORD.findall(fold(text).lower())
    return [_hash(words[at : at + SHINGLE_WORDS], key) for at in range(len(words) - SHINGLE_WORDS + 1)]


def _hash(words: Sequence[str], key: bytes) -> int:
    return int.from_bytes(blake2b("\0".join(words).encode(), key=key, digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSet:
    """Documents that were registered together, under one name and label."""

    name: str
    label: Label
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """
    All registered documents. `prints` are sorted; `owners` say for each which document it is of.

    `sets_of` and `least` are by document: its set's place in `sets`, and how many fingerprints a text must share.
    """

    key: bytes = field(repr=False)
    sets: tuple[DocumentSet, ...] = ()
    prints: "array[int]" = field(default_factory=lambda: array("Q"), repr=False)
    owners: "array[int]" = field(default_factory=lambda: array("I"), repr=False)
    sets_of: "array[int]" = field(default_factory=lambda: array("H"), repr=False)
    least: "array[int]" = field(default_factory=lambda: array("B"), repr=False)

    def found(self, text: str) -> tuple[Finding, ...]:
        """`document:<set>` with the number of its documents that the text has parts of. Linear in the text."""
        shared: dict[int, set[int]] = defaultdict(set)
        for one in shingles(text, self.key):
            at = bisect_left(self.prints, one)
            while at < len(self.prints) and self.prints[at] == one:
                shared[self.owners[at]].add(one)
                at += 1
        counts: dict[int, int] = {}
        for document, prints in shared.items():
            if len(prints) >= self.least[document]:
                counts[self.sets_of[document]] = counts.get(self.sets_of[document], 0) + 1
        return tuple(
            Finding(kind=f"document:{self.sets[place].name}", count=count, label=self.sets[place].label)
            for place, count in sorted(counts.items())
        )


def gathered(key: bytes, sets: Iterable[tuple[DocumentSet, Sequence[frozenset[int]]]]) -> Documents:
    """The documents of these sets, each given by the fingerprints of its documents."""
    named: list[DocumentSet] = []
    pairs: list[tuple[int, int]] = []
    sets_of, least = array("H"), array("B")
    for place, (one, documents) in enumerate(sets):
        named.append(one)
        for of_one in documents:
            pairs += [(print_, len(sets_of)) for print_ in of_one]
            sets_of.append(place)
            least.append(max(1, min(LEAST_SHARED, len(of_one))))
    pairs.sort()
    prints, owners = array("Q", (print_ for print_, _ in pairs)), array("I", (owner for _, owner in pairs))
    return Documents(key=key, sets=tuple(named), prints=prints, owners=owners, sets_of=sets_of, least=least)
