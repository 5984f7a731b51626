"""
A ledger for reading: its file, and the intents of the last moments that its journal holds and the chain not yet.

Lives here: what each reader outside the router has to ask first. May not: make, migrate or mend anything.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Executable

from localfleet.storage.database import LEDGER_FILE, Database
from localfleet.storage.faults import Fault, LedgerFault, fault_of_os
from localfleet.storage.journal import read_journal
from localfleet.storage.migrations import MIGRATIONS, version_of
from localfleet.storage.secret import derive, read_secret

__all__ = ["all_rows", "each_row", "journaled", "open_ledger", "reading"]


@contextmanager
def open_ledger(home: Path) -> Iterator[Database]:
    """Open the ledger of `home` to read it. `LedgerFault` where there is none, or its tables are of another release."""
    _check_there(home)
    database = Database(home, read_only=True)
    try:
        version = version_of(database)
        if version != len(MIGRATIONS):
            raise LedgerFault(Fault.OLDER if version < len(MIGRATIONS) else Fault.NEWER)
        yield database
    finally:
        database.close()


@contextmanager
def reading(home: Path) -> Iterator[Database | None]:
    """The same, but `None` where none was made yet."""
    if not (home / LEDGER_FILE).exists():
        yield None
        return
    with open_ledger(home) as database:
        yield database


def all_rows(home: Path, query: str | Executable) -> Sequence[Any]:
    """What the ledger answers to a query; nothing where none was made yet. Raises `LedgerFault`."""
    with reading(home) as database:
        return () if database is None else database.all(query)


def each_row(home: Path, query: str) -> Iterator[Any]:
    """The same one after the other, as the ledger was when the first was asked for."""
    with reading(home) as database:
        if database is not None:
            with database.snapshot(), database.stream(query) as rows:
                yield from rows


def journaled(home: Path) -> tuple[int, list[bytes]]:
    """
    What the journal holds: the number of the record that all of it comes after, and the bodies of intents.

    Ask before the chain is read: what is carried over meanwhile is then seen twice, and known by its body; the other
    way round it would be in neither. Raises `LedgerFault`; `FleetError` where there is no secret.
    """
    _check_there(home)
    try:
        return read_journal(home, derive(read_secret(home), "journal"))
    except OSError as error:
        raise LedgerFault(fault_of_os(error)) from None


def _check_there(home: Path) -> None:
    if not (home / LEDGER_FILE).exists():
        raise LedgerFault(Fault.NONE)
