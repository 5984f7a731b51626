"""
A canary: a word that occurs nowhere else, and how to find it again whatever was done to it.

`traces` finds a canary whole or cut, in any case: plain, with the escapes of JSON, Python, HTML, mail and URLs, in hex,
base32, base64, rot13, UTF-16 and UTF-32, in chunks of HTTP, and packed by gzip or zlib.
"""

import base64
import codecs
import gzip
import hashlib
import re
import secrets
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

__all__ = ["Sieve", "kin", "new_canary", "spellings", "traces", "traces_of"]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
PREFIX = "CANARY"
RANDOM_LETTERS = 16
FRAGMENT_LETTERS = 10
GZIP = b"\x1f\x8b\x08"
JSON_ESCAPE = re.compile(rb"\\+u00([0-9a-fA-F]{2})")
"""One letter, escaped once or as often as JSON was put into JSON."""
WIDE_ESCAPE = re.compile(rb"\\\x00u\x00|\x00\\\x00u")
CHUNK_LINE = re.compile(rb"\r\n[0-9a-fA-F]{1,8}\r\n")
ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")


def new_canary() -> str:
    """`CANARY` and sixteen random letters: 80 random bits, so that two never meet."""
    return PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LETTERS))


def kin(canary: str, number: int) -> str:
    """Another canary, the same one for the same canary and number, unlike it; number 0 is the canary itself."""
    if number == 0:
        return canary
    digest = hashlib.sha256(f"{number} {canary}".encode()).digest()
    return PREFIX + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:RANDOM_LETTERS])


def traces(data: bytes, canary: str) -> list[str]:
    """The names of the spellings in which `data` holds the canary, its beginning or its end; empty if it is clean."""
    return traces_of(data, (canary,)).get(canary, [])


def traces_of(data: bytes, canaries: Iterable[str]) -> dict[str, list[str]]:
    """The same for several at once, in little more time: canary -> spellings; those not there are left out."""
    sought, lowered = tuple(canaries), data.lower()
    found: dict[str, set[str]] = defaultdict(set)
    for canary in sought:
        for name, needle in spellings(canary).items():
            if needle in (data if needle != needle.lower() else lowered):
                found[canary].add(name)
    for inner in _unpacked(data):
        for canary, names in traces_of(inner, sought).items():
            found[canary].update(f"unpacked {name}" for name in names)
    return {canary: sorted(names) for canary, names in found.items()}


class Sieve:
    """
    Looks for very many canaries at once: the time hardly depends on their number.

    For each spelling, every stretch of bytes that its letters could make up is cut into windows of a needle's length,
    and each window is looked up. Finds what `traces` finds.
    """

    def __init__(self, canaries: Iterable[str]) -> None:
        """Spell every canary in every way; needles of one length, to be sought in the same bytes, go together."""
        self._needles: dict[tuple[bool, int], dict[bytes, tuple[str, str]]] = defaultdict(dict)
        for canary in canaries:
            for name, needle in spellings(canary).items():
                spelling = name.partition(" ")[2]
                self._needles[spelling in PLAIN, len(needle)][needle] = (canary, spelling)
        self._letters = {kind: frozenset(b"".join(needles)) for kind, needles in self._needles.items()}

    def find(self, data: bytes) -> dict[str, set[str]]:
        """Canary -> the spellings in which `data` holds it; canaries that are not there are left out."""
        found: dict[str, set[str]] = defaultdict(set)
        lowered = data.lower()
        cut: dict[tuple[bool, frozenset[int]], set[bytes]] = {}
        for (plain, length), needles in self._needles.items():
            letters = self._letters[plain, length]
            if (plain, letters) not in cut:
                cut[plain, letters] = _stretches(lowered if plain else data, letters)
            for stretch in cut[plain, letters]:
                windows = {stretch[start : start + length] for start in range(len(stretch) - length + 1)}
                for canary, spelling in (needles[window] for window in windows & needles.keys()):
                    found[canary].add(spelling)
        for inner in _unpacked(data):
            for canary, names in self.find(inner).items():
                found[canary] |= {f"unpacked {name}" for name in names}
        return dict(found)


def _stretches(data: bytes, letters: frozenset[int]) -> set[bytes]:
    """The different stretches of `data` that consist of these letters only."""
    other = next(byte for byte in range(256) if byte not in letters)
    table = bytes(byte if byte in letters else other for byte in range(256))
    return set(data.translate(table).split(bytes([other])))


@lru_cache(maxsize=64)
def spellings(canary: str) -> Mapping[str, bytes]:
    """
    Name -> needle for each fragment and encoding. A lower-case needle is to be sought in lower-cased bytes.

    The fragments are the first and last ten random letters: a log that cuts its lines still shows one of them.
    """
    random = canary.removeprefix(PREFIX)
    found: dict[str, bytes] = {}
    for part, fragment in (("start", random[:FRAGMENT_LETTERS]), ("end", random[-FRAGMENT_LETTERS:])):
        for name, needle in _encodings(fragment):
            found[f"{part} {name}"] = needle
    return found


def _encodings(fragment: str) -> Iterator[tuple[str, bytes]]:
    for name, encode in PLAIN.items():
        yield name, encode(fragment).lower()
    for case, word in (("", fragment), (" lower", fragment.lower())):
        for shift in range(3):
            yield f"base64{case} {shift}", _base64_core(word.encode(), shift)
            yield f"base64 utf-16{case} {shift}", _base64_core(word.encode("utf-16-le"), shift)
        for shift in range(5):
            yield f"base32{case} {shift}", _base32_core(word.encode(), shift)


def _each(form: str) -> Callable[[str], bytes]:
    """An encoding that writes every letter in one form, by its number."""
    return lambda text: "".join(form.format(ord(letter)) for letter in text).encode()


def _each_lower(form: str) -> Callable[[str], bytes]:
    return lambda text: _each(form)(text.lower())


PLAIN: Mapping[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    **{
        name + case: encode(form)
        for name, form in {
            "percent": "%{:02x}",
            "percent twice": "%25{:02x}",
            "python escapes": "\\x{:02x}",
            "octal escapes": "\\{:03o}",
            "quoted printable": "={:02x}",
            "entities": "&#{:d};",
            "hex entities": "&#x{:02x};",
            "hex, spaced": "{:02x} ",
        }.items()
        for case, encode in (("", _each), (", lower", _each_lower))
    },
    "hex": lambda text: text.encode().hex().encode(),
    "hex, lower": lambda text: text.lower().encode().hex().encode(),
    "rot13": lambda text: codecs.encode(text, "rot13").encode(),
    "utf-32 little": lambda text: text.encode("utf-32-le"),
    "utf-32 big": lambda text: text.encode("utf-32-be"),
    "utf-16 little": lambda text: text.encode("utf-16-le"),
    "utf-16 big": lambda text: text.encode("utf-16-be"),
    "spaced": lambda text: " ".join(text).encode(),
    "reversed": lambda text: text[::-1].encode(),
}


def _base64_core(data: bytes, shift: int) -> bytes:
    """The base64 letters that depend on `data` alone when it starts `shift` bytes into a group of three."""
    encoded = base64.b64encode(b"\0" * shift + data)
    first = 0 if shift == 0 else 4
    return encoded[first : (shift + len(data)) // 3 * 4]


def _base32_core(data: bytes, shift: int) -> bytes:
    """The base32 letters that depend on `data` alone when it starts `shift` bytes into a group of five."""
    encoded = base64.b32encode(b"\0" * shift + data)
    first = -(-shift * 8 // 5)
    return encoded[first : (shift + len(data)) * 8 // 5]


def _unpacked(data: bytes) -> Iterator[bytes]:
    """`data` without its JSON escapes and without its chunks, if it has any, and what packed streams inside it hold."""
    if WIDE_ESCAPE.search(data):
        yield data.replace(b"\0", b"")
    if CHUNK_LINE.search(data):
        yield CHUNK_LINE.sub(b"", data)
    if JSON_ESCAPE.search(data):
        yield JSON_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), data)
    view = memoryview(data)  # a slice of it is no copy: a database holds thousands of such beginnings by chance
    for start in _starts(data, GZIP):
        yield from _tried(lambda piece: zlib.decompressobj(wbits=31).decompress(piece), view[start:])
    for match in ZLIB.finditer(data):
        yield from _tried(lambda piece: zlib.decompressobj().decompress(piece), view[match.start() :])


def _starts(data: bytes, needle: bytes) -> Iterator[int]:
    start = data.find(needle)
    while start >= 0:
        yield start
        start = data.find(needle, start + 1)


def _tried(unpack: Callable[[memoryview], bytes], piece: memoryview) -> Iterator[bytes]:
    try:
        inner = unpack(piece)
    except (zlib.error, gzip.BadGzipFile, EOFError):
        return
    if inner:
        yield inner
