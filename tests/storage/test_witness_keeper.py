"""Heads leave while the ledger works: it never waits for them, no backlog grows, and what is wrong is said."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest
from ledger_rig import Clock, intent, receipt, sql, until
from receivers import answers, listening, says_nothing

from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.note import Note, read_notes
from localfleet.storage.secret import read_secret
from localfleet.storage.verify import verify
from localfleet.witness.courier import Courier
from localfleet.witness.keeper import Keeper
from localfleet.witness.places import FilePlace, Place, WebhookPlace


@dataclass
class Shelf:
    """A place in memory that takes a head once it is let, and counts how often it was asked."""

    name: str = "shelf"
    held: list[Note] = field(default_factory=list)
    tries: int = 0
    open: Event = field(default_factory=Event)
    broken: bool = False

    def deliver(self, note: Note, timeout_s: float) -> None:
        """Block until let, as a hanging mount does; or fail."""
        self.tries += 1
        if self.broken:
            raise FileNotFoundError
        self.open.wait(5)
        self.held.append(note)


def _keeper(home: Path, *places: Place, every_s: float = 0.05) -> Keeper:
    couriers = [Courier(place, timeout_s=0.5, back_off_s=(0.05, 0.1)) for place in places]
    return Keeper(home, read_secret(home), couriers, every_s=every_s, now=time.time, monotonic=time.monotonic)


def _write(ledger: SqliteLedger, first: int, count: int) -> None:
    before = len(sql(ledger.home, "SELECT seq FROM chain"))
    for number in range(first, first + count):
        ledger.settle(receipt(number))
    assert until(lambda: len(sql(ledger.home, "SELECT seq FROM chain")) == before + count)


def test_heads_follow_the_chain_and_vouch_for_it(ledger: SqliteLedger, tmp_path: Path) -> None:
    """While it grows, and a last one at the end; `verify` finds each of them in the chain."""
    file = tmp_path / "heads"
    keeper = _keeper(ledger.home, FilePlace(path=file))
    keeper.begin()
    _write(ledger, 0, 700)
    assert until(lambda: file.exists() and any(note.seq == 700 for note in read_notes(file.read_text())))
    _write(ledger, 700, 5)
    keeper.end()
    notes = list(read_notes(file.read_text()))
    assert notes[-1].seq == 705
    assert [note.seq for note in notes] == sorted({note.seq for note in notes})
    result = verify(ledger.home, notes=notes)
    assert (result.ok, result.covered, {head.state for head in result.heads}) == (True, 705, {"matches"})


def test_a_restart_goes_on_with_the_tree_it_had(ledger: SqliteLedger, tmp_path: Path) -> None:
    """The second keeper reads from where the first ended, and its heads fit the whole chain."""
    file = tmp_path / "heads"
    for first in (0, 30, 60):
        keeper = _keeper(ledger.home, FilePlace(path=file))
        keeper.begin()
        _write(ledger, first, 30)
        keeper.end()
    notes = list(read_notes(file.read_text()))
    assert {30, 60, 90} <= {note.seq for note in notes}
    assert verify(ledger.home, notes=notes).ok
    (ledger.home / "ledger.tree").write_text('{"size": 3}')
    _write(ledger, 90, 1)
    anew = _keeper(ledger.home, FilePlace(path=file))
    anew.begin()
    anew.end()
    assert verify(ledger.home, notes=read_notes(file.read_text())).covered == 91


def test_the_ledger_never_waits_for_a_place_that_hangs(ledger: SqliteLedger) -> None:
    """With a mount that blocks, a server that is silent and one that is gone, intents are as quick as ever."""
    shelf = Shelf()
    with listening(says_nothing) as web:
        silent, gone = WebhookPlace(url=f"http://{web.at}/"), WebhookPlace(url="http://127.0.0.1:1/", name="gone")
        keeper = _keeper(ledger.home, shelf, silent, gone)
        keeper.begin()
        started = time.monotonic()
        for number in range(100):
            asyncio.run(ledger.intend(intent(number)))
        assert time.monotonic() - started < 5
        assert until(lambda: all(not row["ok"] for row in keeper.states() if row["place"] != "shelf"))
        shelf.open.set()
        ended = time.monotonic()
        keeper.end(2)
        assert time.monotonic() - ended < 4


@pytest.mark.slow
def test_only_the_newest_head_waits(ledger: SqliteLedger) -> None:
    """However long a place is away, it gets one head when it comes back, and that one vouches for all."""
    shelf = Shelf()
    keeper = _keeper(ledger.home, shelf)
    keeper.begin()
    for first in range(0, 100, 10):
        _write(ledger, first, 10)
        time.sleep(0.1)
    (row,) = keeper.states()
    assert (row["seq"], row["waiting"]) == (0, 100)
    shelf.open.set()
    assert until(lambda: keeper.states()[0]["seq"] == 100)
    keeper.end()
    assert len(shelf.held) <= 3
    assert shelf.held[-1].seq == 100


def test_a_place_that_fails_is_told_once_and_tried_again(
    ledger: SqliteLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """One line when it begins and one when it is over, whatever the number of tries between."""
    caplog.set_level(logging.INFO, "localfleet.heads")
    shelf = Shelf(broken=True)
    shelf.open.set()
    keeper = _keeper(ledger.home, shelf)
    keeper.begin()
    _write(ledger, 0, 1)
    assert until(lambda: shelf.tries > 3)
    assert keeper.states() == [
        {"place": "shelf", "ok": False, "why": "its folder or socket is not there", "seq": 0, "waiting": 1}
    ]
    shelf.broken = False
    assert until(lambda: keeper.states() == [{"place": "shelf", "ok": True, "why": "", "seq": 1, "waiting": None}])
    keeper.end()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "Heads of the ledger do not reach `audit.shelf`: its folder or socket is not there.",
        "Heads of the ledger reach `audit.shelf` again.",
    ]


def test_an_older_ledger_put_in_place_is_noticed(home: Path, tmp_path: Path) -> None:
    """At the start the tree knows a record that the ledger does not hold, though `ledger.head` was put back as well."""
    for round_ in (0, 1):
        ledger = SqliteLedger(home, clock=Clock())
        if round_ == 1:
            older = {name: (home / name).read_bytes() for name in ("ledger.db", "ledger.head")}
        keeper = _keeper(home, FilePlace(path=tmp_path / "heads"))
        keeper.begin()
        _write(ledger, round_ * 10, 10)
        keeper.stand_aside()
        assert ledger.close()
        keeper.end()
    for name, content in older.items():
        (home / name).write_bytes(content)
    for extra in ("ledger.db-wal", "ledger.db-shm"):
        (home / extra).unlink(missing_ok=True)
    late = _keeper(home, FilePlace(path=tmp_path / "heads"))
    late.begin()
    assert until(lambda: "older or another one" in late.states()[0]["why"])
    late.end()
    result = verify(home, notes=read_notes((tmp_path / "heads").read_text()))
    assert result.first_bad is not None
    assert "the end is missing" in result.first_bad[1]


def test_the_ledger_is_the_last_to_leave_its_file(home: Path, tmp_path: Path) -> None:
    """A reader that stayed would keep the newest records in the log beside it, where a plain copy misses them."""
    ledger = SqliteLedger(home, clock=Clock())
    keeper = _keeper(home, FilePlace(path=tmp_path / "heads"))
    keeper.begin()
    _write(ledger, 0, 50)
    keeper.stand_aside()
    assert ledger.close()
    alone = tmp_path / "copy"
    alone.mkdir()
    (alone / "ledger.db").write_bytes((home / "ledger.db").read_bytes())
    assert len(sql(alone, "SELECT seq FROM chain")) == 50
    keeper.end()
    assert list(read_notes((tmp_path / "heads").read_text()))[-1].seq == 50


def test_to_stand_aside_is_to_wait_for_the_look_under_way(ledger: SqliteLedger) -> None:
    """The ledger may close only when the last read is over; after that nothing is read until the end."""
    shelf = Shelf()
    shelf.open.set()
    keeper = _keeper(ledger.home, shelf)
    keeper.begin()
    _write(ledger, 0, 5)
    assert until(lambda: keeper.states()[0]["seq"] == 5)
    with keeper._reading:
        asked = Thread(target=keeper.stand_aside)
        asked.start()
        asked.join(0.2)
        assert asked.is_alive()
    asked.join(2)
    assert not asked.is_alive()
    _write(ledger, 5, 5)
    time.sleep(0.3)
    assert keeper.states()[0]["seq"] == 5
    keeper.end()
    assert keeper.states()[0]["seq"] == 10


def test_without_places_nothing_runs(ledger: SqliteLedger) -> None:
    """The usual router has no thread more, and no file more."""
    keeper = _keeper(ledger.home)
    keeper.begin()
    _write(ledger, 0, 1)
    keeper.end()
    assert not keeper.is_alive()
    assert not (ledger.home / "ledger.tree").exists()


def test_a_webhook_gets_every_head_in_order() -> None:
    """Over a real socket, through a courier of its own."""
    with listening(answers(b"200 OK")) as web:
        courier = Courier(WebhookPlace(url=f"http://{web.at}/"), timeout_s=1)
        courier.start()
        for seq in (1, 2, 3):
            courier.post(Note(origin="o", seq=seq, hash=bytes(32), root=bytes(32), at=1.0))
            assert until(lambda wanted=seq: courier.state.seq == wanted)  # type: ignore[misc]  # bound at once
        courier.close()
        courier.join(2)
    assert len(web.got) == 3
