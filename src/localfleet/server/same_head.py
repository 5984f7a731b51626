"""
The head that a client says again: what a program sends over one connection differs in its body, and in its length.

uvicorn's parser reads a head first. Where its bytes come again, but for the digits of `content-length`, what they mean
is known. Only a head in the plainest form is remembered, so that nothing rests on how odd bytes are read.
"""

from dataclasses import dataclass

from localfleet.errors import BadAsk
from localfleet.server.exchange import RawHeaders
from localfleet.server.headers import Headers, read_headers

__all__ = ["KnownHead"]

LENGTH = b"content-length"
FRAMING = {b"transfer-encoding", b"expect", b"upgrade", b"connection"}
"""A head that says any of these is read anew each time: what follows it may not be a body of that length."""
MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A head of HTTP/1.1 that was read, in two parts: before and after the digits of its length."""

    before: bytes
    after: bytes
    lines: RawHeaders
    """As the parser gave them, the length in its place."""
    place: int
    headers: Headers

    @classmethod
    def of(cls, data: bytes, url: bytes, lines: RawHeaders) -> "KnownHead | None":
        """What was read from `data`, if that is this head to the byte, alone or with its whole body; else nothing."""
        names = [name for name, _ in lines]
        if names.count(LENGTH) != 1 or not FRAMING.isdisjoint(names):
            return None
        place = names.index(LENGTH)
        begin = b"POST %b HTTP/1.1\r\n" % url + b"".join([b"%b: %b\r\n" % line for line in lines[:place]])
        digits, end = lines[place][1], b"".join([b"\r\n%b: %b" % line for line in lines[place + 1 :]]) + b"\r\n\r\n"
        at = len(begin) + len(LENGTH) + 2
        size = at + len(digits) + len(end)
        if not digits.isdigit() or len(digits) > MOST_DIGITS or len(data) not in {size, size + int(digits)}:
            return None
        if data[:size].lower() != b"".join([begin, LENGTH, b": ", digits, end]).lower():
            return None
        try:
            headers = read_headers(lines)
        except BadAsk:
            return None
        return cls(data[:at], data[at + len(digits) : size], lines, place, headers)

    def again(self, data: bytes) -> tuple[int, bytes] | None:
        """Whether data begins with this head: its size, and the digits of the length that it says."""
        if not data.startswith(self.before):
            return None
        at = len(self.before)
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        digits = data[at:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self.after, end):
            return None
        return end + len(self.after), digits

    def said(self, digits: bytes) -> tuple[RawHeaders, Headers]:
        """The lines and the headers of this head with another length."""
        place = self.place
        lines = [*self.lines[:place], (LENGTH, digits), *self.lines[place + 1 :]]
        return lines, {**self.headers, "content-length": digits.decode()}
