"""Tampering of every kind is found, and the first record that does not fit is named."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import pytest
from ledger_rig import Clock, intent, receipt, sql

from localfleet.core.label import Label
from localfleet.errors import FleetError
from localfleet.storage.chain import Link
from localfleet.storage.keys import create_key, revoke_key
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.verify import verify

_RECEIPTS = 30
_INTENT = _RECEIPTS + 1
_KEY = _RECEIPTS + 2


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty receipts, one open intent, one key with its revocation, and one more key. Nobody changes it."""
    home = tmp_path_factory.mktemp("kept") / "state"
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(_RECEIPTS):
        ledger.settle(receipt(number, cost_usd=Decimal(number) / 1000))
    while len(sql(home, "SELECT seq FROM receipts")) < _RECEIPTS:
        time.sleep(0.01)
    asyncio.run(ledger.intend(intent(99)))
    ledger.close()
    key, _ = create_key(home, name="app", label=Label.INTERNAL, at=1.0)
    revoke_key(home, key.id, at=2.0)
    create_key(home, name="batch", label=Label.RESTRICTED, at=3.0, models=frozenset({"small"}), plan="free")
    return home


@pytest.fixture
def written(kept: Path, home: Path) -> Path:
    """A copy of it, whole as it is."""
    copytree(kept, home)
    assert verify(home).ok
    return home


def _swap(home: Path) -> None:
    sql(home, "UPDATE chain SET seq = -seq WHERE seq IN (7, 8)")
    sql(home, "UPDATE chain SET seq = 15 + seq WHERE seq < 0")


def _close_gap(home: Path) -> None:
    sql(home, "DELETE FROM chain WHERE seq = 7")
    sql(home, "UPDATE chain SET seq = -seq WHERE seq > 7")
    sql(home, "UPDATE chain SET seq = -seq - 1 WHERE seq < 0")


def _repeat(home: Path) -> None:
    sql(home, "UPDATE chain SET seq = -seq WHERE seq > 7")
    sql(home, "UPDATE chain SET seq = 1 - seq WHERE seq < 0")
    sql(home, "INSERT INTO chain SELECT 8, kind, body, hash FROM chain WHERE seq = 7")


def _forge(home: Path) -> None:
    sql(home, "INSERT INTO chain SELECT max(seq) + 1, kind, body, hash FROM chain")


def _run(statement: str) -> Callable[[Path], None]:
    def tamper(home: Path) -> None:
        sql(home, statement)

    return tamper


_TAMPERINGS: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "edited body": (_run("UPDATE chain SET body = replace(body, '0.006', '0.001') WHERE seq = 7"), 7, "edited"),
    "edited kind": (_run("UPDATE chain SET kind = 'intent' WHERE seq = 7"), 7, "edited"),
    "edited hash": (_run("UPDATE chain SET hash = zeroblob(32) WHERE seq = 7"), 7, "edited"),
    "body as bytes": (_run("UPDATE chain SET body = CAST(body AS BLOB) WHERE seq = 7"), 7, "edited"),
    "deleted first": (_run("DELETE FROM chain WHERE seq = 1"), 1, "missing"),
    "deleted in the middle": (_run("DELETE FROM chain WHERE seq = 7"), 7, "missing"),
    "closed gap": (_close_gap, 7, "edited, moved"),
    "reordered": (_swap, 7, "edited, moved"),
    "cut off end": (_run("DELETE FROM chain WHERE seq > 33"), 34, "end is missing"),
    "emptied": (_run("DELETE FROM chain"), 1, "never recorded"),
    "a record twice": (_repeat, 8, "edited, moved"),
    "a byte of a seal": (
        _run(
            "UPDATE chain SET hash = CAST(CASE WHEN substr(hash, 1, 1) = x'00' THEN x'01' ELSE x'00' END"
            " || substr(hash, 2) AS BLOB) WHERE seq = 7"
        ),
        7,
        "edited",
    ),
    "a seal that is no bytes": (_run("UPDATE chain SET hash = CAST(hash AS TEXT) WHERE seq = 7"), 7, "damaged here"),
    "all records but the first cut off": (_run("DELETE FROM chain WHERE seq > 1"), 2, "never recorded"),
    "forged end": (_forge, 35, "edited, moved or put in"),
    "edited cost in the table": (_run("UPDATE receipts SET cost_pico = 0 WHERE seq = 7"), 7, "row in the table"),
    "edited label in the table": (_run("UPDATE receipts SET label = 0 WHERE seq = 9"), 9, "row in the table"),
    "row deleted from the table": (_run("DELETE FROM receipts WHERE seq = 7"), 7, "missing"),
    "last row deleted": (_run("DELETE FROM receipts WHERE seq = 30"), 30, "missing"),
    "row put into the table": (
        _run(
            "INSERT INTO receipts (seq, request_id, at, key_id, label, outcome, attempts) VALUES (31,'r',1,'k',0,'a',0)"
        ),
        31,
        "never recorded",
    ),
    "row moved in the table": (_run("UPDATE receipts SET seq = 1000 WHERE seq = 7"), 7, "missing"),
    "open intent deleted": (_run("DELETE FROM intents"), _INTENT, "open intents"),
    "open intent edited": (_run("UPDATE intents SET worst_usd = '0'"), _INTENT, "open intents"),
    "key lowered": (_run("UPDATE keys SET label = 0 WHERE name = 'batch'"), _KEY + 2, "table of keys"),
    "key widened": (_run("UPDATE keys SET models = NULL WHERE name = 'batch'"), _KEY + 2, "table of keys"),
    "key revived": (_run("UPDATE keys SET revoked_at = NULL WHERE name = 'app'"), _KEY + 1, "table of keys"),
    "key deleted": (_run("DELETE FROM keys WHERE name = 'batch'"), _KEY + 2, "table of keys"),
}


@pytest.mark.parametrize("name", _TAMPERINGS)
def test_tampering_is_found_and_the_first_bad_record_named(written: Path, name: str) -> None:
    """Each kind of tampering ends the walk at the record it touched first."""
    tamper, seq, why = _TAMPERINGS[name]
    tamper(written)
    result = verify(written)
    assert not result.ok
    assert result.first_bad is not None
    assert result.first_bad[0] == seq
    assert why in result.first_bad[1]


def test_rows_of_another_router_do_not_fit(written: Path, tmp_path: Path) -> None:
    """Two routers' records of the same number, swapped: each chain breaks there, for the seals have other keys."""
    other = tmp_path / "other"
    ledger = SqliteLedger(other, clock=Clock())
    for number in range(_RECEIPTS):
        ledger.settle(receipt(number))
    assert ledger.close()
    rows = {home: sql(home, "SELECT kind, body, hash FROM chain WHERE seq = 7")[0] for home in (written, other)}
    for home, row in zip((other, written), rows.values(), strict=True):
        sql(home, "UPDATE chain SET kind = ?, body = ?, hash = ? WHERE seq = 7", *row)
        result = verify(home)
        assert result.first_bad is not None
        assert result.first_bad[0] == 7


def test_a_replaced_secret_is_found_at_the_first_record(written: Path) -> None:
    """Nothing that was sealed with the old one fits; with `ledger.head` left in place that is what shows first."""
    (written / "secret.key").write_bytes(bytes(range(32)))
    with_head = verify(written)
    assert with_head.first_bad == (0, "ledger.head was edited or is not of this ledger")
    (written / "ledger.head").unlink()
    without = verify(written)
    assert without.first_bad is not None
    assert without.first_bad[0] == 1


def test_a_key_put_in_without_a_record_is_found(written: Path) -> None:
    """A row in the table of keys that no record made is not taken for a key by the auditor."""
    sql(written, "INSERT INTO keys (id, digest, name, label, created_at) VALUES ('ffffffff', zeroblob(32), 'x', 0, 1)")
    result = verify(written)
    assert result.first_bad is not None
    assert "table of keys" in result.first_bad[1]


def test_a_head_edited_to_fit_a_cut_off_ledger_is_found(written: Path) -> None:
    """The head carries its own seal, so it cannot be moved back without the key."""
    (seq, body) = sql(written, "SELECT seq, hex(hash) FROM chain WHERE seq = 33")[0]
    (written / "ledger.head").write_text(f'{{"seq": {seq}, "hash": "{body.lower()}", "seal": "00"}}')
    sql(written, "DELETE FROM chain WHERE seq > 33")
    result = verify(written)
    assert result.first_bad is not None
    assert "ledger.head was edited" in result.first_bad[1]


def test_an_anchor_kept_elsewhere_finds_an_older_copy_of_everything(written: Path) -> None:
    """Where file and head are both put back to an older state, only a link noted elsewhere tells."""
    before = verify(written)
    older = [(path, path.read_bytes()) for path in (written / "ledger.db", written / "ledger.head")]
    create_key(written, name="late", label=Label.PUBLIC, at=9.0)
    noted = verify(written, anchor=Link(before.last_seq, bytes.fromhex(before.last_hash)))
    assert noted.ok
    assert noted.last_seq == before.last_seq + 1
    for path, content in older:
        path.write_bytes(content)
    assert verify(written).ok
    result = verify(written, anchor=Link(noted.last_seq, bytes.fromhex(noted.last_hash)))
    assert result.first_bad == (noted.last_seq, "the end is missing: the noted anchor names a later record")


def test_an_anchor_finds_a_chain_rewritten_with_the_key(written: Path) -> None:
    """Who has the key can write another history; it does not hold the noted link."""
    result = verify(written, anchor=Link(5, bytes(32)))
    assert result.first_bad == (5, "the record is not the one that the noted anchor names")


def test_verify_walks_a_ledger_in_use(ledger: SqliteLedger) -> None:
    """While the router writes, verify sees one moment and finds nothing."""
    for number in range(3000):
        ledger.settle(receipt(number))
        if number % 1000 == 0:
            assert verify(ledger.home).ok


def test_verify_without_a_ledger_says_so(home: Path) -> None:
    """No secret, no ledger: an error with a next step, not a clean bill."""
    with pytest.raises(FleetError):
        verify(home)


@pytest.mark.slow
def test_a_hundred_thousand_records_take_seconds(home: Path) -> None:
    """Verification streams: 100,000 records within 30 s even on a busy machine (2 to 3 s on a quiet one)."""
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(100_000):
        ledger.settle(receipt(number))
    ledger.close(60)
    start = time.monotonic()
    result = verify(home)
    assert result.ok
    assert result.records == 100_000
    assert time.monotonic() - start < 30
