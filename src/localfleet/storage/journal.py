"""
`intents.journal`: where an intent is durable first, in half the time that a commit of SQLite takes.

A file of fixed size, written over and over: one write and one flush for all intents that wait. The writer carries them
over to the chain with the receipts, within about 50 ms, and begins at the front again. What a process that died left
here belongs in the chain, and is put there at the next start (`opening.py`). May not: decide when; SQL.

    record = round (16 bytes) + length of body (4 bytes) + seal (32 bytes) + body
    round  = the number of the chain's last record when the round began (8 bytes) + 8 random bytes
    seal   = BLAKE2b (RFC 7693) with the key, of 32 bytes, over the seal of the record before + round + body

A round is what lies between two beginnings at the front; all that it holds comes after its record of the chain.
Integers are big endian; the seal before the first record is 32 zero bytes. The records end where one does not fit: half
written, never acknowledged, or of an earlier round.
"""

import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.place import Place

__all__ = ["JOURNAL_FILE", "SIZE", "Journal", "read_journal"]

JOURNAL_FILE = "intents.journal"
SIZE = 2**19
_ROUND = 8 + 8
_HEAD = _ROUND + 4
_SEAL = 32
_NONE = bytes(_SEAL)


class Journal:
    """The open file. Belongs to the thread that writes; what touches the disk raises `OSError`."""

    def __init__(self, home: Path, key: bytes) -> None:
        """Open it, in its full size: what is written later neither grows the file nor needs room on the disk."""
        path = home / JOURNAL_FILE
        self._key = key
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._at = 0
        self._round = b""
        self._seal = _NONE
        try:
            missing = SIZE - os.fstat(self._file).st_size
            if missing > 0:
                _write(self._file, bytes(missing), SIZE - missing)
                os.fsync(self._file)
            self._place = Place([path])
        except OSError:
            os.close(self._file)
            raise

    def takes(self, bodies: Sequence[bytes]) -> bool:
        """Whether there is room for these."""
        return self._at + sum(_HEAD + _SEAL + len(body) for body in bodies) <= SIZE

    def append(self, bodies: Sequence[bytes], *, seq: int) -> None:
        """
        Return once these are on disk; `seq` is the chain's last record now. After an error none of them counts.

        Raises `LedgerFault` where the file was removed or replaced: nobody would find them again.
        """
        if not self._place.holds():
            raise LedgerFault(Fault.GONE)
        if not self._at:
            self._round = seq.to_bytes(8, "big") + os.urandom(8)
        seal, parts = self._seal, list[bytes]()
        for body in bodies:
            seal = _sealed(self._key, seal, self._round, body)
            parts += [self._round, len(body).to_bytes(4, "big"), seal, body]
        data = b"".join(parts)
        _write(self._file, data, self._at)
        os.fdatasync(self._file)
        self._at, self._seal = self._at + len(data), seal

    def clear(self) -> None:
        """All that is here is in the chain: begin at the front. What stays on disk is older than the chain's end."""
        if self._at:
            self._at, self._seal = 0, _NONE
            # Reason: it only saves the next start from reading the chain again from `seq` on.
            with suppress(OSError):
                _write(self._file, bytes(_HEAD), 0)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def read_journal(home: Path, key: bytes) -> tuple[int, list[bytes]]:
    """
    What is there: the number of the chain's record that it all comes after, and the bodies of intents.

    Some may be in the chain meanwhile. Raises `OSError`, but not where there is no file.
    """
    try:
        content = (home / JOURNAL_FILE).read_bytes()
    except FileNotFoundError:
        return 0, []
    first, at, seal, bodies = content[:_ROUND], 0, _NONE, list[bytes]()
    while at + _HEAD + _SEAL <= len(content):
        here, length = content[at : at + _ROUND], int.from_bytes(content[at + _ROUND : at + _HEAD], "big")
        start = at + _HEAD + _SEAL
        body = content[start : start + length]
        seal = _sealed(key, seal, here, body)
        if not length or here != first or not hmac.compare_digest(seal, content[at + _HEAD : start]):
            break
        bodies.append(body)
        at = start + length
    return int.from_bytes(first[:8], "big"), bodies


def _sealed(key: bytes, before: bytes, here: bytes, body: bytes) -> bytes:
    return blake2b(before + here + body, key=key, digest_size=_SEAL).digest()


def _write(file: int, data: bytes, at: int) -> None:
    """All of it: a disk that is nearly full takes a part."""
    while data:
        done = os.pwrite(file, data, at)
        data, at = data[done:], at + done
