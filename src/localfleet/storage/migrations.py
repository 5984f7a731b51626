"""
How the ledger's tables came to be: an append-only list of steps.

Step number N takes a ledger from version N-1 to N, once, inside a transaction. A step that has shipped is never edited:
add the next one. The version is SQLite's own `user_version`.
"""

from collections.abc import Callable

from localfleet.errors import FleetError
from localfleet.storage.database import Database
from localfleet.storage.faults import Fault

__all__ = ["MIGRATIONS", "migrate", "version_of"]


def m001_first_ledger(database: Database) -> None:
    """Chain, receipts, open intents, keys, taints and the probe row."""
    for statement in (
        "CREATE TABLE chain (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL)",
        """
        CREATE TABLE receipts (
            seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at FLOAT NOT NULL, api TEXT, key_id TEXT NOT NULL,
            plan TEXT, task TEXT, session TEXT, label INTEGER NOT NULL, wanted TEXT, model TEXT, tier TEXT, reason TEXT,
            outcome TEXT NOT NULL, status INTEGER, stream INTEGER, attempts INTEGER NOT NULL, input_tokens INTEGER,
            output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, reasoning_tokens INTEGER,
            measured INTEGER, price_version TEXT, queue_ms FLOAT, first_byte_ms FLOAT, total_ms FLOAT,
            cost_pico INTEGER, cost_rest TEXT, reserved_pico INTEGER)
        """,
        "CREATE INDEX receipts_at ON receipts (at)",
        """
        CREATE TABLE intents (
            request_id TEXT NOT NULL, attempt INTEGER NOT NULL, seq INTEGER NOT NULL, at FLOAT NOT NULL,
            key_id TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, label INTEGER NOT NULL, worst_usd TEXT,
            PRIMARY KEY (request_id, attempt)) WITHOUT ROWID
        """,
        """
        CREATE TABLE keys (
            id TEXT NOT NULL PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, label INTEGER NOT NULL,
            plan TEXT, usd_per_month TEXT, requests_per_minute INTEGER, models TEXT, created_at FLOAT NOT NULL,
            revoked_at FLOAT)
        """,
        """
        CREATE TABLE taints (fp BLOB NOT NULL PRIMARY KEY, label INTEGER NOT NULL, seen_day INTEGER NOT NULL)
            WITHOUT ROWID
        """,
        "CREATE INDEX taints_seen ON taints (seen_day)",
        "CREATE TABLE probe (id INTEGER PRIMARY KEY, room BLOB NOT NULL)",
    ):
        database.run(statement)


def m002_actions_and_feedback(database: Database) -> None:
    """Which action a receipt is a part of, in which role; the arm of an experiment; what people said of answers."""
    for statement in (
        "ALTER TABLE receipts ADD COLUMN action TEXT",
        "ALTER TABLE receipts ADD COLUMN role TEXT",
        "ALTER TABLE receipts ADD COLUMN arm TEXT",
        """
        CREATE TABLE feedback (
            seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at FLOAT NOT NULL, key_id TEXT, accepted INTEGER,
            corrected INTEGER, score FLOAT)
        """,
        "CREATE INDEX feedback_request ON feedback (request_id)",
    ):
        database.run(statement)


def m003_states(database: Database) -> None:
    """States of local models are found without reading the whole chain."""
    database.run("CREATE INDEX chain_states ON chain (seq) WHERE kind = 'state'")


def m004_actions_of_callers(database: Database) -> None:
    """Which piece of work a caller counts a request to."""
    database.run("ALTER TABLE receipts ADD COLUMN caller_action TEXT")


def m005_taints_in_the_order_of_sight(database: Database) -> None:
    """
    Fingerprints are added at the end: kept by key, each went to a page of its own, which a commit had to write whole.

    Ten microseconds of a restricted request's CPU. Memory is what is asked; the table is read at start.
    """
    for statement in (
        "CREATE TABLE sights (fp BLOB NOT NULL, label INTEGER NOT NULL, seen_day INTEGER NOT NULL)",
        "INSERT INTO sights SELECT fp, label, seen_day FROM taints ORDER BY seen_day",
        "DROP TABLE taints",
        "ALTER TABLE sights RENAME TO taints",
    ):
        database.run(statement)


MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    m001_first_ledger,
    m002_actions_and_feedback,
    m003_states,
    m004_actions_of_callers,
    m005_taints_in_the_order_of_sight,
)


def version_of(database: Database) -> int:
    """How many steps this ledger has behind it; 0 for an empty file."""
    return int(database.one("PRAGMA user_version")[0])


def migrate(database: Database, steps: tuple[Callable[[Database], None], ...] = MIGRATIONS) -> int:
    """
    Take the ledger to the newest version and return it; safe while another process does the same.

    Raises `FleetError` for a ledger that a newer release wrote: older code would misread it.
    """
    if version_of(database) == len(steps):
        return len(steps)
    with database.transaction():
        version = version_of(database)
        if version > len(steps):
            raise FleetError(Fault.NEWER.value)
        for step in steps[version:]:
            step(database)
        database.run(f"PRAGMA user_version = {len(steps)}")
    return len(steps)
