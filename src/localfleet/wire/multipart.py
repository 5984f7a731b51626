"""
`multipart/form-data` (RFC 7578) out of bytes that are in memory: names, file names, contents.

Ours, because the usual parsers write larger files to disk on the way (law 8). Linear; what is odd is refused.
"""

import re
from dataclasses import dataclass

from localfleet.errors import BadAsk

__all__ = ["Part", "parts_of"]

_BOUNDARY = re.compile(r"multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)
_NAME = re.compile(rb";\s*name=\"([^\"\r\n]{0,200})\"", re.IGNORECASE)
_FILE = re.compile(rb";\s*filename=\"([^\"\r\n]{0,1000})\"", re.IGNORECASE)
MOST_PARTS = 20
HEAD_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field of a form."""

    name: str
    filename: str | None
    content: bytes


def parts_of(content_type: str, body: bytes) -> list[Part]:
    """The parts of a form; raises `BadAsk` for what is none."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise _no_form()
    mark = b"--" + (found[1] or found[2]).encode("latin-1")
    if not body.startswith(mark):
        raise _no_form()
    pieces = body.removeprefix(mark).split(b"\r\n" + mark)
    if len(pieces) > MOST_PARTS + 1 or not pieces[-1].startswith(b"--"):
        raise _no_form()
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> Part:
    head, blank, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name, file = _NAME.search(head), _FILE.search(head)
    if not blank or len(head) > HEAD_BYTES or name is None:
        raise _no_form()
    return Part(
        name=name[1].decode("utf-8", "replace"),
        filename=None if file is None else file[1].decode("utf-8", "replace"),
        content=content,
    )


def _no_form() -> BadAsk:
    return BadAsk("The body is no form. Send `multipart/form-data` with the fields `purpose` and `file`.")
