"""The ledger from the outside: what is durable when, what memory holds, who may open it."""

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from ledger_rig import AT, SRC, Clock, durable_intents, intent, receipt, sql, until

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.errors import FleetError, LedgerClosed
from localfleet.ports import Ledger
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.report import recent, totals
from localfleet.storage.verify import verify
from localfleet.storage.writer import LINGER_S

_INTEND_AND_SAY = """
import asyncio, sys, time
from pathlib import Path
from ledger_rig import Clock, intent
from localfleet.storage.ledger import SqliteLedger

ledger = SqliteLedger(Path(sys.argv[1]), clock=Clock())
for word in sys.stdin:
    asyncio.run(ledger.intend(intent(int(word))))
    print(word.strip(), flush=True)
"""


_DIE_AT_ONCE = """
import asyncio, os, signal, sys
from pathlib import Path
from ledger_rig import Clock, intent
from localfleet.storage.ledger import SqliteLedger

async def intend_and_die(ledger, number):
    await ledger.intend(intent(number))
    os.kill(os.getpid(), signal.SIGKILL)

for number in range(20):
    child = os.fork()
    if not child:
        asyncio.run(intend_and_die(SqliteLedger(Path(sys.argv[1]), clock=Clock()), number))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.stdin.readline()
"""


def _child(home: Path, code: str = _INTEND_AND_SAY) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{SRC}:{Path(__file__).parent}"},
    )


def _kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_it_is_the_ledger_the_gateway_asks_for(ledger: SqliteLedger) -> None:
    """`SqliteLedger` fits the port, as mypy checks here."""
    port: Ledger = ledger
    assert port.health.ok


def test_law_7_no_egress_without_a_durable_record(home: Path) -> None:
    """A process killed the moment `intend` returned has its intent on disk, every one of 20 times."""
    parent = _child(home, _DIE_AT_ONCE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    for number in range(20):
        assert parent.stdout.readline() == "-9\n"
        assert durable_intents(home) == [f"req-{n}" for n in range(number + 1)]
        parent.stdin.write("\n")
        parent.stdin.flush()
    parent.communicate()
    assert verify(home).ok


def test_unfinished_intents_are_settled_as_unknown_at_the_next_start(home: Path) -> None:
    """Two attempts of one killed request become one record of unknown cost with both bounds reserved."""
    ledger = SqliteLedger(home, clock=Clock())

    async def leave_open() -> None:
        await ledger.intend(intent(1))
        await ledger.intend(intent(1, attempt=2, model="best", tier="premium", worst_usd=Decimal("0.02")))
        await ledger.intend(intent(2, worst_usd=None))
        await ledger.intend(intent(3))

    asyncio.run(leave_open())
    ledger.settle(receipt(3, cost_usd=Decimal("0.003"), tier="low_cost"))
    ledger.close()
    SqliteLedger(home, clock=Clock()).close()

    lines = {line.request_id: line for line in recent(home)}
    assert lines["req-1"].outcome == lines["req-2"].outcome == Reason.UNKNOWN_AFTER_RESTART
    assert lines["req-1"].cost_usd is None
    assert lines["req-1"].attempts == 2
    assert lines["req-3"].outcome == Reason.ANSWERED
    by_tier = {total.group: total for total in totals(home, by="tier")}
    assert by_tier["premium"].reserved_usd == Decimal("0.03")
    assert by_tier["low_cost"].cost_unknown == 1
    assert sql(home, "SELECT count(*) FROM intents") == [(0,)]
    assert verify(home).ok


def test_a_second_start_settles_nothing_twice(home: Path) -> None:
    """What one start settled, the next leaves alone."""
    ledger = SqliteLedger(home, clock=Clock())
    asyncio.run(ledger.intend(intent(1)))
    ledger.close()
    for _ in range(3):
        SqliteLedger(home, clock=Clock()).close()
    assert sql(home, "SELECT count(*) FROM chain WHERE kind = 'unsettled'") == [(1,)]


def test_many_intents_share_a_commit(ledger: SqliteLedger) -> None:
    """200 intents that come together need far fewer than 200 commits, and all are on disk."""

    async def together() -> None:
        await asyncio.gather(*(ledger.intend(intent(number)) for number in range(200)))

    before = ledger.commits
    asyncio.run(together())
    assert ledger.commits - before <= 20
    assert len(durable_intents(ledger.home)) == 200
    assert until(lambda: sql(ledger.home, "SELECT count(*) FROM intents") == [(200,)])


def test_a_lone_intent_does_not_wait_for_others(ledger: SqliteLedger) -> None:
    """It is answered when it is durable: receipts may linger for their commit, and whoever wants to ask may not."""

    async def one_by_one() -> float:
        loop = asyncio.get_running_loop()
        took = []
        for number in range(1, 16):
            began = loop.time()
            await ledger.intend(intent(number))
            took.append(loop.time() - began)
        return sorted(took)[len(took) // 2]

    assert asyncio.run(one_by_one()) < LINGER_S / 2


def test_receipts_share_a_commit_and_settle_returns_at_once(ledger: SqliteLedger) -> None:
    """A thousand receipts are queued in no time and written in a few commits."""
    before = ledger.commits
    for number in range(1000):
        ledger.settle(receipt(number))
    assert until(lambda: len(recent(ledger.home, limit=2000)) == 1000)
    assert ledger.commits - before <= 20


def test_a_caller_who_leaves_while_the_intent_is_written_harms_nobody(ledger: SqliteLedger) -> None:
    """Cancelling one `intend` leaves the others of its commit alone."""

    async def leave() -> None:
        gone = asyncio.create_task(ledger.intend(intent(1)))
        stays = asyncio.create_task(ledger.intend(intent(2)))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(leave())
    assert ledger.health.ok


def test_intents_of_a_loop_that_ended_do_not_stop_the_writer(ledger: SqliteLedger) -> None:
    """An event loop that is gone when its commit comes back is nobody's problem."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(ledger.intend(intent(1)))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    asyncio.run(ledger.intend(intent(2)))
    assert ledger.health.ok


def test_a_second_router_is_told_what_to_do(ledger: SqliteLedger) -> None:
    """One running router per state folder; the lock goes with the process."""
    with pytest.raises(FleetError, match="stop it first"):
        SqliteLedger(ledger.home, clock=Clock())
    ledger.close()
    SqliteLedger(ledger.home, clock=Clock()).close()


def test_a_killed_router_leaves_no_lock_behind(home: Path) -> None:
    """After `kill -9` the next router starts at once and the chain is whole."""
    child = _child(home)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("1\n")
    child.stdin.flush()
    child.stdout.readline()
    with pytest.raises(FleetError, match="stop it first"):
        SqliteLedger(home, clock=Clock())
    _kill(child)
    ledger = SqliteLedger(home, clock=Clock())
    assert ledger.health.ok
    ledger.close()
    assert verify(home).ok


def test_a_closed_ledger_refuses_intents(ledger: SqliteLedger) -> None:
    """After `close` nothing can be made durable, and `intend` says so at once."""
    assert ledger.close()
    assert not ledger.health.ok
    with pytest.raises(LedgerClosed):
        asyncio.run(ledger.intend(intent()))


def test_close_writes_what_waits(home: Path) -> None:
    """Receipts queued right before the end are on disk after it."""
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(5000):
        ledger.settle(receipt(number))
    assert ledger.close()
    assert len(recent(home, limit=9999)) == 5000


def test_a_record_that_cannot_be_stored_holds_up_nobody(ledger: SqliteLedger) -> None:
    """An absurd count or a lone surrogate is counted as dropped, in the chain too; its neighbours are written."""
    ledger.settle(receipt(1, usage=Usage(input_tokens=2**64, output_tokens=1)))
    ledger.settle(receipt(2, cost_usd=Decimal("NaN")))
    ledger.settle(receipt(3, task="\ud800"))
    ledger.settle(receipt(4))
    assert until(lambda: len(recent(ledger.home)) == 1)
    assert ledger.dropped == 3
    told = sql(ledger.home, "SELECT body FROM chain WHERE kind = 'dropped'")
    assert sum(orjson.loads(body)["count"] for (body,) in told) == 3
    with pytest.raises(LedgerClosed):
        asyncio.run(ledger.intend(intent(5, model="\ud800")))
    asyncio.run(ledger.intend(intent(6)))
    assert ledger.health.ok
    assert verify(ledger.home).ok


def test_memory_for_receipts_is_bounded_and_says_so(home: Path) -> None:
    """Beyond the bound receipts are counted, never waited for."""
    ledger = SqliteLedger(home, clock=Clock(), most_receipts=10)
    try:
        for number in range(500):
            ledger.settle(receipt(number))
        assert ledger.dropped > 0
        assert until(lambda: len(recent(home, limit=999)) + ledger.dropped == 500)
    finally:
        ledger.close()


def test_spent_counts_settled_money_and_what_was_reserved_for_the_unknown(home: Path) -> None:
    """Budgets are seeded by key and by tier since a time; a lost outcome counts with its bound."""
    ledger = SqliteLedger(home, clock=Clock())
    asyncio.run(ledger.intend(intent(9, worst_usd=Decimal("0.5"))))
    ledger.settle(receipt(1, cost_usd=Decimal("0.1"), tier="low_cost"))
    ledger.settle(receipt(2, cost_usd=Decimal("0.2"), tier="premium", key_id="other"))
    ledger.settle(receipt(3, cost_usd=Decimal("0.4"), tier="premium", at=AT - 100))
    ledger.settle(receipt(4, cost_usd=None))
    ledger.close()
    ledger = SqliteLedger(home, clock=Clock())
    try:
        assert ledger.spent_usd(since=AT) == Decimal("0.8")
        assert ledger.spent_usd(since=0, tier="premium") == Decimal("0.6")
        assert ledger.spent_usd(since=AT, tier="low_cost") == Decimal("0.6")
        assert ledger.spent_usd(since=0, key_id="other") == Decimal("0.2")
        assert ledger.spent_usd(since=AT + 1) == 0
    finally:
        ledger.close()


def test_no_words_at_rest(ledger: SqliteLedger) -> None:
    """Every text in the file is one that the receipt took from the configuration or from this code base."""
    asyncio.run(ledger.intend(intent(7)))
    ledger.settle(receipt(8))
    ledger.settle(replace(receipt(7), session="00ff", plan=None, price_version="litellm-1.106.2"))
    assert until(lambda: len(recent(ledger.home)) == 2)
    names = {"abcd1234", "standard", "classification", "auto", "small", "mini", "local", "low_cost"}
    sources = {"email", "key_default", "00ff", "litellm-1.106.2", "chat"}
    known = names | sources | {"req-7", "req-8", "0", "0.01", "0.000123", ""} | set(Reason)
    texts: set[str] = set()
    for table in ("receipts", "intents"):
        texts |= {cell for row in sql(ledger.home, f"SELECT * FROM {table}") for cell in row if isinstance(cell, str)}
    for (body,) in sql(ledger.home, "SELECT body FROM chain"):
        texts |= _texts(list(orjson.loads(body).values()))
    assert texts - known == set()
    assert names <= texts


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    return set().union(*map(_texts, value)) if isinstance(value, list) else set()


def test_a_restricted_conversation_stays_restricted_over_a_restart(home: Path) -> None:
    """Remembered at once, on disk soon, loaded at the next start; a lower label never lowers it."""
    ledger = SqliteLedger(home, clock=Clock())
    ledger.remember([b"a" * 16, b"b" * 16], Label.RESTRICTED)
    ledger.remember([b"a" * 16, b"c" * 16], Label.INTERNAL)
    assert ledger.remembered([b"a" * 16]) is Label.RESTRICTED
    assert ledger.remembered([b"x" * 16]) is None
    assert until(lambda: len(sql(home, "SELECT fp FROM taints")) == 3)
    ledger.close()
    ledger = SqliteLedger(home, clock=Clock())
    try:
        assert ledger.remembered([b"c" * 16]) is Label.INTERNAL
        assert ledger.remembered([b"c" * 16, b"b" * 16]) is Label.RESTRICTED
    finally:
        ledger.close()


def test_rows_of_earlier_days_are_folded_at_start(home: Path) -> None:
    """A conversation that goes on for a week is a row for each day, until a start finds more old rows than new ones."""
    for day in range(8):
        ledger = SqliteLedger(home, clock=Clock(days=day), remember_days=30)
        if day == 0:
            ledger.remember([b"long" * 4], Label.RESTRICTED)
        assert ledger.remembered([b"long" * 4]) is Label.RESTRICTED
        ledger.close()
        rows = sql(home, "SELECT seen_day FROM taints ORDER BY rowid")
        assert 1 <= len(rows) <= 3
        assert rows[-1][0] - rows[0][0] <= 2


def test_a_conversation_is_forgotten_so_many_days_after_it_was_last_seen(home: Path) -> None:
    """Seeing it again starts the days anew, at most one write a day; unseen, it is deleted."""
    ledger = SqliteLedger(home, clock=Clock(), remember_days=30)
    ledger.remember([b"seen" * 4, b"once" * 4], Label.RESTRICTED)
    ledger.close()
    ledger = SqliteLedger(home, clock=Clock(days=20), remember_days=30)
    assert ledger.remembered([b"seen" * 4]) is Label.RESTRICTED
    ledger.close()
    ledger = SqliteLedger(home, clock=Clock(days=40), remember_days=30)
    try:
        assert ledger.remembered([b"seen" * 4]) is Label.RESTRICTED
        assert ledger.remembered([b"once" * 4]) is None
        assert sql(home, "SELECT count(*) FROM taints") == [(1,)]
    finally:
        ledger.close()
