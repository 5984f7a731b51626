"""What the fault tests share: requests, streams read piece by piece, the ledger as an auditor sees it, a small disk."""

import http.client
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from router import Router

from localfleet.storage.journal import read_journal
from localfleet.storage.secret import derive, read_secret

__all__ = ["CHAT", "Disk", "Stream", "ask", "memory_mb", "open_intents", "receipt", "records", "small_disk", "until"]

CHAT = "/v1/chat/completions"


def ask(model: str = "auto", text: str = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def until(seen: Callable[[], bool], limit_s: float = 10) -> bool:
    """Wait until something is seen, for at most `limit_s`; whether it was."""
    deadline = time.monotonic() + limit_s
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def records(home: Path, *kinds: str) -> list[dict[str, Any]]:
    """The bodies of the ledger's chain, oldest first; of these kinds, or of all. Each has its `kind` and `seq`."""
    waiting = _journaled(home) if not kinds or "intent" in kinds else []
    with _reading(home) as database:
        rows = database.execute("SELECT seq, kind, body FROM chain ORDER BY seq").fetchall()
    found = [{**json.loads(body), "kind": kind, "seq": seq} for seq, kind, body in rows if not kinds or kind in kinds]
    known = {body.encode() for _, kind, body in rows if kind == "intent"}
    return found + [{**json.loads(body), "kind": "intent", "seq": None} for body in waiting if body not in known]


def _journaled(home: Path) -> list[bytes]:
    """
    Intents of a router's last moments, some of them in the chain meanwhile.

    Read it before the chain: an intent that a living router carries over in between is then in both, not in neither.
    """
    return read_journal(home, derive(read_secret(home), "journal"))[1]


def open_intents(home: Path) -> int:
    """How many intents have no receipt yet."""
    waiting = _journaled(home)
    with _reading(home) as database, database:
        database.execute("BEGIN")
        in_chain = database.execute("SELECT body FROM chain WHERE kind = 'intent'").fetchall()
        known = {body.encode() for (body,) in in_chain}
        still = int(database.execute("SELECT count(*) FROM intents").fetchone()[0])
    return still + sum(body not in known for body in waiting)


def receipt(router: Router, request_id: str | None = None, limit_s: float = 3) -> dict[str, Any]:
    """The receipt of a request, or the newest one, as soon as it is on disk."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        written = records(router.home, "receipt")
        found[:] = [one for one in written if request_id in {None, one["request_id"]}]
        return bool(found)

    assert until(there, limit_s), "no such receipt"
    return found[-1]


@contextmanager
def _reading(home: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(home / 'ledger.db').as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        yield database


def memory_mb(pid: int) -> float:
    """The resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


class Stream:
    """One request whose answer is read piece by piece, and which can be left at any time."""

    def __init__(
        self, router: Router, body: Mapping[str, Any], path: str = CHAT, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the request; nothing is read yet."""
        self._connection = http.client.HTTPConnection("127.0.0.1", router.port, timeout=30)
        data = json.dumps(body).encode()
        self._connection.request("POST", path, data, {"content-type": "application/json", **(headers or {})})
        self._answer: http.client.HTTPResponse | None = None

    @property
    def answer(self) -> http.client.HTTPResponse:
        """Status and headers, as soon as they are here."""
        if self._answer is None:
            self._answer = self._connection.getresponse()
        return self._answer

    def read(self, size: int = 65_536) -> bytes:
        """Return some bytes as soon as there are any; empty at the end."""
        return self.answer.read1(size)

    def rest(self) -> bytes:
        """Return everything up to the end."""
        return self.answer.read()

    def leave(self) -> None:
        """Hang up."""
        if self._answer is not None:
            self._answer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        """The stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.leave()


@dataclass(frozen=True)
class Disk:
    """A mounted file system of its own."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                _write_until_full(file.write, b"x" * size)

    def free(self) -> None:
        """Take the filling away."""
        (self.path / "filler").unlink()

    def remount(self, how: str) -> bool:
        """Make it `ro` or `rw`; whether the kernel agreed."""
        return _mount("-o", f"remount,{how}", str(self.path))


def _write_until_full(write: Callable[[bytes], object], piece: bytes) -> None:
    while True:
        try:
            write(piece)
        except OSError:
            return


@contextmanager
def small_disk(path: Path, size: str = "3m") -> Iterator[Disk | None]:
    """Mount a small file system of its own at `path`; `None` where that is not allowed."""
    path.mkdir(parents=True)
    if not _mount("-t", "tmpfs", "-o", f"size={size}", "localfleet-test", str(path)):
        yield None
        return
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
