"""Pieces of work as callers name them: what each took and cost, and what one completed costs (S16, N10)."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import Clock, receipt, sql
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.conversation import action_name
from localfleet.core.feedback import Feedback
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.storage.actions import caller_actions, completed
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.verify import verify

NOW = time.time() - 1000
GOOD, BAD, OPEN = (action_name(name, key=b"k" * 32, key_id="abcd1234") for name in ("good", "bad", "open"))
KEY = receipt(1).key_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three works: one of two requests, the second a cascade; one that was no use; one whose last request failed."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger = SqliteLedger(folder, clock=Clock())
    paid = {
        "model": "mini",
        "tier": "low_cost",
        "cost_usd": Decimal("0.25"),
        "usage": Usage(input_tokens=7, output_tokens=3),
    }
    part = {"action": "req-2", "role": "draft", "caller_action": GOOD, "at": NOW + 2}
    for one in (
        receipt(1, at=NOW, caller_action=GOOD, reason=Reason.BY_KEYWORDS, **paid),
        receipt("2.1", **part),  # type: ignore[arg-type]  # a part's number
        receipt("2.2", **part, **paid),  # type: ignore[arg-type]  # a part's number
        receipt(2, at=NOW + 2, caller_action=GOOD, reason=Reason.ANSWER_POOR, usage=None),
        receipt("2-shadow", at=NOW + 3, action="req-2", role="shadow", caller_action=GOOD, **paid),  # type: ignore[arg-type]  # a shadow's name
        receipt(3, at=NOW + 4, caller_action=BAD, **paid),
        receipt(4, at=NOW + 5, caller_action=OPEN, **paid),
        receipt(5, at=NOW + 6, caller_action=OPEN, outcome=Reason.TIMED_OUT, attempts=()),
        receipt(6, at=NOW + 7, **paid),
    ):
        ledger.settle(one)
    ledger.note_feedback(Feedback(request_id=BAD, at=NOW, key_id="another", accepted=True))
    ledger.note_feedback(Feedback(request_id=BAD, at=NOW, key_id=KEY, accepted=False, score=0.25))
    ledger.note_feedback(Feedback(request_id=GOOD, at=NOW, key_id="another", accepted=False))
    assert ledger.close()
    return folder


def test_many_requests_are_one_piece_of_work(home: Path) -> None:
    """Requests, calls, tokens, money and escalations of all that named it; parts are calls, shadows are nobody's."""
    good, bad, left = caller_actions(home, since=0, until=time.time())
    assert (good.name, good.requests, good.calls, good.escalated) == (GOOD, 2, 3, 2)
    assert (good.input_tokens, good.output_tokens, good.usd) == (7 + 100 + 7, 3 + 20 + 3, Decimal("0.5"))
    assert [one.completed for one in (good, bad, left)] == [True, False, False]
    assert (bad.accepted, bad.score, good.accepted) == (False, 0.25, None)
    assert caller_actions(home, since=0, until=NOW) == []
    assert verify(home).ok


def test_what_one_completed_cost_holds_what_the_others_cost(home: Path) -> None:
    """Work that came to nothing was paid for too; an unknown price makes it unknown, never less."""
    together = completed(caller_actions(home, since=0, until=time.time()))
    assert together is not None
    assert (together.actions, together.completed, together.usd_per_completed) == (3, 1, Decimal("1.00"))
    assert (together.requests_per_action, together.escalated_share) == (5 / 3, 2 / 5)
    assert completed([]) is None


def test_an_unknown_price_is_no_price(tmp_path: Path) -> None:
    """One call without a price leaves the work without a cost of completion."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    ledger.settle(receipt(1, at=NOW, caller_action=GOOD, cost_usd=None))
    assert ledger.close()
    (one,) = found = caller_actions(tmp_path, since=0, until=time.time())
    together = completed(found)
    assert one.usd_unknown == 1
    assert together is not None
    assert together.usd_per_completed is None


def test_the_report_says_so(home: Path) -> None:
    """The dearest first and one sentence; the whole of it as JSON; advice where nobody names any."""
    words, env = ["report", "--by", "action"], {"LOCALFLEET_HOME": str(home), "COLUMNS": "80"}
    said = CliRunner().invoke(build_cli("report"), words, env=env).stdout
    assert said.index(GOOD[:12]) < said.index(BAD[:12])
    assert "completed" in said.splitlines()[1], "a plain terminal shows every column"
    assert "1 of 3 actions completed, 1.000000 USD for each completed" in " ".join(said.split())
    told = json.loads(CliRunner().invoke(build_cli("report"), [*words, "--json"], env=env).stdout)
    assert [one["name"] for one in told["actions"]] == [GOOD, BAD, OPEN]
    assert told["together"]["usd_per_completed"] == "1.00"
    empty = CliRunner().invoke(build_cli("report"), [*words, "--days", "0"], env=env).stdout
    assert "x-localfleet-action" in empty


def test_an_edited_work_is_found(tmp_path: Path) -> None:
    """The column is held against the chain as all others."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    ledger.settle(receipt(1, at=NOW, caller_action=GOOD))
    assert ledger.close()
    sql(tmp_path, "UPDATE receipts SET caller_action = ?", BAD)
    assert not verify(tmp_path).ok
