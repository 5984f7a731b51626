"""
How a body is written on the wire: the same JSON in chunks, packed, with white space, with a mark, in other units.

A router may refuse a dress; it may not leak because of one. No canary is made or sought here.
"""

import gzip
from enum import StrEnum

__all__ = ["Dress"]

CHUNK_BYTES = 64


class Dress(StrEnum):
    """One way to write a body."""

    PLAIN = "plain"
    INDENTED = "indented"
    CHUNKED = "in chunks"
    MARKED = "with a byte order mark"
    UTF_16 = "in utf-16"
    GZIPPED = "gzipped"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that tell of it."""
        told = {Dress.CHUNKED: ("transfer-encoding", "chunked"), Dress.GZIPPED: ("content-encoding", "gzip")}
        return (told[self],) if self in told else ()

    @property
    def indent(self) -> int | None:
        """The indentation of the JSON."""
        return 1 if self is Dress.INDENTED else None

    def put_on(self, text: str) -> bytes:
        """The bytes of the body; lone surrogates stay what they are."""
        match self:
            case Dress.UTF_16:
                return text.encode("utf-16", "surrogatepass")
            case Dress.MARKED:
                return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
            case Dress.GZIPPED:
                return gzip.compress(text.encode("utf-8", "surrogatepass"))
            case Dress.CHUNKED:
                return _chunked(text.encode("utf-8", "surrogatepass"))
        return text.encode("utf-8", "surrogatepass")


def _chunked(data: bytes) -> bytes:
    pieces = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
