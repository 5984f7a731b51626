"""The ledger on bad disks: hosted doors close fast, local answers go on, nothing that waited is lost."""

import asyncio
import logging
import os
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from ledger_rig import Clock, Disk, intent, receipt, sql, until

from localfleet.core.changes import Changes
from localfleet.core.label import Label
from localfleet.errors import FleetError, LedgerClosed
from localfleet.storage.chain import Kind
from localfleet.storage.faults import Fault
from localfleet.storage.keys import create_key
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.report import recent
from localfleet.storage.verify import verify

_LOOPBACK_S = 0.5


def _refused(ledger: SqliteLedger, limit_s: float = 3.5) -> float:
    """How long `intend` took to refuse."""
    start = time.monotonic()
    with pytest.raises(LedgerClosed):
        asyncio.run(ledger.intend(intent(99)))
    took = time.monotonic() - start
    assert took < limit_s
    return took


def _unnoticed(ledger: SqliteLedger) -> None:
    """An intent that the journal takes; the commit that is to carry it over meets what is wrong."""
    asyncio.run(ledger.intend(intent(98)))
    time.sleep(0.1)


async def _many(ledger: SqliteLedger, count: int) -> None:
    for number in range(count):
        await ledger.intend(intent(number))


def _goes_on(ledger: SqliteLedger, waiting: int) -> None:
    """The disk is back: health turns ok, what waited is written, intents pass, the chain is whole."""
    assert until(lambda: ledger.health.ok, 12)
    assert until(lambda: len(recent(ledger.home, limit=9999)) == waiting)
    asyncio.run(ledger.intend(intent(100)))
    assert verify(ledger.home).ok


def test_a_full_disk(disk: Disk) -> None:
    """Writes fail while it is full; receipts wait in memory and are written once, in order, when there is room."""
    ledger = SqliteLedger(disk.path / "state", clock=Clock())
    try:
        ledger.settle(receipt(0))
        assert until(lambda: len(recent(ledger.home)) == 1)
        disk.fill()
        for number in range(1, 301):
            ledger.settle(receipt(number))
        ledger.remember([b"f" * 16], Label.RESTRICTED)
        assert until(lambda: not ledger.health.ok)
        assert ledger.health.why == Fault.FULL.value
        assert ledger.health.unwritten == 300
        assert _refused(ledger) < _LOOPBACK_S
        assert ledger.remembered([b"f" * 16]) is Label.RESTRICTED
        disk.free()
        _goes_on(ledger, 301)
        assert [line.request_id for line in reversed(recent(ledger.home, limit=301))] == [
            f"req-{n}" for n in range(301)
        ]
        assert sql(ledger.home, "SELECT count(*) FROM taints") == [(1,)]
    finally:
        ledger.close()


def test_a_full_disk_refuses_the_intent_that_meets_it_first(disk: Disk) -> None:
    """
    The intent whose commit fails is refused, not lost in silence; with nothing waiting the probe finds the room.

    The journal has room for some 1,300 until the commit that carries them over.
    """
    ledger = SqliteLedger(disk.path / "state", clock=Clock())
    try:
        disk.fill()
        with pytest.raises(LedgerClosed):
            asyncio.run(_many(ledger, 5000))
        assert ledger.health.why == Fault.FULL.value
        disk.free()
        _goes_on(ledger, 0)
    finally:
        ledger.close()


@pytest.mark.slow
def test_a_write_lock_held_by_another_process(ledger: SqliteLedger) -> None:
    """After two seconds the ledger says so, refuses at once from then on, and goes on when the lock is free."""
    with closing(sqlite3.connect(ledger.home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        _unnoticed(ledger)
        assert _refused(ledger) > 1.5
        assert ledger.health.why == Fault.LOCKED.value
        assert _refused(ledger) < _LOOPBACK_S
        ledger.settle(receipt(1))
        assert ledger.health.unwritten == 1
        other.execute("ROLLBACK")
    _goes_on(ledger, 1)


@pytest.mark.slow
def test_a_disk_that_does_not_answer(ledger: SqliteLedger) -> None:
    """A writer that hangs is noticed by who waits for it, within three seconds, and forgiven when it moves again."""
    go_on = threading.Event()
    book = ledger._writer._book
    assert book is not None
    book.database._raw.set_progress_handler(lambda: not go_on.wait(20), 1)
    try:
        _unnoticed(ledger)
        assert _refused(ledger) > 2.5
        assert ledger.health.why == Fault.STUCK.value
        assert _refused(ledger) < _LOOPBACK_S
    finally:
        go_on.set()
    assert until(lambda: ledger.health.ok)
    book.database._raw.set_progress_handler(None, 0)
    asyncio.run(ledger.intend(intent(100)))


def test_the_header_is_overwritten_while_the_router_runs(ledger: SqliteLedger) -> None:
    """Noticed within seconds; the mended file is taken up again."""
    asyncio.run(ledger.intend(intent(1)))
    sql(ledger.home, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = ledger.home / "ledger.db"
    good = subprocess.run(["head", "-c", "4096", str(path)], capture_output=True, check=True).stdout
    _overwrite(path, 0, b"\xde\xad" * 50)
    assert until(lambda: not ledger.health.ok)
    assert ledger.health.why == Fault.DAMAGED.value
    assert _refused(ledger) < _LOOPBACK_S
    ledger.settle(receipt(1))
    _overwrite(path, 0, good)
    _goes_on(ledger, 1)


@pytest.mark.parametrize("where", ["header", "middle"])
def test_a_damaged_file_at_start(home: Path, where: str) -> None:
    """The router starts without it, keeps receipts, changes no byte of it, and opens it when a good one is back."""
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(500):
        ledger.settle(receipt(number))
    ledger.close()
    path = home / "ledger.db"
    good = path.read_bytes()
    _overwrite(path, 0 if where == "header" else len(good) // 2 // 4096 * 4096, os.urandom(8192))
    wreck = path.read_bytes()
    ledger = SqliteLedger(home, clock=Clock())
    try:
        assert not ledger.health.ok
        assert ledger.health.why == Fault.DAMAGED.value
        assert _refused(ledger) < _LOOPBACK_S
        ledger.settle(receipt(1000))
        result = verify(home)
        assert not result.ok
        assert subprocess.run(["cat", str(path)], capture_output=True, check=True).stdout == wreck
        _overwrite(path, 0, good)
        _goes_on(ledger, 501)
    finally:
        ledger.close()


def test_keys_are_known_while_the_ledger_cannot_be_read(home: Path) -> None:
    """With a damaged ledger a known token still works and an unknown one does not; a forged copy admits nobody."""
    ledger = SqliteLedger(home, clock=Clock())
    ledger.close()
    _, token = create_key(home, name="app", label=Label.INTERNAL, at=1.0, models=frozenset({"small"}))
    SqliteLedger(home, clock=Clock()).close()
    _overwrite(home / "ledger.db", 0, os.urandom(4096))
    ledger = SqliteLedger(home, clock=Clock())
    caller = ledger.keys.lookup(token)
    assert caller is not None
    assert caller.models == frozenset({"small"})
    assert not ledger.keys.empty
    assert ledger.keys.lookup("lf_nobody") is None
    ledger.close()
    copy = home / "keys.copy"
    copy.write_bytes(copy.read_bytes().replace(b"small", b"large"))
    ledger = SqliteLedger(home, clock=Clock())
    assert ledger.keys.lookup(token) is None
    assert not ledger.keys.known
    assert not ledger.keys.empty
    ledger.close()


def test_the_log_is_deleted_while_the_router_runs(ledger: SqliteLedger) -> None:
    """Commits into a deleted write-ahead log would be lost at the next start: refused instead."""
    asyncio.run(ledger.intend(intent(1)))
    (ledger.home / "ledger.db-wal").unlink()
    _refused(ledger)
    assert not ledger.health.ok


def test_the_folder_is_removed_while_the_router_runs(ledger: SqliteLedger, tmp_path: Path) -> None:
    """SQLite would go on writing into the deleted file; the ledger closes instead, until the folder is back."""
    away = tmp_path / "away"
    ledger.home.rename(away)
    _refused(ledger)
    assert ledger.health.why == Fault.GONE.value
    ledger.settle(receipt(1))
    away.rename(ledger.home)
    _goes_on(ledger, 1)


def test_a_fresh_file_in_the_place_of_the_ledger_is_not_taken_for_it(ledger: SqliteLedger) -> None:
    """An older copy put back under a running router lacks its last records: closed, and left as it is."""
    older = ledger.home.with_name("older")
    subprocess.run(["cp", "-r", str(ledger.home), str(older)], check=True)
    asyncio.run(ledger.intend(intent(1)))
    assert until(lambda: sql(ledger.home, "SELECT count(*) FROM chain WHERE kind = 'intent'") == [(1,)])
    for name in ("ledger.db-wal", "ledger.db-shm", "ledger.db"):
        (ledger.home / name).unlink()
    for path in older.glob("ledger.db*"):
        path.rename(ledger.home / path.name)
    _refused(ledger)
    assert until(lambda: ledger.health.why == Fault.CHANGED.value)


def test_a_read_only_disk_at_start(disk: Disk) -> None:
    """The router starts without its ledger and opens it when the disk can be written."""
    home = disk.path / "state"
    SqliteLedger(home, clock=Clock()).close()
    assert disk.remount("ro")
    ledger = SqliteLedger(home, clock=Clock())
    try:
        assert not ledger.health.ok
        assert ledger.health.why == Fault.UNWRITABLE.value
        assert _refused(ledger) < _LOOPBACK_S
        ledger.settle(receipt(1))
        assert disk.remount("rw")
        _goes_on(ledger, 1)
    finally:
        ledger.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be: the router starts without a ledger and says why."""
    (tmp_path / "file").write_text("")
    ledger = SqliteLedger(tmp_path / "file" / "state", clock=Clock())
    assert not ledger.health.ok
    assert not ledger.keys.known
    assert ledger.health.why == Fault.UNWRITABLE.value
    ledger.settle(receipt(1))
    assert not ledger.close(0.3)


@pytest.mark.slow
def test_dropped_receipts_are_told_in_health_and_later_in_the_chain(ledger: SqliteLedger) -> None:
    """With the disk away and memory full the count is shown; when the disk is back the chain holds it."""
    ledger._writer._most_receipts = 5
    with closing(sqlite3.connect(ledger.home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(8):
            ledger.settle(receipt(number))
        assert until(lambda: not ledger.health.ok)
        assert "3 receipts were dropped" in ledger.health.why
        other.execute("ROLLBACK")
    _goes_on(ledger, 5)
    told = sql(ledger.home, "SELECT body FROM chain WHERE kind = 'dropped'")
    assert [orjson.loads(body)["count"] for (body,) in told] == [3]


def test_a_commit_that_reached_the_disk_and_still_failed_is_not_written_twice(ledger: SqliteLedger) -> None:
    """The chain already holds the link that was tried, so the receipts are not counted again."""
    ledger.settle(receipt(1))
    assert until(lambda: len(recent(ledger.home)) == 1)
    writer = ledger._writer
    assert writer._book is not None
    writer._attempted = writer._book.tip
    writer._retry = [receipt(1)]
    ledger.settle(receipt(2))
    assert until(lambda: len(recent(ledger.home)) == 2)
    assert [line.request_id for line in recent(ledger.home)] == ["req-2", "req-1"]


@pytest.mark.slow
def test_a_reload_is_in_the_chain_once_also_after_a_lock(ledger: SqliteLedger) -> None:
    """While another process holds the lock it waits; then it stands there once, before what came later, and fits."""
    with closing(sqlite3.connect(ledger.home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ledger.note_reload(Changes(added=("local.small",)), at=1.0, was="aa", now="bb")
        assert until(lambda: not ledger.health.ok)
        other.execute("ROLLBACK")
    assert until(lambda: ledger.health.ok, 12)
    asyncio.run(ledger.intend(intent(1)))
    ledger.note_reload(Changes(), at=2.0, was="bb", now="cc")
    assert until(lambda: sql(ledger.home, "SELECT count(*) FROM chain") == [(3,)])
    assert sql(ledger.home, "SELECT kind FROM chain ORDER BY seq") == [("reload",), ("intent",), ("reload",)]
    (first,) = sql(ledger.home, "SELECT body FROM chain WHERE seq = 1")
    told = {"at": 1.0, "was": "aa", "sha256": "bb", "added": ["local.small"], "removed": [], "changed": []}
    assert orjson.loads(first[0]) == told
    assert verify(ledger.home).ok


def test_a_reload_whose_commit_reached_the_disk_and_still_failed_is_not_written_twice(ledger: SqliteLedger) -> None:
    """As for receipts: the chain already holds the link that was tried."""
    ledger.note_reload(Changes(), at=1.0, was="aa", now="bb")
    assert until(lambda: sql(ledger.home, "SELECT count(*) FROM chain") == [(1,)])
    writer = ledger._writer
    assert writer._book is not None
    body = writer._book.database.one("SELECT body FROM chain")[0].encode()
    writer._attempted, writer._noting = writer._book.tip, 1
    writer.note(Kind.RELOAD, body)
    ledger.settle(receipt(2))
    assert until(lambda: len(recent(ledger.home)) == 1)
    assert sql(ledger.home, "SELECT kind FROM chain ORDER BY seq") == [("reload",), ("receipt",)]


@pytest.mark.slow
def test_close_gives_up_on_a_disk_that_stays_away(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It ends in time, returns false, and logs how many receipts are lost, in fixed sentences only."""
    ledger = SqliteLedger(home, clock=Clock())
    with closing(sqlite3.connect(home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ledger.settle(receipt(1))
        ledger.settle(receipt(2))
        start = time.monotonic()
        with caplog.at_level(logging.INFO, logger="localfleet.ledger"):
            assert not ledger.close(1.0)
            assert until(lambda: not ledger._writer.is_alive())
        assert time.monotonic() - start < 5
        other.execute("ROLLBACK")
    assert "2 receipts could not be written before the end." in caplog.messages
    said = {fault.value for fault in Fault} | {"2 receipts could not be written before the end.", "The ledger is open."}
    assert set(caplog.messages) <= said


@pytest.mark.slow
def test_health_changes_are_logged_once_each(ledger: SqliteLedger, caplog: pytest.LogCaptureFixture) -> None:
    """One line when it closes, one when it opens, whatever the number of retries."""
    with caplog.at_level(logging.INFO, logger="localfleet.ledger"):
        away = ledger.home.with_name("away")
        ledger.home.rename(away)
        _refused(ledger)
        time.sleep(1)
        away.rename(ledger.home)
        assert until(lambda: ledger.health.ok, 12)
    assert caplog.messages == [Fault.GONE.value, "The ledger is open."]


def test_a_cut_off_ledger_does_not_open(home: Path) -> None:
    """The head names a record the file no longer has: closed, and nothing is written behind the gap."""
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(20):
        ledger.settle(receipt(number))
    ledger.close()
    sql(home, "DELETE FROM chain WHERE seq > 15")
    sql(home, "DELETE FROM receipts WHERE seq > 15")
    ledger = SqliteLedger(home, clock=Clock())
    assert ledger.health.why == Fault.SHORTER.value
    ledger.close(0.3)
    (home / "ledger.db").unlink()
    ledger = SqliteLedger(home, clock=Clock())
    assert ledger.health.why == Fault.SHORTER.value
    ledger.close(0.3)
    assert not (home / "ledger.db").exists()


def test_another_secret_does_not_open_the_ledger(home: Path) -> None:
    """Records sealed with another key are not gone on from; a missing secret is not silently made anew."""
    ledger = SqliteLedger(home, clock=Clock())
    ledger.settle(receipt(1))
    ledger.close()
    (home / "ledger.head").unlink()
    (home / "secret.key").write_bytes(b"x" * 32)
    ledger = SqliteLedger(home, clock=Clock())
    assert ledger.health.why == Fault.WRONG_KEY.value
    ledger.close(0.3)
    (home / "secret.key").unlink()
    with pytest.raises(FleetError, match=r"put it back, or move ledger\.db"):
        SqliteLedger(home, clock=Clock())


def _overwrite(path: Path, offset: int, garbage: bytes) -> None:
    """Write into the file from another process: opening it in this one would drop SQLite's locks on it."""
    command = ["dd", f"of={path}", f"seek={offset}", "oflag=seek_bytes", "conv=notrunc", "status=none"]
    subprocess.run(command, input=garbage, check=True)


def test_each_intent_waits_its_own_time(home: Path) -> None:
    """One timer serves all who wait: none is refused before its time, and the later one is refused too."""
    ledger = SqliteLedger(home, clock=Clock(), intend_s=0.1)
    go_on = threading.Event()
    book = ledger._writer._book
    assert book is not None
    book.database._raw.set_progress_handler(lambda: not go_on.wait(20), 1)

    async def one(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(LedgerClosed):
            await ledger.intend(intent(number))
        return time.monotonic() - began

    async def two() -> list[float]:
        first = asyncio.create_task(one(1))
        await asyncio.sleep(0.04)
        second = asyncio.create_task(one(2))
        return [await first, await second]

    try:
        _unnoticed(ledger)
        waited = asyncio.run(two())
    finally:
        go_on.set()
    assert all(0.09 < seconds < 0.5 for seconds in waited)
    assert until(lambda: ledger.health.ok)
    ledger.close()
