"""
One open SQLite file, and nothing about what is in it.

Lives here: connecting, pragmas, transactions, and turning every driver error into a `LedgerFault`. May not: SQL about
records. Each `Database` belongs to one thread.

DANGER: never `open()` ledger.db in a process that has it open here. Closing any file handle drops all of the process's
POSIX locks on that file; another process would then take itself for the last user and delete the log under us.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, NullPool, create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from localfleet.storage.faults import Fault, LedgerFault, fault_of_os, fault_of_sqlite
from localfleet.storage.place import Place

__all__ = ["LEDGER_FILE", "Database"]

LEDGER_FILE = "ledger.db"
BUSY_MS = 2000
CHECK_S = 2.0
_WAL_PAGES = 4000
"""A checkpoint each 16 MB of log: fewer rewrites of the same page than SQLite's default of 4 MB."""


class Database:
    """
    A connection to `home/ledger.db`: WAL, `synchronous=FULL`, explicit transactions.

    A writable one is created, readable by its owner only, where it is missing. Raises `LedgerFault`.
    """

    def __init__(self, home: Path, *, read_only: bool = False, busy_ms: int = BUSY_MS) -> None:
        """Connect; `busy_ms` is how long another process's write lock is waited for."""
        self.path = home / LEDGER_FILE
        if not read_only:
            self._create()
        self._connect = _connector(self.path, read_only=read_only, busy_ms=busy_ms)
        self._engine = _engine(self._connect)
        with _translated():
            self._connection: Connection = self._engine.connect()
            self._raw = _driver_connection(self._connection)
        self._prepare(read_only=read_only)
        # A log that was deleted under us would swallow commits just as a deleted file would.
        files = (self.path,) if read_only else (self.path, home / f"{LEDGER_FILE}-wal")
        try:
            self._place = Place(files)
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """
        Run one SQL text with positional parameters.

        SQL texts go straight to the driver: SQLAlchemy would add 10 microseconds to each, on the thread that the router
        shares the interpreter's lock with, and there are five in a commit.
        """
        try:
            self._raw.execute(statement, parameters).close()
        except sqlite3.Error as error:
            raise LedgerFault(fault_of_sqlite(error)) from None

    def one(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of a SQL text, or an empty tuple where there is none."""
        try:
            cursor = self._raw.execute(statement, parameters)
            row = cursor.fetchone()
            cursor.close()
        except sqlite3.Error as error:
            raise LedgerFault(fault_of_sqlite(error)) from None
        return row if row is not None else ()

    def all(self, statement: str | Executable) -> Sequence[Any]:
        """All rows of a SQL text or of a SQLAlchemy statement."""
        with _translated():
            if isinstance(statement, str):
                return self._raw.execute(statement).fetchall()
            return self._connection.execute(statement).fetchall()

    @contextmanager
    def stream(self, statement: str) -> Iterator[Iterator[Any]]:
        """Rows of a SQL text one by one, so that a large ledger needs no large memory; `with` lets the query go."""
        with _translated(), closing(self._raw.execute(statement)) as cursor:
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit at the end, take all back on any error, the commit's own included."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        finally:
            self._roll_back()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything as of one moment, while others write."""
        self.run("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    def check_whole(self, limit_s: float = CHECK_S) -> bool:
        """
        Let SQLite look for damage, for at most `limit_s`; raise `LedgerFault` if it finds some.

        Returns whether the check came to its end: a large ledger is looked at in full by `localfleet audit verify`.
        """
        deadline = time.monotonic() + limit_s
        raw = self._raw
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            found = raw.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return False
            raise LedgerFault(fault_of_sqlite(error)) from None
        finally:
            raw.set_progress_handler(None, 0)
        if found is None or found[0] != "ok":
            raise LedgerFault(Fault.DAMAGED)
        return True

    def check_place(self, *, surely: bool = False) -> None:
        """Raise `LedgerFault` if the file was removed or replaced: writes would go where nobody reads."""
        try:
            holds = self._place.holds(surely=surely)
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None
        if not holds:
            raise LedgerFault(Fault.GONE)

    def check_head(self) -> None:
        """Raise `LedgerFault` if the file no longer reads as a ledger to somebody who opens it now."""
        with _translated(), closing(self._connect()) as fresh:
            fresh.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def close(self) -> None:
        """Let the file go; the last one to leave folds the log into it."""
        # Reason: nothing is pending here, and a bad disk must not stop the one who tidies up.
        with suppress(DBAPIError, sqlite3.Error):
            self._connection.close()
        self._engine.dispose()

    def _create(self) -> None:
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None

    def _prepare(self, *, read_only: bool) -> None:
        try:
            if not read_only:
                self.run("PRAGMA journal_mode = WAL")
                self.run("PRAGMA synchronous = FULL")
                self.run(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            self.one("SELECT count(*) FROM sqlite_master")
        except LedgerFault:
            self.close()
            raise

    def _roll_back(self) -> None:
        """Take back what is open; nothing is after a commit."""
        if self._raw.in_transaction:
            # Reason: the error that brought us here is the one to tell; SQLite rolls back by itself on bad ones.
            with suppress(sqlite3.Error):
                self._raw.rollback()


def _connector(path: Path, *, read_only: bool, busy_ms: int) -> Callable[[], sqlite3.Connection]:
    target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    return lambda: sqlite3.connect(target, uri=True, timeout=busy_ms / 1000, check_same_thread=False)


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    return create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )


def _driver_connection(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


@contextmanager
def _translated() -> Iterator[None]:
    """Driver errors name statements and paths; a `LedgerFault` names what to do."""
    try:
        yield
    except DBAPIError as error:
        raise LedgerFault(fault_of_sqlite(error.orig)) from None
    except sqlite3.Error as error:
        raise LedgerFault(fault_of_sqlite(error)) from None
