"""
API keys: made, listed and revoked by the command line, looked up by the router.

A token is `lf_` and 32 random bytes in base64url. Only its SHA-256 digest is kept: a token of 256 random bits cannot be
guessed, so a slow password hash would protect nothing and cost each request dearly. Creating and revoking are records
of the chain too, so that a key slipped into the table, or one made wider, is found by `localfleet audit verify`.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.errors import FleetError, NotFound
from localfleet.storage.book import Book, insert_many
from localfleet.storage.chain import Kind, Seal, check_end
from localfleet.storage.database import Database
from localfleet.storage.head import write_head
from localfleet.storage.migrations import migrate
from localfleet.storage.money import usd_text
from localfleet.storage.reading import reading
from localfleet.storage.records import encode
from localfleet.storage.secret import derive, load_secret

__all__ = ["KEY_COLUMNS", "Key", "create_key", "digest_of", "key_row_of_body", "list_keys", "read_keys", "revoke_key"]

KEY_COLUMNS = (
    "id", "digest", "name", "label", "plan", "usd_per_month", "requests_per_minute", "models", "created_at",
    "revoked_at",
)  # fmt: skip  # one column per line would hide that this is one list
_SELECT = f"SELECT {', '.join(KEY_COLUMNS)} FROM keys ORDER BY created_at, id"  # noqa: S608  # own column names only
_CLI_BUSY_MS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key as kept: everything but the token. Times are Unix seconds."""

    id: str
    digest: bytes
    name: str
    label: Label
    plan: str | None = None
    usd_per_month: Decimal | None = None
    requests_per_minute: int | None = None
    models: frozenset[str] | None = None
    created_at: float
    revoked_at: float | None = None

    def caller(self) -> Caller:
        """Who asks with this key."""
        return Caller(
            key_id=self.id,
            name=self.name,
            default_label=self.label,
            plan=self.plan,
            models=self.models,
            usd_per_month=self.usd_per_month,
            requests_per_minute=self.requests_per_minute,
        )


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def create_key(
    home: Path,
    *,
    name: str,
    label: Label,
    at: float,
    plan: str | None = None,
    usd_per_month: Decimal | None = None,
    requests_per_minute: int | None = None,
    models: frozenset[str] | None = None,
) -> tuple[Key, str]:
    """
    Make a key and return it with its token, which is shown once and kept nowhere.

    `at` is Unix time in seconds. Works while a router runs on this folder: it takes the key up within a second. Raises
    `FleetError`.
    """
    token = "lf_" + urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    key = Key(
        id=secrets.token_hex(4),
        digest=digest_of(token),
        name=name,
        label=label,
        plan=plan,
        usd_per_month=usd_per_month,
        requests_per_minute=requests_per_minute,
        models=models,
        created_at=at,
    )
    with _writing(home) as book:
        book.add(Kind.KEY, encode(_body(key)))
        insert_many(book.database, "keys", KEY_COLUMNS, [_row(key)])
    return key, token


def revoke_key(home: Path, key_id: str, *, at: float) -> None:
    """Shut a key for good at `at` (Unix seconds); once revoked it stays so. Raises `NotFound`, `FleetError`."""
    with _writing(home) as book:
        row = book.database.one("SELECT revoked_at FROM keys WHERE id = ?", (key_id,))
        if not row:
            raise NotFound("There is no key with this id: `localfleet keys list` shows them.")
        if row[0] is None:
            book.add(Kind.REVOKED, encode({"id": key_id, "at": at}))
            book.database.run("UPDATE keys SET revoked_at = ? WHERE id = ?", (at, key_id))


def list_keys(home: Path) -> list[Key]:
    """All keys, oldest first, revoked ones too; an empty list where there is no ledger yet. Raises `FleetError`."""
    with reading(home) as database:
        return [] if database is None else read_keys(database)


def read_keys(database: Database) -> list[Key]:
    """All keys of an open ledger, oldest first."""
    return [_key(row) for row in database.all(_SELECT)]


def key_row_of_body(body: dict[str, Any]) -> tuple[Any, ...]:
    """The row of `keys` that a `key` body stands for, before any revocation; raises `KeyError`, `ValueError`."""
    named = {
        **body,
        "digest": bytes.fromhex(body["digest"]),
        "models": _models_text(body["models"]),
        "revoked_at": None,
    }
    return tuple(named[name] for name in KEY_COLUMNS)


@contextmanager
def _writing(home: Path) -> Iterator[Book]:
    """One short write transaction from outside the router; the chain's head is brought up to date after it."""
    secret = load_secret(home)
    key = derive(secret, "chain")
    database = Database(home, busy_ms=_CLI_BUSY_MS)
    try:
        migrate(database)
        seal = Seal(key)
        with database.transaction():
            book = Book(database, seal, check_end(database, seal))
            book.begin()
            yield book
            tip = book.flush()
        # Reason: the record is safe; a head that lags is only a weaker guard, and the next writer brings it forward.
        with suppress(OSError):
            write_head(home, tip, derive(secret, "head"))
    finally:
        database.close()


def _row(key: Key) -> tuple[Any, ...]:
    return (
        key.id,
        key.digest,
        key.name,
        int(key.label),
        key.plan,
        usd_text(key.usd_per_month),
        key.requests_per_minute,
        _models_text(None if key.models is None else sorted(key.models)),
        key.created_at,
        key.revoked_at,
    )


def _body(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "digest": key.digest.hex(),
        "name": key.name,
        "label": int(key.label),
        "plan": key.plan,
        "usd_per_month": usd_text(key.usd_per_month),
        "requests_per_minute": key.requests_per_minute,
        "models": None if key.models is None else sorted(key.models),
        "created_at": key.created_at,
    }


def _models_text(models: Sequence[str] | None) -> str | None:
    return None if models is None else orjson.dumps(models).decode()


def _key(row: Sequence[Any]) -> Key:
    named = dict(zip(KEY_COLUMNS, row, strict=True))
    try:
        named["label"] = Label(named["label"])
        if named["usd_per_month"] is not None:
            named["usd_per_month"] = Decimal(named["usd_per_month"])
        if named["models"] is not None:
            named["models"] = frozenset(orjson.loads(named["models"]))
    except (ValueError, ArithmeticError, TypeError):
        raise FleetError("A key in the ledger cannot be read: run `localfleet audit verify`.") from None
    return Key(**named)
