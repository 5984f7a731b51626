"""The ledger as traffic: request by request, sums by model, a million receipts in bounded memory."""

import sqlite3
import time
import tracemalloc
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import AT, Clock, receipt

from localfleet.core.label import Label
from localfleet.core.usage import Usage
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.traffic import served, worked

MANY = 1_000_000


def test_requests_come_in_the_order_of_time(tmp_path: Path) -> None:
    """As recorded, with the label's bar; requests without tokens and of other times are left out."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    late = Usage(input_tokens=100, output_tokens=7, cache_read_tokens=40)
    ledger.settle(receipt(1, at=AT + 9, usage=late, model="mini", tier="low_cost", cost_usd=Decimal("0.25")))
    ledger.settle(receipt(2, at=AT + 3, label=Label.RESTRICTED))
    ledger.settle(receipt(3, at=AT + 4, usage=None))
    ledger.settle(receipt(4, at=AT + 99))
    guess = Usage(input_tokens=999, output_tokens=999, measured=False)
    ledger.settle(receipt(5, at=AT + 10, usage=guess, model="mini", tier="low_cost"))
    assert ledger.close()
    first, second, _ = served(tmp_path, since=AT, until=AT + 50)
    assert (first.at_s, first.restricted, first.local, first.input_tokens) == (AT + 3, 1, 1, 100)
    assert (second.cache_read_tokens, second.model, second.local, second.output_tokens) == (40, "mini", 0, 7)
    mini, small = worked(tmp_path, since=AT, until=AT + 50)
    assert (mini.model, mini.requests, mini.estimated, mini.input_tokens) == ("mini", 2, 1, 100)
    assert (mini.cache_read_tokens, mini.usd) == (40, Decimal("0.25"))
    assert (small.requests, small.output_tokens) == (2, 20)


def test_no_ledger_is_no_traffic(tmp_path: Path) -> None:
    """Before the first start there is nothing, and no error."""
    assert list(served(tmp_path, since=0, until=AT)) == []
    assert worked(tmp_path, since=0, until=AT) == []


@pytest.mark.slow
def test_a_million_receipts_take_seconds_and_no_memory(tmp_path: Path) -> None:
    """Sums by model, and every request read once, within five seconds of processor time and a few megabytes."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    ledger.settle(receipt(1))
    assert ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw:
        columns = [
            row[1] for row in raw.execute("PRAGMA table_info(receipts)") if row[1] not in {"seq", "request_id", "at"}
        ]
        raw.execute(
            f"INSERT INTO receipts (seq, request_id, at, {', '.join(columns)}) "
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"SELECT 1000 + i, 'r' || i, at + i * 0.5, {', '.join(columns)} FROM n, receipts WHERE seq < 1000",
            (MANY,),
        )
        raw.commit()
    began = time.process_time()
    (small,) = worked(tmp_path, since=0, until=AT + MANY)
    assert small.requests == MANY + 1
    summed_s = time.process_time() - began
    tracemalloc.start()
    began, many, tokens = time.process_time(), 0, 0
    for each in served(tmp_path, since=0, until=AT + MANY):
        many += 1
        tokens += each.input_tokens
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (many, tokens) == (MANY + 1, 100 * (MANY + 1))
    print(f"summed in {summed_s:.2f} s, peak {peak / 2**20:.1f} MiB")
    assert summed_s < 5
    assert peak < 8 * 2**20
