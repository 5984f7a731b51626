"""
Knowing a piece of a restricted request again in another conversation, without keeping its words: keyed hashes of its
sentences.

A piece is what an application put before the model from elsewhere: a chunk that it retrieved, the result of a tool. One
that carried the label `restricted` is known by any sentence; one in which something was found by two, for results of a
tool share phrases. Short sentences say nothing and are left out. Bound to the caller, as turns are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from localfleet.core.detectors.fold import fold
from localfleet.core.label import Label

__all__ = ["MOST_SENTENCES", "any_piece", "as_found", "known_pieces", "piece_prints"]

DIGEST_BYTES = 16
OWNER_BYTES = 4
LEAST_BYTES = 40
"""Of a sentence in UTF-8: some seven words, or fourteen Chinese characters."""
MOST_SENTENCES = 512
"""Kept of one request: a document of some twenty pages."""
LEAST_FOUND = 2
_BREAK = re.compile(r'[\n\r"\u201c\u201d\u3002]+|\\[nrt]|[.!?;:](?=\s)')
"""Ends of sentences and lines, and where JSON inside a text begins and ends its values."""
_EDGES = " \t-*•>|:,()[]{}#\\'`.!?;"
Recall = Callable[[Sequence[bytes]], Label | None]


def piece_prints(texts: Iterable[str], *, key: bytes, caller: str) -> list[bytes]:
    """
    One fingerprint for each sentence that is long enough to be known by; linear in the text.

    16 bytes of the sentence, then 4 of the caller, by which the ledger tells whose memory it fills.
    """
    head, owner = blake2b(b"piece\0" + caller.encode() + b"\0", key=key, digest_size=DIGEST_BYTES), _owner(key, caller)
    prints = dict.fromkeys(_print(head.copy(), said) for text in texts for said in _sentences(text))
    return [one + owner for one in prints]


def _print(running: "blake2b", said: bytes) -> bytes:
    running.update(said)
    return running.digest()


@lru_cache(maxsize=4096)
def _owner(key: bytes, caller: str) -> bytes:
    """Asked for each request, and there are as many as keys of callers."""
    return blake2b(b"whose piece\0" + caller.encode(), key=key, digest_size=OWNER_BYTES).digest()


def any_piece(*, key: bytes, caller: str) -> bytes:
    """The fingerprint that says whether anything of this caller's is kept at all."""
    return bytes(DIGEST_BYTES) + _owner(key, caller)


def _sentences(text: str) -> Iterator[bytes]:
    """White space, case, bullets and quotes do not count."""
    if len(text.encode()) < LEAST_BYTES:
        return
    for part in _BREAK.split(fold(text)):
        if len(part) * 3 >= LEAST_BYTES:
            said = " ".join(part.casefold().split()).strip(_EDGES).encode()
            if len(said) >= LEAST_BYTES:
                yield said


def as_found(prints: Iterable[bytes]) -> list[bytes]:
    """The fingerprints under which a piece is kept that nobody labelled."""
    return [bytes((one[0] ^ 0x80,)) + one[1:] for one in prints]


def known_pieces(prints: Sequence[bytes], recall: Recall) -> Label | None:
    """The label of pieces that were met before: one sentence of a labelled piece, or two of another."""
    labelled = recall(prints)
    if labelled is not None:
        return labelled
    found = [label for one in as_found(prints) if (label := recall((one,))) is not None]
    return max(found) if len(found) >= LEAST_FOUND else None
