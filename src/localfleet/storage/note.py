"""
A head of the chain as it leaves the box: how far the chain goes, and two hashes that stand for all of it.

    hash    the keyed seal of the last record: only who has the key can check it, or write another
    root    a Merkle root over all records: anybody who holds it can check an export, without a key
    seal    HMAC-SHA256 over the rest with a key of its own: it says that this router made the note

Two forms: one line of JSON (file, syslog, webhook, the end of an export), and a checkpoint in the form of transparency
logs (C2SP tlog-checkpoint in a signed note). The seal is symmetric: who can check it could make one. What keeps the
past from being rewritten is not the seal but that the note lies where the router's operator cannot change it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from localfleet.storage.chain import Link
from localfleet.storage.secret import derive

__all__ = ["Note", "checkpoint_of", "line_of", "notes_key", "origin_of", "read_notes", "signed"]

_ALGORITHM = b"\xfflocalfleet-hmac-sha256"
"""0xff: an algorithm that the signed-note specification has no number for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One head. `root` is `None` where only the seal of the last record was noted; `at` is Unix time in seconds."""

    origin: str
    seq: int
    hash: bytes
    root: bytes | None
    at: float
    seal: bytes = b""

    @property
    def link(self) -> Link:
        """The place in the chain that it names."""
        return Link(self.seq, self.hash)

    def fits(self, key: bytes) -> bool:
        """Whether the seal was made with this key."""
        return hmac.compare_digest(self.seal, _seal(self, key))


def notes_key(secret: bytes) -> bytes:
    """The key that seals notes and exports; nothing else can be told or made with it."""
    return derive(secret, "notes")


def origin_of(secret: bytes) -> str:
    """The router's name on its notes: the same as long as it has the same secret, and nobody else's."""
    return f"localfleet/{derive(secret, 'origin')[:6].hex()}"


def signed(note: Note, key: bytes) -> Note:
    """The note with its seal."""
    return replace(note, seal=_seal(note, key))


def line_of(note: Note) -> bytes:
    """One line of JSON, without its end."""
    return orjson.dumps(
        {
            "origin": note.origin,
            "seq": note.seq,
            "hash": note.hash.hex(),
            "root": None if note.root is None else note.root.hex(),
            "at": _time(note.at),
            "seal": note.seal.hex(),
        }
    )


def checkpoint_of(note: Note, key: bytes) -> bytes:
    """A checkpoint in the form of transparency logs: origin, size, root; the seal and the time as extension lines."""
    text = _text(note)
    name = hashlib.sha256(note.origin.encode() + b"\n" + _ALGORITHM + hashlib.sha256(key).digest()).digest()[:4]
    mark = base64.b64encode(name + _seal(note, key)).decode()
    return f"{text}\n\u2014 {note.origin} {mark}\n".encode()


def read_notes(text: str) -> Iterator[Note]:
    """Every note in a file, whatever else is in it: lines of JSON (also inside syslog lines), checkpoints, SEQ:HASH."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = _of_json(line) or _of_checkpoint(lines, number) or _of_pair(line)
        if found is not None:
            yield found


def _text(note: Note) -> str:
    root = base64.b64encode(note.root or b"").decode()
    return f"{note.origin}\n{note.seq}\n{root}\nhash {note.hash.hex()}\ntime {_time(note.at)}\n"


def _seal(note: Note, key: bytes) -> bytes:
    return hmac.digest(key, _text(note).encode(), "sha256")


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def _of_json(line: str) -> Note | None:
    start = line.find('{"')
    if start < 0:
        return None
    try:
        read: Any = orjson.loads(line[start:])
        if "kind" in read:  # a record of an export, no head
            return None
        return Note(
            origin=str(read.get("origin", "")),
            seq=int(read["seq"]),
            hash=bytes.fromhex(read["hash"]),
            root=None if read.get("root") is None else bytes.fromhex(read["root"]),
            at=_moment(read["at"]) if "at" in read else 0.0,
            seal=bytes.fromhex(read.get("seal", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _of_checkpoint(lines: list[str], number: int) -> Note | None:
    part = lines[number : number + 7]
    if len(part) < 7 or part[5] or not part[6].startswith(f"\u2014 {part[0]} ") or not part[3].startswith("hash "):
        return None
    try:
        return Note(
            origin=part[0],
            seq=int(part[1]),
            root=base64.b64decode(part[2], validate=True),
            hash=bytes.fromhex(part[3].removeprefix("hash ")),
            at=_moment(part[4].removeprefix("time ")),
            seal=base64.b64decode(part[6].rpartition(" ")[2], validate=True)[4:],
        )
    except (ValueError, binascii.Error):
        return None


def _of_pair(line: str) -> Note | None:
    """As `audit verify` prints it: number, colon, hash."""
    seq, _, seal = line.strip().rpartition(" ")[2].partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seal) == 64):
        return None
    try:
        return Note(origin="", seq=int(seq), hash=bytes.fromhex(seal), root=None, at=0.0)
    except ValueError:
        return None
