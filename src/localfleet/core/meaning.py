"""
What a text is about, and about whom: a linear model over hashed words.

It tells "my biopsy came back" from "how does a biopsy work". Patterns cannot, and a large model is too slow here. The
features are words, pairs of neighbours, word beginnings, and pairs of a possessive with the words that follow it
("our ... schema"). The weights are trained by `scripts/train_meaning.py`; reading them from a file happens at the edge.
"""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import sqrt
from operator import itemgetter
from types import MappingProxyType

from localfleet.core.label import Finding
from localfleet.core.names import Entity, address_findings, address_like, list_like, listed, masked, supposed

__all__ = ["BUCKETS", "Head", "Meaning", "features", "lexicon", "read_heads", "read_meaning", "windows", "words"]

BUCKETS = 1 << 15
# An exercise, a letter, a paragraph: as much as a statement about someone needs around it.
_WINDOW_WORDS = 96
_STEP_WORDS = 64
_SPAN_CHARS = 600
_STEP_CHARS = 400
_PIECE_CHARS = 1400
_STEM_CHARS = 5
_LONGEST_WORD = 24
_LEAST_WORDS = 4
_REACH_WORDS = 6
# The guess masks a little more or less than the model will; so much is allowed for that, in log-odds.
_DOUBT = 0.75
# Who blanked the names has taken out whose matter it is; one's own illness, debt or company stays what it is.
_OF_SOMEBODY = "topic:person"
_BLANKED = re.compile(
    r"[\[<{](?:redacted|person|(?:full[ _]|first[ _]|last[ _]|your[ _]|sur|user|customer)?name)[ _]?\d{0,3}[\]>}]"
    r"|\b(?:person|name)_\d|█{3}",
    re.IGNORECASE,
)
# How much lower the bar is for a full name: exercises and fiction make do with half of one.
_FULL = 1.0
_WORD = re.compile(r"⟨[a-z]+⟩|[^\W_]+|[?$€£%\n]")
_MARKS = "?$%\n"
_LIFT = 128
_LIFTED = bytes((at + _LIFT) % 256 for at in range(256))
# What divides words is a space; the end of a line is a word of its own, which a split at spaces must not swallow.
_LINE = "\x01"
_SPACED = bytes(at if chr(at).isalnum() or chr(at) in _MARKS else ord(" ") for at in range(128)).ljust(256)
_SPACED = _SPACED.replace(b"\n", _LINE.encode())
_WIDE = re.compile("[\u3400-\u9fff\u3040-\u30ff]")
Lexicon = Mapping[str, tuple[bytes, int, int, int]]
NO_WORDS: Lexicon = MappingProxyType({})
_OWNERS = frozenset(
    (
        *(
            "my",
            "our",
            "we",
            "i",
            "me",
            "us",
            "his",
            "her",
            "their",
            "this",
            "these",
            "company",
            "internal",
            "mi",
            "mis",
        ),
        *(
            "nuestro",
            "nuestra",
            "nuestros",
            "mon",
            "ma",
            "mes",
            "notre",
            "nos",
            "mein",
            "meine",
            "unser",
            "unsere",
            "meu",
        ),
        *("minha", "nosso", "nossa", "的", "我", "们"),
    )
)


def words(text: str) -> list[str]:
    """The words of a text in lower case: a number by its length, a token by being one, Chinese by the character."""
    low = text.lower()
    if low.isascii():
        # The same words as the pattern finds, in half the time: most requests are no longer than a few lines.
        for mark in _MARKS:
            if mark in low:
                low = low.replace(mark, f" {mark} ")
        listed = low.encode().translate(_SPACED).decode().split()
        return [word if word.isalpha() and len(word) <= _LONGEST_WORD else _shape(word) for word in listed]
    found = []
    for word in _WORD.findall(low):
        if _WIDE.match(word):
            found.extend(word)
        else:
            found.append(word if word.isalpha() and len(word) <= _LONGEST_WORD else _shape(word))
    return found


def _shape(word: str) -> str:
    """What stands for a word that is no word."""
    if word == _LINE:
        return "\n"
    if word.isdecimal():
        return "#" * min(len(word), 6)
    return word if word[0] == "⟨" or len(word) == 1 else "⟨code⟩"


def lexicon(common: Iterable[str]) -> Lexicon:
    """What `features` asks of each of these words, worked out once: of each its UTF-8, and its part of the buckets."""
    crc32, mask = zlib.crc32, BUCKETS - 1
    found = {}
    for word in common:
        raw = word.encode()
        whole = crc32(raw)
        begin = crc32(b"-", crc32(word[:_STEM_CHARS].encode())) if len(word) > _STEM_CHARS else whole
        found[word] = (raw, whole & mask, begin & mask, crc32(b" ", whole))
    return found


def features(window: Sequence[str], known: Lexicon = NO_WORDS) -> set[int]:
    """
    The buckets of one window: of each word, each pair `before word`, each beginning `begin-`, each `owner~begin`.

    A bucket is the CRC-32 of the feature's UTF-8. It is worked out from that of the feature's front, for CRC-32 goes on
    where it stopped: nothing is put together to be hashed. Of words that are `known` most is worked out already, which
    halves the time and changes nothing else.
    """
    crc32, mask = zlib.crc32, BUCKETS - 1
    found: set[int] = set()
    add, look = found.add, known.get
    front = crc32(b"^ ")
    for word in window:
        if (at_hand := look(word)) is not None:
            raw, bucket, begin, after = at_hand
            add(bucket)
            add(begin)
            add(crc32(raw, front) & mask)
            front = after
        else:
            raw = word.encode()
            whole = crc32(raw)
            add(whole & mask)
            add(crc32(raw, front) & mask)
            front = crc32(b" ", whole)
            if len(word) > _STEM_CHARS:
                add(crc32(b"-", crc32(word[:_STEM_CHARS].encode())) & mask)
    if not _OWNERS.isdisjoint(window):
        found.update(_owned(window))
    return found


def _owned(window: Sequence[str]) -> Iterator[int]:
    """The buckets of each `owner~begin`: of the words within reach behind an owner."""
    crc32, owner, since = zlib.crc32, 0, _REACH_WORDS
    for word in window:
        if since < _REACH_WORDS:
            yield crc32(word[:_STEM_CHARS].encode(), owner) & (BUCKETS - 1)
        if word in _OWNERS:
            owner, since = crc32(b"~", crc32(word.encode())), 0
        else:
            since += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One question about a text: a weight for each bucket, in units of `scale`; above `threshold` the answer is yes."""

    name: str
    weights: bytes
    """Each higher by `_LIFT`, for bytes have no sign, and nothing is read as quickly as they are."""
    scale: float
    bias: float
    threshold: float

    def score(self, buckets: set[int]) -> float:
        """The log-odds for one window; the more words, the less each counts."""
        # Bucket 0 goes along so that there are always several to get.
        got: tuple[int, ...] = itemgetter(0, *buckets)(self.weights)
        total = sum(got) - got[0] - _LIFT * len(buckets)
        return self.bias + self.scale * total / sqrt(len(buckets))

    def margin(self, found: Sequence[str]) -> float:
        """How far the best window lies above the threshold; negative means no. Linear in the text."""
        return max((self.score(features(window)) for window in windows(found)), default=-1.0) - self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The two questions: is this about somebody's own affairs, and does it speak of somebody by name."""

    topics: Head
    kinds: tuple[Head, ...]
    named: Head
    known: frozenset[str]
    """People whom everybody knows, in lower case: they are no private persons."""
    common: Lexicon = field(default_factory=dict, repr=False, compare=False)
    """Words of which most is worked out already."""

    def of(self, text: str) -> tuple[Finding, ...]:
        """The topic that makes a text private, if one does: `topic:health` and so on."""
        found = words(text)
        for window in windows(found):
            if not _says_something(window):
                continue
            buckets = features(window, self.common)
            if self.topics.score(buckets) > self.topics.threshold:
                kind = max(self.kinds, key=lambda head: head.score(buckets) - head.threshold)
                if kind.name != _OF_SOMEBODY or _BLANKED.search(text) is None:
                    return (Finding(kind=kind.name, count=1),)
        return ()

    def names_matter(self, text: str) -> bool:
        """Whether names could change the answer: if all that looks like one were one, would it be private?"""
        if address_like(text) or list_like(text):
            return True
        return any(self._in_private(guess, _DOUBT) for guess in supposed(text))

    def to_read(self, text: str) -> tuple[str, ...]:
        """
        The pieces of a text in which names could change the answer; none where they could not.

        The model of names takes 30 ms for a thousand characters, and most of a long text is not about anybody. Pieces
        lie where they lay when the text was shorter: what was said before need not be read again.
        """
        if len(text) <= _SPAN_CHARS:
            return (text,) if self.names_matter(text) else ()
        spans = (span for span in _spans(text) if self.names_matter(text[slice(*span)]))
        return tuple(text[slice(*span)] for span in _joined(spans))

    def of_names(self, text: str, entities: Sequence[Entity]) -> tuple[Finding, ...]:
        """What the model's entities make of a text: a person spoken of in private, an address."""
        plain, count = masked(text, entities, self.known)
        private = count > 0 and self._in_private(plain)
        person = (Finding(kind="name:person", count=count),) if private else ()
        return (*person, *address_findings(entities))

    def _in_private(self, plain: str, doubt: float = 0.0) -> bool:
        """Whether a text whose names were replaced speaks of somebody in private."""
        bar = -_FULL if "⟨full⟩ ⟨sure⟩" in plain else 0.0
        return listed(plain) or self.named.margin(words(plain)) > bar - doubt


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """A long text in spans about as long as a window of words, each a third in the next."""
    for start in range(0, len(text) - (_SPAN_CHARS - _STEP_CHARS), _STEP_CHARS):
        yield start, start + _SPAN_CHARS


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that overlap are one, up to a length; the next one then overlaps it."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        first = found.pop()[0] if found and start < found[-1][1] and end - found[-1][0] <= _PIECE_CHARS else start
        found.append((first, end))
    return found


def _says_something(window: Sequence[str]) -> bool:
    """Whether there are words enough for a statement; a token, a name or a number alone is other layers' business."""
    said = filter(str.isalpha, window)
    return sum(1 for _ in islice(said, _LEAST_WORDS)) == _LEAST_WORDS


def windows(found: Sequence[str]) -> Iterator[Sequence[str]]:
    """The words in overlapping windows; none where there are no words."""
    for start in range(0, max(1, len(found) - (_WINDOW_WORDS - _STEP_WORDS)), _STEP_WORDS):
        if found:
            yield found[start : start + _WINDOW_WORDS]


def read_heads(raw: bytes) -> dict[str, Head]:
    """
    The heads of a weights file: one line of JSON, then the weights, one signed byte each, compressed.

    Raises `ValueError` (or `zlib.error`, `KeyError`) for a file that is none.
    """
    head, _, packed = raw.partition(b"\n")
    table = json.loads(head)
    weights = zlib.decompress(packed).translate(_LIFTED)
    if len(weights) != BUCKETS * len(table["heads"]):
        raise ValueError("the weights do not fit their table")
    return {
        row["name"]: Head(
            name=row["name"],
            weights=weights[at * BUCKETS : (at + 1) * BUCKETS],
            scale=row["scale"],
            bias=row["bias"],
            threshold=row["threshold"],
        )
        for at, row in enumerate(table["heads"])
    }


def read_meaning(raw: bytes, known: frozenset[str], common: Iterable[str] = ()) -> "Meaning":
    """The layers from their weights file; raises as `read_heads`."""
    heads = read_heads(raw)
    kinds = tuple(head for name, head in heads.items() if name.startswith("topic:"))
    return Meaning(topics=heads["topics"], kinds=kinds, named=heads["names"], known=known, common=lexicon(common))
