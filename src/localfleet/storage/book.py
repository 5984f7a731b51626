"""
The open ledger with its key: appends records to the chain and to the tables beside it.

Lives here: the one place that writes records. May not: threads, queues, retries. Call `append` and the rest inside
`database.transaction()`, so that chain and tables change together or not at all.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain as joined
from typing import Any

from localfleet.storage.chain import Kind, Link, Seal, tail
from localfleet.storage.database import Database
from localfleet.storage.faults import Fault, LedgerFault

__all__ = ["Book", "insert_many"]

_SIZES = (64, 32, 16, 8, 4, 2, 1)
"""Rows per statement. One step of SQLite for many rows lets the interpreter's lock go, and asks for it again, once."""


class Book:
    """One open ledger and the last link this process knows."""

    def __init__(self, database: Database, seal: Seal, tip: Link) -> None:
        """`tip` is the last link seen on disk."""
        self.database = database
        self.tip = tip
        self._seal = seal
        self._link = tip
        self._rows: list[tuple[int, str, str, bytes]] = []

    def begin(self) -> None:
        """
        Look where the chain ends now; call first in each transaction.

        Another process may have added a key since. A chain that no longer holds the last link we know is not ours.
        """
        self._rows = []
        self._link = tail(self.database)
        if self._link != self.tip and not self.holds(self.tip):
            raise LedgerFault(Fault.CHANGED)

    def holds(self, link: Link) -> bool:
        """Whether the chain on disk has this link."""
        row = self.database.one("SELECT hash FROM chain WHERE seq = ?", (link.seq,))
        return link.seq == 0 or (bool(row) and row[0] == link.hash)

    def add(self, kind: Kind, body: bytes) -> int:
        """Seal a record and return its number; `flush` writes it."""
        self._link = self._seal.next(self._link, kind._value_, body)
        self._rows.append((self._link.seq, kind._value_, body.decode(), self._link.hash))
        return self._link.seq

    def flush(self) -> Link:
        """Write the records added since `begin` and return the last link; after the commit, set `tip` to it."""
        insert_many(self.database, "chain", ("seq", "kind", "body", "hash"), self._rows)
        self._rows = []
        return self._link


def insert_many(
    database: Database, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], verb: str = "INSERT"
) -> None:
    """Insert rows into one of the ledger's own tables, many per statement (`verb` may be `INSERT OR REPLACE`)."""
    for part in _parts(rows):
        database.run(_insert(table, columns, len(part), verb), tuple(joined.from_iterable(part)))


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], count: int, verb: str) -> str:
    """The statement for so many rows; there are few, and each is long."""
    one = f"({', '.join('?' * len(columns))})"
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * count)}"


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
