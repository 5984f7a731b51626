"""
The keys in the router's memory, and a sealed copy of them for the day the ledger cannot be read.

Without the copy a damaged ledger would leave the router not knowing whether keys exist: it would have to let everybody
in or nobody. With it, callers with a key are still served by the local models, and nobody else is.
"""

import hmac
import os
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.storage.database import LEDGER_FILE
from localfleet.storage.keys import Key, digest_of

__all__ = ["COPY_FILE", "KeyRing", "load_copy", "save_copy"]

COPY_FILE = "keys.copy"


class KeyRing:
    """Looks tokens up from memory; replaced as a whole when the table changes."""

    def __init__(self) -> None:
        """Start knowing nothing: until `replace`, no key fits and `known` is false."""
        self.known = False
        self._callers: dict[bytes, Caller] = {}
        self._any = True

    @property
    def empty(self) -> bool:
        """Whether it is certain that no key was ever made, so that a loopback caller needs none."""
        return not self._any

    def lookup(self, token: str) -> Caller | None:
        """
        Whose token this is; `None` for an unknown or revoked one.

        The dictionary is asked for the token's digest: its timing tells nothing about how much of a token was right.
        """
        return self._callers.get(digest_of(token))

    def by_id(self, key_id: str) -> Caller | None:
        """The caller of a key by its id, for work that goes on without its token; `None` where it was revoked."""
        return next((caller for caller in self._callers.values() if caller.key_id == key_id), None)

    def replace(self, keys: Iterable[Key]) -> None:
        """Take over the table's keys; a folder whose keys are all revoked is not an empty one."""
        held = list(keys)
        self._callers = {key.digest: key.caller() for key in held if key.revoked_at is None}
        self._any = bool(held)
        self.known = True


def save_copy(home: Path, keys: list[Key], seal_key: bytes) -> None:
    """Write the sealed copy in one step; raises `OSError`."""
    body = orjson.dumps([asdict(key) for key in keys], default=_plain)
    draft = home / f".{COPY_FILE}.{os.getpid()}"
    handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(hmac.digest(seal_key, body, "sha256").hex().encode() + b"\n" + body)
    draft.replace(home / COPY_FILE)


def load_copy(home: Path, seal_key: bytes) -> list[Key] | None:
    """The keys of the sealed copy; none where no ledger was ever made here; `None` if nothing can be known."""
    try:
        seal, _, body = (home / COPY_FILE).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None if (home / LEDGER_FILE).exists() else []
    except OSError:
        return None
    if not hmac.compare_digest(seal, hmac.digest(seal_key, body, "sha256").hex().encode()):
        return None
    return [_read(item) for item in orjson.loads(body)]


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value)


def _read(item: dict[str, Any]) -> Key:
    usd, models = item["usd_per_month"], item["models"]
    return Key(
        **item
        | {
            "digest": bytes.fromhex(item["digest"]),
            "label": Label(item["label"]),
            "usd_per_month": None if usd is None else Decimal(usd),
            "models": None if models is None else frozenset(models),
        }
    )
