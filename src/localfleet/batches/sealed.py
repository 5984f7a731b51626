"""
Records at rest that only the key in the environment opens: AES-256-GCM, one file for each record.

Lives here: framing, nonces, names. Each frame is bound to its record's name and place in it, so that frames cannot be
swapped or moved. A frame that a crash cut short is dropped. May not: know what a record holds, or log anything.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localfleet.errors import FleetError

__all__ = ["SealedFolder"]

NONCE_BYTES = 12
SIZE_BYTES = 8
SUFFIX = ".sealed"
NAME = re.compile(r"[a-z]+-[0-9a-f]{24}")


class SealedFolder:
    """Records of one or more frames, by name. Blocks: call it off the event loop."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """Make the folder, for its owner alone."""
        self._folder = folder
        self._cipher = AESGCM(key)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Every record there is."""
        found = (path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def put(self, name: str, data: bytes) -> None:
        """Write a record of one frame in place of what was there, whole or not at all."""
        path = self._path(name)
        draft = self._folder / f".{name}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self._frame(name, 0, data))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def append(self, name: str, place: int, data: bytes) -> None:
        """Add the frame number `place` to a record; raises `FleetError` where the disk does not take it."""
        try:
            handle = os.open(self._path(name), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(self._frame(name, place, data))
        except OSError as exc:
            raise FleetError("The disk takes no more of a batch: free some space and send it again.") from exc

    def get(self, name: str) -> bytes:
        """The one frame of a record; raises `FleetError` where it was sealed by another key, or is not whole."""
        for frame in self.frames(name):
            return frame
        raise _unreadable()

    def frames(self, name: str) -> Iterator[bytes]:
        """The frames of a record, in order; none where there is no record. Raises `FleetError` as `get`."""
        try:
            raw = self._path(name).read_bytes()
        except FileNotFoundError:
            return
        at = place = 0
        while at + SIZE_BYTES <= len(raw):
            size = int.from_bytes(raw[at : at + SIZE_BYTES], "big")
            frame = raw[at + SIZE_BYTES : at + SIZE_BYTES + size]
            if len(frame) < size:
                return  # cut short by a crash
            try:
                yield self._cipher.decrypt(frame[:NONCE_BYTES], frame[NONCE_BYTES:], _bound(name, place))
            except InvalidTag:
                raise _unreadable() from None
            at, place = at + SIZE_BYTES + size, place + 1

    def whole_bytes(self, name: str) -> int:
        """Bytes of the whole frames of a record: where the next one goes after a crash."""
        sizes = [SIZE_BYTES + NONCE_BYTES + len(frame) + 16 for frame in self.frames(name)]
        return sum(sizes)

    def mend(self, name: str) -> int:
        """Cut off a frame that is not whole; how many frames there are."""
        path = self._path(name)
        if not path.exists():
            return 0
        os.truncate(path, self.whole_bytes(name))
        return sum(1 for _ in self.frames(name))

    def delete(self, name: str) -> None:
        """Forget a record."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise ValueError("no name of a record")
        return self._folder / f"{name}{SUFFIX}"

    def _frame(self, name: str, place: int, data: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        frame = nonce + self._cipher.encrypt(nonce, data, _bound(name, place))
        return len(frame).to_bytes(SIZE_BYTES, "big") + frame


def _bound(name: str, place: int) -> bytes:
    return f"localfleet batch {name} {place}".encode()


def _unreadable() -> FleetError:
    return FleetError("A batch file cannot be opened: it was sealed with another key, or is damaged.")
