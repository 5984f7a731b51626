"""The journal: an intent is durable in it at once, in the chain soon after, and counted once, whatever happens."""

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rig import SRC, Clock, durable_intents, intent, receipt, sql, until
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.storage.egress import Span, left, prove
from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.journal import JOURNAL_FILE, SIZE, Journal, read_journal
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.report import recent
from localfleet.storage.verify import verify

KEY = b"k" * 32
ALWAYS = Span(since=0, until=float("inf"))
_HOST = "api.example.com:443"

_INTEND_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from ledger_rig import Clock, intent
from localfleet.storage.ledger import SqliteLedger

ledger = SqliteLedger(Path(sys.argv[1]), clock=Clock())
asyncio.run(ledger.intend(intent(1, attempt=0, host="api.example.com:443")))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one."""
    return Journal(tmp_path, KEY)


def test_what_is_appended_is_there(journal: Journal, tmp_path: Path) -> None:
    """In order, with the number it was begun at, however often it was appended to; for its owner's eyes only."""
    journal.append([b"a", b"b"], seq=7)
    journal.append([b"c"], seq=9)
    assert read_journal(tmp_path, KEY) == (7, [b"a", b"b", b"c"])
    assert read_journal(tmp_path, b"x" * 32) == (7, [])
    assert (tmp_path / JOURNAL_FILE).stat().st_mode & 0o777 == 0o600
    assert read_journal(tmp_path / "none", KEY) == (0, [])


@given(
    older=st.lists(st.binary(min_size=1, max_size=90), max_size=5), newer=st.lists(st.binary(min_size=1), max_size=5)
)
def test_what_was_begun_anew_hides_what_is_older(
    tmp_path_factory: pytest.TempPathFactory, older: list[bytes], newer: list[bytes]
) -> None:
    """Records of an earlier round that still lie behind the newer ones are not taken for more of them."""
    home = tmp_path_factory.mktemp("home")
    journal = Journal(home, KEY)
    journal.append(older, seq=1)
    journal.clear()
    assert read_journal(home, KEY)[1] == []
    journal.append(newer, seq=1)
    assert read_journal(home, KEY)[1] == newer
    journal.close()


def test_a_record_half_written_is_none(journal: Journal, tmp_path: Path) -> None:
    """A machine that stopped in the middle of a write, at any byte: the records before it hold, and it does not."""
    journal.append([b"first"], seq=1)
    head = 16 + 4 + 32
    start = head + len(b"first")
    journal.append([b"second"], seq=1)
    whole = (tmp_path / JOURNAL_FILE).read_bytes()
    end = start + head + len(b"second")
    for cut in range(start, end):
        (tmp_path / JOURNAL_FILE).write_bytes(whole[:cut] + bytes(len(whole) - cut))
        assert read_journal(tmp_path, KEY) == (1, [b"first"])
        (tmp_path / JOURNAL_FILE).write_bytes(whole[:cut])
        assert read_journal(tmp_path, KEY) == (1, [b"first"])
    for at in range(end):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        (tmp_path / JOURNAL_FILE).write_bytes(flipped)
        assert read_journal(tmp_path, KEY)[1] in ([], [b"first"])


def test_its_size_never_changes(journal: Journal, tmp_path: Path) -> None:
    """Full is full, so an intent needs no room on the disk; and what is full says so before."""
    assert journal.takes([bytes(SIZE - 52)])
    assert not journal.takes([bytes(SIZE - 51)])
    assert not journal.takes([b"a"] * (SIZE // 52))
    journal.append([b"x" * (SIZE - 52)], seq=1)
    assert not journal.takes([b""])
    assert (tmp_path / JOURNAL_FILE).stat().st_size == SIZE
    assert len(read_journal(tmp_path, KEY)[1]) == 1


def test_a_journal_in_another_place_takes_nothing(journal: Journal, tmp_path: Path) -> None:
    """What was removed or replaced would not be found again."""
    (tmp_path / JOURNAL_FILE).rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        journal.append([b"a"], seq=1)
    shutil.copy(tmp_path / "moved", tmp_path / JOURNAL_FILE)
    with pytest.raises(LedgerFault):
        journal.append([b"a"], seq=1)


def test_a_killed_router_s_intent_is_evidence_before_and_after_the_next_start(home: Path) -> None:
    """`audit left` and `audit prove` see it in the journal; the start puts it in the chain, once, and settles it."""
    env = {"PYTHONPATH": f"{SRC}:{Path(__file__).parent}"}
    died = subprocess.run([sys.executable, "-c", _INTEND_AND_DIE, str(home)], env=env, check=False)
    assert died.returncode == -signal.SIGKILL
    for start in range(3):
        assert durable_intents(home) == ["req-1"]
        (row,) = left(home, ALWAYS)
        assert (row.host, row.attempts) == (_HOST, 1)
        assert prove(home, _HOST, ALWAYS, Label.PUBLIC).answer == "refuted"
        assert prove(home, _HOST, ALWAYS, Label.RESTRICTED).answer == "proven"
        found = verify(home)
        assert (found.ok, found.waiting) == (True, int(start == 0))
        assert [line.outcome for line in recent(home)] == [Reason.UNKNOWN_AFTER_RESTART] * (start > 0)
        SqliteLedger(home, clock=Clock()).close()


def test_the_auditor_s_commands_say_what_only_the_journal_holds(home: Path, tmp_path: Path) -> None:
    """`verify`, `prove` and `export` name the intents that the chain lacks (here for a lock), until it has them."""
    words = "2 intents in the journal are not in the chain yet"
    prove_it = ("prove", "--host", _HOST, "--from", "2026-01-01", "--label", "public")
    ledger = SqliteLedger(home, clock=Clock())
    with closing(sqlite3.connect(home / "ledger.db", timeout=5)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in (1, 2):
            asyncio.run(ledger.intend(intent(number, attempt=0, host=_HOST)))
        assert words in _audit(home, "verify")
        assert json.loads(_audit(home, "verify", "--json"))["waiting"] == 2
        assert "refuted: 2 attempts" in _audit(home, *prove_it)
        assert words in _audit(home, *prove_it)
        assert words in _audit(home, "export", str(tmp_path / "export"))
        other.rollback()
    assert until(lambda: verify(home).waiting == 0)
    for command in (("verify",), prove_it, ("export", str(tmp_path / "again"))):
        assert "journal" not in _audit(home, *command)
    assert ledger.close()


def _audit(home: Path, *words: str) -> str:
    done = CliRunner().invoke(build_cli("audit"), ["audit", *words], env={"LOCALFLEET_HOME": str(home)})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.stdout


def test_a_journal_that_cannot_be_read_is_no_proof(home: Path) -> None:
    """Nobody knows what it holds, so nothing is said of what left; the sentence is one of the ledger's own."""
    SqliteLedger(home, clock=Clock()).close()
    (home / JOURNAL_FILE).unlink()
    (home / JOURNAL_FILE).mkdir()
    with pytest.raises(LedgerFault) as told:
        prove(home, _HOST, ALWAYS, Label.RESTRICTED)
    assert told.value.message == Fault.DISK.value


def test_an_older_journal_adds_nothing(home: Path) -> None:
    """One that lies there again after its intents reached the chain (a flush that never came) counts nothing twice."""
    ledger = SqliteLedger(home, clock=Clock())
    asyncio.run(ledger.intend(intent(1)))
    older = (home / JOURNAL_FILE).read_bytes()
    ledger.settle(receipt(1))
    assert ledger.close()
    (home / JOURNAL_FILE).write_bytes(older)
    SqliteLedger(home, clock=Clock()).close()
    assert durable_intents(home) == ["req-1"]
    assert len(recent(home)) == 1
    assert verify(home).ok


def test_an_intent_and_its_receipt_in_one_commit_leave_nothing_open(home: Path) -> None:
    """The table of open intents is for those whose receipt has not come."""
    ledger = SqliteLedger(home, clock=Clock())
    asyncio.run(ledger.intend(intent(1)))
    asyncio.run(ledger.intend(intent(2)))
    ledger.settle(receipt(1))
    assert until(lambda: sql(home, "SELECT request_id FROM intents") == [("req-2",)])
    ledger.settle(receipt(2))
    assert until(lambda: sql(home, "SELECT request_id FROM intents") == [])
    assert ledger.close()
    assert verify(home).ok


def test_a_ledger_that_is_locked_takes_no_more_and_loses_none(home: Path) -> None:
    """What the journal took before the lock was noticed is kept for the chain; from then on intents are refused."""
    ledger = SqliteLedger(home, clock=Clock())
    with closing(sqlite3.connect(home / "ledger.db", timeout=5)) as other:
        other.execute("BEGIN IMMEDIATE")
        asyncio.run(ledger.intend(intent(1)))
        assert until(lambda: ledger.health.why == Fault.LOCKED.value, 5)
        with pytest.raises(LedgerFault):
            asyncio.run(ledger.intend(intent(2)))
        assert sql(home, "SELECT count(*) FROM chain") == [(0,)]
        assert durable_intents(home) == ["req-1"]
        other.rollback()
    assert until(lambda: ledger.health.ok, 10)
    assert until(lambda: sql(home, "SELECT request_id FROM intents") == [("req-1",)])
    assert ledger.close()
    assert verify(home).ok


def test_a_full_journal_waits_for_the_commit(home: Path) -> None:
    """More intents at once than it holds: the rest is committed with them, and all are durable."""
    ledger = SqliteLedger(home, clock=Clock())
    many = 2 * SIZE // 300

    async def together() -> None:
        await asyncio.gather(*(ledger.intend(intent(number)) for number in range(many)))

    asyncio.run(together())
    assert len(set(durable_intents(home))) == many
    assert ledger.close()
    assert sql(home, "SELECT count(*) FROM intents") == [(many,)]
    assert (home / JOURNAL_FILE).stat().st_size == SIZE
