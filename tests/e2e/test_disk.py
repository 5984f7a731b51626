"""
The disk under the ledger goes away while the router runs: hosted doors close, the box answers, nothing is lost.

Law 7 leaves no other way: what cannot be recorded must not leave. The other half is as important: a full disk must not
stop the local models, and everything opens again by itself.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_rig import CHAT, Disk, Stream, ask, open_intents, records, small_disk, until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour
from tap_fleet import local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.faults import Fault
from localfleet.storage.keys import create_key
from localfleet.storage.verify import verify

OPEN_AGAIN_S = 12


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of its own where the router's state goes; skipped where mounting is not allowed."""
    with small_disk(tmp_path / "state") as mounted:
        if mounted is None:
            pytest.skip("mounting a small disk needs root and CAP_SYS_ADMIN, which this machine does not give")
        yield mounted


@pytest.fixture
def router(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> Iterator[Router]:
    """A router with one local and one hosted door, both of them taps."""
    settings = {"version": 1, "local": {"box": local_entry(local_tap)}, "hosted": {"mini": openai_entry(openai_tap)}}
    with Router.start(tmp_path, settings) as started:
        assert until(lambda: _hosted(started).status == 200)
        yield started


def _hosted(router: Router) -> Response:
    return router.post(CHAT, ask("mini", max_tokens=10))


def _auto(router: Router) -> Response:
    return router.post(CHAT, ask("auto", max_tokens=10))


def _ledger(router: Router) -> dict[str, object]:
    """What `/readyz` says of the ledger."""
    said: dict[str, object] = router.get("/readyz").json["ledger"]
    return said


def _closed(router: Router, tap: Tap, fault: Fault) -> None:
    """Hosted doors are shut, the box answers, and everybody is told why; returns with ten receipts in memory."""
    calls = len(tap.posts())
    refused = _hosted(router)
    assert (refused.status, refused.json["error"]["code"]) == (503, "ledger_closed")
    assert refused.headers["x-localfleet-reason"] == "ledger_closed"
    assert int(refused.headers["retry-after"]) >= 1
    for _ in range(8):
        answer = _auto(router)
        assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local")
        assert answer.headers["x-localfleet-reason"] in {"ledger_closed", "only_local"}
    stream = router.post(CHAT, ask("local", stream=True))
    assert stream.body.endswith(b"data: [DONE]\n\n")
    assert len(tap.posts()) == calls
    ready = router.get("/readyz")
    assert (ready.status, ready.json["ready"]) == (200, True)
    assert ready.json["ledger"]["ok"] is False
    assert ready.json["ledger"]["why"] == fault.value
    assert ready.json["ledger"]["unwritten"] >= 10
    assert fault.value.encode() in router.output()
    assert b"localfleet_ledger" in router.get("/metrics").body


def _open_again(router: Router, receipts: int) -> None:
    """Doors open by themselves, and every receipt that waited is written, once."""
    assert until(lambda: _ledger(router)["ok"] is True, OPEN_AGAIN_S)
    assert until(lambda: _hosted(router).status == 200, 3)
    assert until(lambda: len(records(router.home, "receipt")) >= receipts, 3)
    ids = [one["request_id"] for one in records(router.home, "receipt")]
    assert len(ids) == len(set(ids))
    assert until(lambda: open_intents(router.home) == 0, 3)
    assert verify(router.home).ok
    assert router.output().count(b"The ledger is open.") >= 2


CARRIED_S = 0.2
"""More than intents stay in the journal before the chain is to have them, which is when a lock is noticed."""


def _receipts(router: Router) -> int:
    """How many there are, once none waits any more."""
    assert until(lambda: _ledger(router)["unwritten"] == 0 and open_intents(router.home) == 0)
    time.sleep(0.1)
    return len(records(router.home, "receipt"))


@pytest.mark.slow
def test_a_full_disk(disk: Disk, router: Router, openai_tap: Tap) -> None:
    """Full while a hosted stream runs: it ends well, later ones are refused; with space again all is written."""
    before = _receipts(router)
    openai_tap.script(Behaviour(chunk_delay_s=0.2))
    with Stream(router, ask("mini", stream=True)) as stream:
        assert stream.read()
        disk.fill()
        assert stream.rest().endswith(b"data: [DONE]\n\n")
    assert until(lambda: _ledger(router)["ok"] is False)
    _closed(router, openai_tap, Fault.FULL)
    disk.free()
    _open_again(router, before + 11)
    assert router.stop() == 0


@pytest.mark.slow
def test_a_disk_that_stays_full_to_the_end(disk: Disk, router: Router) -> None:
    """Stopped while nothing can be written: the exit code and the last line say that records are missing."""
    disk.fill()
    assert until(lambda: _auto(router).headers["x-localfleet-tier"] == "local")
    assert router.stop() == 1
    assert b"some records could not be written" in router.output()
    disk.free()
    router.restart()
    assert until(lambda: _hosted(router).status == 200)
    assert verify(router.home).ok


@pytest.mark.slow
def test_a_disk_that_turns_read_only(disk: Disk, router: Router, openai_tap: Tap) -> None:
    """
    Found read-only at a start, as after an I/O error, and remounted for writing later.

    A kernel asked nicely does not take a disk from under open files, so the router is stopped for the remount.
    """
    before = _receipts(router)
    assert router.stop() == 0
    assert disk.remount("ro")
    router.restart()
    assert router.get("/v1/models").status == 200
    _closed(router, openai_tap, Fault.UNWRITABLE)
    assert disk.remount("rw")
    _open_again(router, before + 11)


@pytest.mark.slow
def test_a_database_that_somebody_holds(router: Router, openai_tap: Tap) -> None:
    """
    Another process keeps the write lock: local requests never wait.

    A hosted one goes out while nobody has noticed, for its intent is in the journal; later ones give up after a few
    seconds.
    """
    before = _receipts(router)
    with contextlib.closing(sqlite3.connect(router.home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        unnoticed = _auto(router)
        assert (unnoticed.status, unnoticed.headers["x-localfleet-tier"]) == (200, "low_cost")
        assert unnoticed.headers["x-localfleet-request-id"] in {
            one["request_id"] for one in records(router.home, "intent")
        }
        time.sleep(CARRIED_S)
        began = time.monotonic()
        first = _auto(router)
        assert (first.status, first.headers["x-localfleet-tier"]) == (200, "local")
        assert first.headers["x-localfleet-reason"] == "ledger_closed"
        assert time.monotonic() - began < 4
        began = time.monotonic()
        _closed(router, openai_tap, Fault.LOCKED)
        assert time.monotonic() - began < 2
        other.execute("ROLLBACK")
    _open_again(router, before + 12)


@pytest.mark.slow
def test_a_deadline_holds_while_the_database_is_held(router: Router, openai_tap: Tap) -> None:
    """Waiting for the ledger counts: the caller gets its 504 or a local answer in time."""
    with contextlib.closing(sqlite3.connect(router.home / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert _auto(router).status == 200
        time.sleep(CARRIED_S)
        calls = len(openai_tap.posts())
        began = time.monotonic()
        answer = router.post(CHAT, ask("mini"), {"x-localfleet-deadline-ms": "500"})
        assert time.monotonic() - began < 0.8
        assert answer.status in {503, 504}
        assert len(openai_tap.posts()) == calls
        other.execute("ROLLBACK")


@pytest.mark.slow
def test_a_state_folder_that_is_taken_away(router: Router, openai_tap: Tap) -> None:
    """Moved aside while running: closed, and nothing is made in its place; put back: open, nothing lost."""
    before = _receipts(router)
    away = router.home.with_name("away")
    router.home.rename(away)
    assert until(lambda: _auto(router).headers["x-localfleet-tier"] == "local")
    _closed(router, openai_tap, Fault.GONE)
    assert not router.home.exists()
    away.rename(router.home)
    _open_again(router, before + 11)


@pytest.mark.slow
def test_a_state_folder_that_is_deleted(router: Router) -> None:
    """Gone for good: the box answers until somebody restarts the router, which begins a new ledger."""
    for file in router.home.iterdir():
        file.unlink()
    router.home.rmdir()
    assert until(lambda: _auto(router).headers["x-localfleet-tier"] == "local")
    assert (_hosted(router).status, _auto(router).status) == (503, 200)
    assert _ledger(router)["why"] == Fault.GONE.value
    assert router.stop() == 1
    router.restart()
    assert until(lambda: _hosted(router).status == 200)


@pytest.mark.slow
def test_a_damaged_file_at_start(router: Router, openai_tap: Tap) -> None:
    """The router starts, answers from the box, says what to do, and leaves the file exactly as it was."""
    assert router.stop() == 0
    file = router.home / "ledger.db"
    good = file.read_bytes()
    bad = good[:4096] + b"\x5a" * (len(good) - 4096)
    file.write_bytes(bad)
    router.restart()
    _closed(router, openai_tap, Fault.DAMAGED)
    assert file.read_bytes() == bad
    assert b"audit verify" in router.output()
    assert router.stop() == 1
    assert file.read_bytes() == bad
    file.write_bytes(good)
    router.restart()
    assert until(lambda: _hosted(router).status == 200)
    assert verify(router.home).ok


@pytest.mark.slow
def test_something_else_in_the_place_of_the_file(router: Router, openai_tap: Tap) -> None:
    """A file that is no database at all is left alone in the same way."""
    assert router.stop() == 0
    (router.home / "ledger.db").write_bytes(b"this is a letter, not a ledger\n" * 500)
    router.restart()
    _closed(router, openai_tap, Fault.DAMAGED)
    assert (router.home / "ledger.db").read_bytes().startswith(b"this is a letter")
    assert router.stop() == 1


@pytest.mark.slow
def test_keys_hold_on_a_disk_that_only_reads(disk: Disk, router: Router) -> None:
    """Found read-only at a start: callers with a key are served by the box, others are not."""
    _, token = create_key(router.home, name="app", label=Label.INTERNAL, at=time.time())
    key = {"authorization": f"Bearer {token}"}
    assert until(lambda: router.get("/v1/models").status == 401)
    assert until(lambda: (router.home / "keys.copy").read_bytes().count(b"digest") == 1)
    assert router.stop() == 0
    assert disk.remount("ro")
    router.restart()
    assert router.post(CHAT, ask("auto"), key).headers["x-localfleet-tier"] == "local"
    assert (router.post(CHAT, ask("auto")).status, router.post(CHAT, ask("mini"), key).status) == (401, 503)
    assert disk.remount("rw")
