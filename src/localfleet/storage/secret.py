"""
The one secret of a state folder, and the keys derived from it.

Lives here: `secret.key`, 32 random bytes that only their owner may read. What seals the chain, hashes sessions and
fingerprints conversations are different keys derived from it, so that one of them tells nothing about another.
"""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from localfleet.errors import FleetError
from localfleet.storage.database import LEDGER_FILE
from localfleet.storage.faults import LedgerFault, fault_of_os

__all__ = ["SECRET_FILE", "derive", "load_secret", "read_secret"]

SECRET_FILE = "secret.key"  # noqa: S105  # the name of a file, not a secret
_LENGTH = 32


def load_secret(home: Path) -> bytes:
    """
    The 32 bytes of `home/secret.key`, created at first use; safe when two processes start at once.

    Raises `FleetError` if others may read it, if it has another length, or if it is missing beside an existing ledger
    (a new one would make every old record look forged); `LedgerFault` if the folder cannot be written.
    """
    try:
        if not (home / SECRET_FILE).exists():
            _create(home)
        return read_secret(home)
    except OSError as error:
        raise LedgerFault(fault_of_os(error)) from None


def read_secret(home: Path) -> bytes:
    """Like `load_secret`, but creates nothing."""
    path = home / SECRET_FILE
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise FleetError("secret.key can be read by others: run `chmod 600 secret.key` in the state folder.")
            secret = file.read(_LENGTH + 1)
    except FileNotFoundError:
        raise FleetError("There is no secret.key in the state folder: put it back, or start the router once.") from None
    except OSError as error:
        raise LedgerFault(fault_of_os(error)) from None
    if len(secret) != _LENGTH:
        raise FleetError("secret.key is not 32 bytes long: put back the one this state folder was made with.")
    return secret


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, such as `chain`, `sessions` or `conversations`."""
    return hmac.digest(secret, b"localfleet/" + purpose.encode(), "sha256")


def _create(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (home / LEDGER_FILE).exists() and not (home / SECRET_FILE).exists():
        raise FleetError(
            "secret.key is missing beside an existing ledger: put it back, or move ledger.db and ledger.head aside."
        )
    draft = home / f".{SECRET_FILE}.{secrets.token_hex(8)}"
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        # Reason: a hard link is atomic and refuses to replace, so of two starters one wins and both read the winner's.
        with suppress(FileExistsError):
            os.link(draft, home / SECRET_FILE)
    finally:
        draft.unlink()
