"""
What one case adds to what lies around: the bytes that changed in the router's files, its metrics, its newest receipts.

`wire_check.left_behind` looks at everything once, after all cases. A watch looks after each case at what is new, so
that a leak is known together with the case that made it, and can be shrunk.
"""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from canary import traces
from router import Router
from wire_tap import Seen

__all__ = ["Watch", "changed"]

PAGE_BYTES = 4096
OVERLAP_BYTES = 256
"""A canary may lie across the border of what changed; no spelling of one is longer."""
RECORDED_S = 1.0
SHOWN = ("/metrics", "/api/receipts?limit=8")
NEWEST = "SELECT request_id FROM receipts ORDER BY seq DESC LIMIT 64"


class Watch:
    """The view of one caller: what changed since it last looked."""

    def __init__(self, router: Router) -> None:
        """Remembers everything there is now."""
        token = re.search(rb"#token=([A-Za-z0-9_-]+)", router.output())
        assert token is not None
        self._router = router
        self._admin = {"authorization": f"Bearer {token[1].decode()}"}
        self._held: dict[Path, tuple[tuple[int, int], bytes]] = {}
        self.fresh()

    def problems(self, seen: Seen) -> list[str]:
        """The canaries of a case in what is new."""
        self._until_recorded(seen)
        return [
            f"AT REST: the canary of {field.name!r} is in {name} ({found})"
            for name, data in (*self.fresh().items(), *self._shown())
            for field, canary in seen.planted
            if (found := traces(data, canary))
        ]

    def fresh(self) -> dict[str, bytes]:
        """Name -> what changed in every file below the router's folder; and the names of new files."""
        found: dict[str, bytes] = {}
        for file in sorted(self._router.folder.rglob("*")):
            # A write-ahead log may go while we look.
            with contextlib.suppress(FileNotFoundError):
                name = str(file.relative_to(self._router.folder))
                if file not in self._held:
                    found["names of files"] = found.get("names of files", b"") + name.encode() + b"\n"
                if new := self._changed(file):
                    found[name] = new
        return found

    def _changed(self, file: Path) -> bytes:
        about = file.stat()
        stamp, (before, old) = (about.st_mtime_ns, about.st_size), self._held.get(file, ((-1, -1), b""))
        # SQLite maps its index into memory: such writes move no time stamp.
        if not file.is_file() or (stamp == before and file.suffix != ".db-shm"):
            self._held.setdefault(file, (stamp, b""))
            return b""
        data = file.read_bytes()
        self._held[file] = (stamp, data)
        return changed(old, data)

    def _until_recorded(self, seen: Seen) -> None:
        """Wait for the receipt of the case, which is written a moment after the answer; refused paths have none."""
        wanted, deadline = seen.answer.headers.get("x-localfleet-request-id"), time.monotonic() + RECORDED_S
        if wanted is None or seen.answer.status in {401, 404, 405}:
            return
        with closing(sqlite3.connect(f"file:{self._router.home / 'ledger.db'}?mode=ro", uri=True)) as ledger:
            while (wanted,) not in ledger.execute(NEWEST).fetchall() and time.monotonic() < deadline:
                time.sleep(0.005)

    def _shown(self) -> Iterator[tuple[str, bytes]]:
        for path in SHOWN:
            answer = self._router.get(path, self._admin)
            assert answer.status == 200, path
            yield path, answer.everything


def changed(old: bytes, new: bytes) -> bytes:
    """The pages of `new` that are not in `old` at the same place, each with a bit of its neighbours."""
    if new.startswith(old):
        return new[max(0, len(old) - OVERLAP_BYTES) :] if len(new) > len(old) else b""
    pages = range(0, len(new), PAGE_BYTES)
    return b"\0".join(
        new[max(0, start - OVERLAP_BYTES) : start + PAGE_BYTES + OVERLAP_BYTES]
        for start in pages
        if new[start : start + PAGE_BYTES] != old[start : start + PAGE_BYTES]
    )
