"""What left and to whom, from the chain alone: every attempt counts, and what records cannot tell is not claimed."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from ledger_rig import AT, Clock, intent, receipt, sql

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Intent, Part, Receipt
from localfleet.errors import LedgerClosed
from localfleet.storage.book import Book
from localfleet.storage.chain import Kind, Seal, tail
from localfleet.storage.database import Database
from localfleet.storage.egress import Span, left, prove, same_host
from localfleet.storage.keys import create_key
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.records import intent_body
from localfleet.storage.secret import derive, read_secret

HOST = "api.openai.com"
DAY = Span(since=AT, until=AT + 86_400)
MINI = Attempt(model="mini", tier="low_cost", reason=Reason.ANSWERED, status=200, duration_ms=1.0, host=HOST)
BOX = Attempt(model="small", tier="local", reason=Reason.ANSWERED, status=200, duration_ms=1.0)
OTHER_BOX = replace(BOX, model="big", host="10.0.0.12:8000")
DOWN = replace(MINI, reason=Reason.TIMED_OUT, status=None)


def _write(home: Path, *records: Intent | Receipt) -> None:
    """What a router would have written, in this order."""
    ledger = SqliteLedger(home, clock=Clock())
    for record in records:
        if isinstance(record, Intent):
            asyncio.run(ledger.intend(record))
        else:
            ledger.settle(record)
    assert ledger.close()


def _sent(number: int, label: Label = Label.PUBLIC, *, at: float = AT + 60, host: str = HOST) -> Intent:
    return intent(number, label=label, at=at, host=host, attempt=0)


def _ended(number: int, *attempts: Attempt, label: Label = Label.PUBLIC, at: float = AT + 60) -> Receipt:
    return receipt(number, label=label, at=at, attempts=attempts, cost_usd=Decimal(0))


def test_what_left_is_counted_by_host_model_and_label(home: Path) -> None:
    """Two requests, one of them asked twice; what stayed on the box is not among them."""
    _write(
        home,
        _sent(1),
        _ended(1, MINI),
        _sent(2, Label.INTERNAL),
        replace(_sent(2, Label.INTERNAL), attempt=1),
        _ended(2, DOWN, MINI, label=Label.INTERNAL),
        _ended(3, BOX, label=Label.RESTRICTED),
        _ended(4, OTHER_BOX, label=Label.RESTRICTED),
    )
    rows = [(row.host, row.label, row.model, row.requests, row.attempts, row.answered) for row in left(home, DAY)]
    assert rows == [
        (HOST, "internal", "mini", 1, 2, 1),
        ("10.0.0.12:8000", "restricted", "big", 1, 1, 1),
        (HOST, "public", "mini", 1, 1, 1),
    ]


def test_nothing_restricted_went_there_is_proven_and_a_counterexample_refutes(home: Path) -> None:
    """By label, by time to the second, and by host; the record that says otherwise is named."""
    _write(home, _sent(1), _ended(1, MINI), _sent(2, Label.INTERNAL, at=AT + 100), _sent(3, at=AT + 200))
    assert prove(home, HOST, DAY, Label.RESTRICTED).answer == "proven"
    refuted = prove(home, HOST, DAY, Label.INTERNAL)
    assert (refuted.answer, [one.request_id for one in refuted.against], refuted.to_host) == ("refuted", ["req-2"], 3)
    assert "req-2" in sql(home, "SELECT body FROM chain WHERE seq = ?", refuted.against[0].seq)[0][0]
    assert prove(home, HOST, Span(since=AT, until=AT + 100), Label.INTERNAL).answer == "proven"
    assert prove(home, HOST, Span(since=AT + 100, until=AT + 101), Label.INTERNAL).answer == "refuted"
    assert prove(home, "api.anthropic.com", DAY, Label.PUBLIC).answer == "proven"


def test_a_redacted_request_is_told_and_an_action_counts_by_its_parts(home: Path) -> None:
    """Its words left under another label, which the proof says; the receipt of an action is no attempt of its own."""
    part = Part(
        request_id="req-1",
        role="draft",
        model="mini",
        tier="low_cost",
        label=Label.RESTRICTED,
        reason=Reason.REDACTED,
        outcome=Reason.ANSWERED,
        cost_usd=None,
    )
    redacted = replace(_sent(1, Label.INTERNAL), because=("redacted", "detector"))
    action = replace(_ended(9, MINI, label=Label.RESTRICTED), parts=(part,))
    _write(home, redacted, _ended(1, MINI, label=Label.RESTRICTED), action, _sent(2), _ended(2, MINI))
    answer = prove(home, HOST, DAY, Label.RESTRICTED)
    assert (answer.answer, answer.to_host, answer.redacted) == ("proven", 2, 1)


def test_an_intent_counts_though_its_receipt_never_came(home: Path) -> None:
    """A router that was killed after the intent may have sent the text."""
    _write(home, _sent(1, Label.INTERNAL))
    _write(home)
    assert prove(home, HOST, DAY, Label.INTERNAL).answer == "refuted"
    assert [(row.attempts, row.answered) for row in left(home, DAY)] == [(1, 0)]


def test_a_hosted_attempt_without_its_intent_counts_all_the_same(home: Path) -> None:
    """Law 7 says that there is none; the receipt would give it away."""
    _write(home, _ended(1, MINI, label=Label.INTERNAL))
    assert prove(home, HOST, DAY, Label.INTERNAL).answer == "refuted"


def test_an_attempt_that_never_reached_an_engine_does_not_count(home: Path) -> None:
    """Refused by the budget, or by a ledger that was closed: nothing left."""
    _write(home, _ended(1, replace(MINI, reason=Reason.OVER_BUDGET), replace(MINI, reason=Reason.LEDGER_CLOSED)))
    assert left(home, DAY) == []


def test_a_host_of_a_local_model_is_open_at_best(home: Path) -> None:
    """Its requests are recorded when they end, so a killed router loses some: that is said, not passed over."""
    _write(home, _ended(1, OTHER_BOX))
    answer = prove(home, "10.0.0.12", DAY, Label.RESTRICTED)
    assert (answer.answer, answer.to_host) == ("open", 1)
    assert "killed router" in answer.why[0]
    never_asked = prove(home, "10.0.0.13", DAY, Label.RESTRICTED, local_hosts=frozenset({"10.0.0.13:8000"}))
    assert never_asked.answer == "open"
    assert prove(home, "10.0.0.12:8000", DAY, Label.PUBLIC).answer == "refuted"


def test_a_request_over_midnight_counts_on_both_days(home: Path) -> None:
    """A local attempt has no moment of its own, so all the time of its request counts."""
    _write(home, replace(_ended(1, OTHER_BOX, at=AT - 30), total_ms=60_000.0))
    assert prove(home, "10.0.0.12", DAY, Label.PUBLIC).to_host == 1
    assert prove(home, "10.0.0.12", Span(since=AT - 100, until=AT), Label.PUBLIC).to_host == 1
    assert prove(home, "10.0.0.12", Span(since=AT + 31, until=AT + 99), Label.PUBLIC).to_host == 0


def test_records_without_a_host_leave_the_question_open(home: Path) -> None:
    """A ledger that an earlier release began is not read as if nothing had left."""
    create_key(home, name="a", label=Label.PUBLIC, at=1.0)
    database = Database(home)
    book = Book(database, Seal(derive(read_secret(home), "chain")), tail(database))
    body = {name: value for name, value in orjson.loads(intent_body(_sent(1))).items() if name != "host"}
    with database.transaction():
        book.begin()
        book.add(Kind.INTENT, orjson.dumps(body))
        book.flush()
    database.close()
    answer = prove(home, HOST, DAY, Label.RESTRICTED)
    assert (answer.answer, len(answer.why)) == ("open", 1)
    assert [row.host for row in left(home, DAY)] == ["unknown"]


@pytest.mark.parametrize(
    ("recorded", "asked", "same"),
    [
        ("api.openai.com", "API.openai.com.", True),
        ("10.0.0.12:8000", "10.0.0.12", True),
        ("10.0.0.12:8000", "10.0.0.12:8000", True),
        ("10.0.0.12:8000", "10.0.0.12:8001", False),
        ("[::1]:8000", "[::1]", True),
        ("[fe80::1]", "[fe80::1]", True),
        ("api.openai.com", "openai.com", False),
        ("api.openai.com", "", False),
    ],
)
def test_which_host_is_meant(recorded: str, asked: str, *, same: bool) -> None:
    """With a port, that one; without, any; never a part of a name."""
    assert same_host(recorded, asked) is same


def test_without_a_ledger_nothing_is_proven(home: Path) -> None:
    """An empty folder is an error, not a clean bill."""
    with pytest.raises(LedgerClosed):
        prove(home, HOST, DAY, Label.RESTRICTED)
