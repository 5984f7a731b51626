"""
What can be wrong with the disk under the ledger, as fixed sentences.

Lives here: the one translation from SQLite's and the operating system's error codes to a sentence that says what to do
next. May not: the driver's own message, a statement or a parameter. Those never reach a log or an exception.
"""

import errno
import sqlite3
from enum import Enum

from localfleet.errors import LedgerClosed

__all__ = ["Fault", "LedgerFault", "fault_of_os", "fault_of_sqlite"]


class Fault(Enum):
    """Each value is the whole sentence people see in `/readyz`, the log and the command line."""

    STARTING = "The ledger is not open yet."
    NONE = (
        "There is no ledger in the state folder: start the router once, or set LOCALFLEET_HOME to the folder of one "
        "that ran."
    )
    FULL = "The disk under the ledger is full: free some space. The router goes on by itself when writing works again."
    LOCKED = (
        "Another process holds the ledger's write lock: end the program that has ledger.db open. "
        "The router goes on by itself when the lock is free."
    )
    DAMAGED = (
        "The ledger's file is damaged; nothing of it was deleted. Run `localfleet audit verify`, then put a good copy "
        "back, or move ledger.db, its -wal and -shm files and ledger.head aside and restart."
    )
    GONE = (
        "The ledger's file or folder was removed or replaced while the router ran: put it back or restart the router."
    )
    CHANGED = (
        "The ledger does not end with the records this router wrote: run `localfleet audit verify`, put the right file "
        "back, or restart the router."
    )
    SHORTER = (
        "The ledger ends before the record that ledger.head names, so its end was cut off or an old copy was put back: "
        "run `localfleet audit verify`; to go on with what is there, move ledger.head aside."
    )
    FORGED = (
        "ledger.head and the ledger do not fit together, or one of them was edited: run `localfleet audit verify`; to "
        "go on with what is there, move ledger.head aside."
    )
    OLDER = (
        "The ledger was written by an older localfleet: start the router once with this one (`localfleet up`), which "
        "brings its tables up to date, and ask again."
    )
    NEWER = (
        "This ledger was written by a newer localfleet: install that release again, or set LOCALFLEET_HOME to another "
        "folder."
    )
    WRONG_KEY = (
        "The ledger's last record does not fit secret.key: put back the secret.key this ledger was written with, or "
        "run `localfleet audit verify`."
    )
    UNWRITABLE = (
        "The ledger's folder cannot be written: check its owner, its permissions and that its disk is not read-only."
    )
    DISK = "The disk under the ledger reports errors: check the disk. The router goes on by itself when it works again."
    STUCK = "The disk under the ledger does not answer: check the disk. The router goes on by itself when it does."
    REFUSED = "The ledger refused a record that cannot be stored; please report this as a bug."
    STOPPED = "The ledger is closed: restart the router."


class LedgerFault(LedgerClosed):
    """The ledger cannot be read or written now; `fault` says why, and `message` is its sentence."""

    def __init__(self, fault: Fault) -> None:
        """Take the fault's own sentence: there is no other text to give."""
        super().__init__(fault.value)
        self.fault = fault


_SQLITE = {
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_BUSY: Fault.LOCKED,
    sqlite3.SQLITE_LOCKED: Fault.LOCKED,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
    sqlite3.SQLITE_SCHEMA: Fault.DAMAGED,
    sqlite3.SQLITE_ERROR: Fault.DAMAGED,
    sqlite3.SQLITE_READONLY: Fault.UNWRITABLE,
    sqlite3.SQLITE_PERM: Fault.UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: Fault.UNWRITABLE,
}
"""`SQLITE_ERROR` is a statement that does not fit the tables: with statements that never change, the tables did."""

_OS = {
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.ENOENT: Fault.GONE,
    errno.ENOTDIR: Fault.UNWRITABLE,
    errno.EROFS: Fault.UNWRITABLE,
    errno.EACCES: Fault.UNWRITABLE,
    errno.EPERM: Fault.UNWRITABLE,
}


def fault_of_sqlite(error: BaseException | None) -> Fault:
    """The fault behind a driver error, by its primary result code; a bad disk where the code says nothing."""
    code = getattr(error, "sqlite_errorcode", None)
    return Fault.DISK if code is None else _SQLITE.get(code & 0xFF, Fault.DISK)


def fault_of_os(error: OSError) -> Fault:
    """The fault behind a failed system call on the ledger's folder."""
    return _OS.get(error.errno or 0, Fault.DISK)
