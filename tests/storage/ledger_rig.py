"""What the ledger's tests share: sample records, a clock, a small disk, and hands that reach into the file."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from localfleet.core.ask import Api
from localfleet.core.label import Finding, Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Intent, Receipt
from localfleet.core.route import Door
from localfleet.core.usage import Usage
from localfleet.storage.journal import read_journal
from localfleet.storage.secret import derive, read_secret

SRC = Path(__file__).parents[2] / "src"
AT = 1_790_000_000.0

_RECEIPT = Receipt(
    request_id="req-1",
    at=AT,
    api=Api.CHAT,
    key_id="abcd1234",
    plan="standard",
    task="classification",
    session=None,
    label=Label.INTERNAL,
    findings=(Finding(kind="email", count=2),),
    because=("key_default",),
    wanted="auto",
    model="small",
    tier="local",
    reason=Reason.LOCAL_FIRST,
    outcome=Reason.ANSWERED,
    status=200,
    stream=False,
    doors=(
        Door(model="small", tier="local", legal=True, why=Reason.LOCAL_FIRST, cost_usd=Decimal(0)),
        Door(model="mini", tier="low_cost", legal=False, why=Reason.OVER_BUDGET, cost_usd=Decimal("0.000123")),
    ),
    attempts=(Attempt(model="small", tier="local", reason=Reason.ANSWERED, status=200, duration_ms=12.5),),
    usage=Usage(input_tokens=100, output_tokens=20),
    cost_usd=Decimal(0),
    price_version=None,
    queue_ms=0.25,
    first_byte_ms=10.5,
    total_ms=130.125,
)

_INTENT = Intent(
    request_id="req-1",
    attempt=1,
    at=AT,
    key_id="abcd1234",
    model="mini",
    tier="low_cost",
    label=Label.PUBLIC,
    findings=(),
    because=("key_default",),
    worst_usd=Decimal("0.01"),
)


def receipt(number: int = 1, **changes: Any) -> Receipt:
    """The receipt of request `req-<number>`."""
    return replace(_RECEIPT, request_id=f"req-{number}", **changes)


def intent(number: int = 1, **changes: Any) -> Intent:
    """The intent of request `req-<number>`."""
    return replace(_INTENT, request_id=f"req-{number}", **changes)


def durable_intents(home: Path) -> list[str]:
    """The requests whose intent would survive now: in the chain, or in the journal for the next start."""
    after, bodies = read_journal(home, derive(read_secret(home), "journal"))
    rows = sql(home, "SELECT seq, body FROM chain WHERE kind = 'intent' ORDER BY seq")  # once: a router may write now
    there = [body.encode() for _, body in rows]
    late = {body.encode() for seq, body in rows if seq > after}
    return [json.loads(body)["request_id"] for body in [*there, *(body for body in bodies if body not in late)]]


class Clock:
    """The machine's clock, plus days that a test lets pass."""

    def __init__(self, days: float = 0) -> None:
        """Start `days` from now."""
        self.days = days

    def now(self) -> float:
        """Unix time, seconds."""
        return time.time() + self.days * 86_400

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()


def until(seen: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Wait until something is seen, for at most `limit_s`; whether it was."""
    deadline = time.monotonic() + limit_s
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def sql(home: Path, statement: str, *parameters: Any) -> list[Any]:
    """Do to the file what anybody with a SQLite shell can do."""
    with closing(sqlite3.connect(home / "ledger.db", timeout=5)) as connection, connection:
        return connection.execute(statement, parameters).fetchall()


@dataclass
class Disk:
    """A mounted file system of its own."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def free(self) -> None:
        """Take the filling away."""
        (self.path / "filler").unlink()

    def remount(self, how: str) -> bool:
        """Make it `ro` or `rw`; whether the kernel agreed."""
        return _mount("-o", f"remount,{how}", str(self.path))


@contextmanager
def small_disk(path: Path, size: str = "2m") -> Iterator[Disk | None]:
    """Mount a tmpfs of its own at `path`; `None` where that is not allowed."""
    path.mkdir()
    if not _mount("-t", "tmpfs", "-o", f"size={size}", "localfleet-test", str(path)):
        yield None
        return
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
