"""The small parts of the room: secret, migrations, taints, files and their permissions."""

import multiprocessing
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledger_rig import Clock
from sqlalchemy import MetaData, create_engine
from sqlalchemy.schema import Table

from localfleet.core.label import Label
from localfleet.errors import FleetError
from localfleet.storage.database import Database
from localfleet.storage.egress import Span, left
from localfleet.storage.faults import LedgerFault
from localfleet.storage.keys import list_keys
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.migrations import MIGRATIONS, migrate, version_of
from localfleet.storage.records import INTENT_COLUMNS, RECEIPT_COLUMNS
from localfleet.storage.report import totals
from localfleet.storage.schema import intents, metadata, receipts
from localfleet.storage.secret import derive, load_secret
from localfleet.storage.taints import Taints
from localfleet.storage.verify import verify


def test_the_secret_is_made_once_and_only_its_owner_reads_it(home: Path) -> None:
    """32 random bytes, mode 0600, the same at each reading."""
    secret = load_secret(home)
    assert len(secret) == 32
    assert load_secret(home) == secret
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600


def test_a_secret_that_others_may_read_is_refused(home: Path) -> None:
    """The error says which command mends it, and holds no byte of the secret."""
    load_secret(home)
    (home / "secret.key").chmod(0o640)
    with pytest.raises(FleetError, match="chmod 600"):
        load_secret(home)
    with pytest.raises(FleetError, match="chmod 600"):
        SqliteLedger(home, clock=Clock())


def test_a_secret_of_another_length_is_refused(home: Path) -> None:
    """A cut-off key seals nothing."""
    home.mkdir()
    (home / "secret.key").touch(0o600)
    with pytest.raises(FleetError, match="not 32 bytes"):
        load_secret(home)


def test_two_first_starts_agree_on_one_secret(home: Path) -> None:
    """Eight processes that start at once all read the same bytes, and leave no draft behind."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        secrets = pool.map(load_secret, [home] * 8, chunksize=1)
    assert len(set(secrets)) == 1
    assert [path.name for path in home.iterdir()] == ["secret.key"]


def test_keys_for_different_purposes_have_nothing_in_common() -> None:
    """Derived keys differ by purpose and by secret, and are not the secret."""
    made = {derive(secret, purpose) for secret in (b"a" * 32, b"b" * 32) for purpose in ("chain", "sessions", "head")}
    assert len(made | {b"a" * 32, b"b" * 32}) == 8


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_ledger_of_every_older_version_comes_up_to_date(tmp_path: Path, version: int) -> None:
    """From an empty file and from each version the tables end up as `schema.py` describes them."""
    database = Database(tmp_path)
    if version:
        assert migrate(database, MIGRATIONS[:version]) == version
    assert migrate(database) == len(MIGRATIONS) == version_of(database)
    assert migrate(database) == len(MIGRATIONS)
    database.close()
    found = MetaData()
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    found.reflect(engine)
    engine.dispose()
    assert {name: _shape(table) for name, table in found.tables.items()} == {
        name: _shape(table) for name, table in metadata.tables.items()
    }


def test_what_was_remembered_outlives_the_step_to_another_table(tmp_path: Path) -> None:
    """A conversation that is restricted in an older ledger is so in the newer one, and no row is lost."""
    database = Database(tmp_path)
    migrate(database, MIGRATIONS[:4])
    for fingerprint, day in ((b"later" * 4, 101), (b"older" * 4, 100)):
        database.run("INSERT INTO taints VALUES (?, ?, ?)", (fingerprint[:16], int(Label.RESTRICTED), day))
    migrate(database)
    rows = database.all("SELECT fp, label, seen_day FROM taints ORDER BY rowid")
    database.close()
    assert [day for *_, day in rows] == [100, 101]
    taints = Taints(today=102, remember_days=10)
    assert taints.load(rows) == 0
    assert all(taints.find([one[:16]]) is Label.RESTRICTED for one in (b"later" * 4, b"older" * 4))


def _shape(table: Table) -> tuple[set[tuple[str, str, bool, bool]], set[str | None]]:
    columns = {
        (column.name, str(column.type), bool(column.nullable or column.primary_key), column.primary_key)
        for column in table.columns
    }
    return columns, {index.name for index in table.indexes}


def test_a_step_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """A migration is all or nothing."""

    def half(database: Database) -> None:
        database.run("CREATE TABLE half (x)")
        raise FleetError("stopped")

    database = Database(tmp_path)
    migrate(database)
    with pytest.raises(FleetError, match="stopped"):
        migrate(database, (*MIGRATIONS, half))
    assert version_of(database) == len(MIGRATIONS)
    assert database.one("SELECT count(*) FROM sqlite_master WHERE name = 'half'") == (0,)
    database.close()


def test_a_ledger_of_a_newer_release_is_refused(home: Path) -> None:
    """Older code would misread it; the error says what to do, and the file is not touched."""
    SqliteLedger(home, clock=Clock()).close()
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(FleetError, match="newer localfleet"):
        SqliteLedger(home, clock=Clock())


def test_a_second_router_hears_one_sentence(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That the folder is taken; nothing of a ledger that was removed, which sends people to look for damage."""
    caplog.set_level("INFO")
    first = SqliteLedger(home, clock=Clock())
    with pytest.raises(FleetError, match="Another router already runs"):
        SqliteLedger(home, clock=Clock())
    assert caplog.messages == ["The ledger is open."]
    assert first.close()


@pytest.mark.parametrize(("version", "words"), [(len(MIGRATIONS) - 1, "older localfleet"), (99, "newer localfleet")])
def test_a_ledger_of_another_release_is_not_called_damaged(home: Path, version: int, words: str) -> None:
    """Who reads it before this release has started is told so: an auditor would take "damaged" for an edit."""
    SqliteLedger(home, clock=Clock()).close()
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    reads: tuple[Callable[[], object], ...] = (
        lambda: verify(home),
        lambda: totals(home, by="model"),
        lambda: list_keys(home),
        lambda: left(home, Span(since=0, until=1)),
    )
    for read in reads:
        with pytest.raises(LedgerFault, match=words):
            read()


def test_the_rows_written_are_the_columns_of_the_tables() -> None:
    """The writer's lists of columns and the tables name the same things in the same order."""
    assert list(RECEIPT_COLUMNS) == [column.name for column in receipts.columns]
    assert list(INTENT_COLUMNS) == [column.name for column in intents.columns]


def test_files_belong_to_their_owner_alone(ledger: SqliteLedger) -> None:
    """No file of the state folder can be read by others."""
    for path in ledger.home.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


def test_taints_forget_the_longest_unseen_first() -> None:
    """Beyond the bound the oldest sight goes; what was just seen or raised never does."""
    taints = Taints(today=100, remember_days=10, most=100)
    for number in range(100):
        taints.put([number.to_bytes(16)], Label.RESTRICTED)
    taints.put([(0).to_bytes(16)], Label.PUBLIC)
    taints.put([(999).to_bytes(16)], Label.INTERNAL)
    assert len(taints) <= 100
    assert taints.find([(0).to_bytes(16)]) is Label.RESTRICTED
    assert taints.find([(999).to_bytes(16)]) is Label.INTERNAL
    assert taints.find([(1).to_bytes(16)]) is None


def test_nobody_flushes_the_memory_of_another() -> None:
    """A flood of one caller's pieces pushes out its own oldest; conversations and others' pieces stay, on disk too."""
    taints = Taints(today=100, remember_days=10, most=10, most_pieces=100)
    conversation, theirs = bytes(16), [number.to_bytes(16) + b"them" for number in range(20)]
    taints.put([conversation, *theirs], Label.RESTRICTED)
    flood = [number.to_bytes(16) + b"us--" for number in range(1000)]
    for one in flood:
        taints.put([one], Label.RESTRICTED)
    again = Taints(today=100, remember_days=10, most=10, most_pieces=100)
    again.load([(fingerprint, code & 3, code >> 2) for fingerprint, code in taints.take_changes().items()])
    for held in (taints, again):
        assert len(held) <= 101
        assert all(held.find([one]) is Label.RESTRICTED for one in (conversation, *theirs, flood[-1]))
        assert held.find([flood[0]]) is None


def test_taints_from_disk_do_not_lower_what_memory_knows() -> None:
    """A ledger that opens late is joined with what was remembered meanwhile: the higher label wins."""
    taints = Taints(today=100, remember_days=10)
    taints.put([b"both", b"new"], Label.INTERNAL)
    taints.load([(b"both", int(Label.RESTRICTED), 95), (b"old", int(Label.RESTRICTED), 95)])
    assert taints.find([b"both"]) is Label.RESTRICTED
    assert taints.find([b"new"]) is Label.INTERNAL
    assert taints.find([b"old"]) is Label.RESTRICTED


def test_a_sight_is_written_once_a_day() -> None:
    """The first sight of a day is a change to write, the others are not."""
    taints = Taints(today=100, remember_days=10)
    taints.load([(b"fp", int(Label.RESTRICTED), 95)])
    assert taints.find([b"fp"]) is Label.RESTRICTED
    assert taints.take_changes() == {b"fp": 100 << 2 | 2}
    assert taints.find([b"fp"]) is Label.RESTRICTED
    assert not taints.changed
    taints.today = 111
    assert taints.find([b"fp"]) is None


def test_changes_given_back_do_not_undo_later_ones() -> None:
    """After a failed commit the newer label of the same fingerprint wins."""
    taints = Taints(today=100, remember_days=10)
    taints.put([b"fp"], Label.INTERNAL)
    taken = taints.take_changes()
    taints.put([b"fp"], Label.RESTRICTED)
    taints.put_back(taken)
    assert taints.take_changes() == {b"fp": 100 << 2 | 2}
