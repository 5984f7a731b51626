"""
One running router per state folder.

Lives here: `router.lock`, held by the router through `flock`, which the kernel lets go when the process ends, however
it ends. Other commands do not take it: they read, or write in one short transaction.
"""

import fcntl
import os
from pathlib import Path

from localfleet.errors import FleetError
from localfleet.storage.faults import Fault, LedgerFault, fault_of_os

__all__ = ["LOCK_FILE", "RouterLock"]

LOCK_FILE = "router.lock"


class RouterLock:
    """The lock, held from construction until `release`."""

    def __init__(self, home: Path) -> None:
        """Take it at once, or raise `FleetError` if another router has it, `LedgerFault` if the folder is bad."""
        self._path = home / LOCK_FILE
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise FleetError(
                "Another router already runs on this state folder: stop it first, or set LOCALFLEET_HOME to another "
                "folder."
            ) from None

    def check(self) -> None:
        """Raise `LedgerFault` if the folder was replaced, so that the lock no longer keeps others out."""
        try:
            there, held = self._path.stat(), os.fstat(self._handle)
        except OSError as error:
            raise LedgerFault(fault_of_os(error)) from None
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise LedgerFault(Fault.GONE)

    def release(self) -> None:
        """Let the next router in."""
        os.close(self._handle)
