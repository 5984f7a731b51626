"""Feedback in the books, and what a week came to: rates, the cost of a completed action, corrections."""

from decimal import Decimal
from pathlib import Path

from ledger_rig import AT, Clock, receipt, sql

from localfleet.cli.quality import drift
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Part, Receipt
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.migrations import MIGRATIONS
from localfleet.storage.quality import Week, quality
from localfleet.storage.report import totals
from localfleet.storage.verify import verify

WEEK_S = 7 * 86_400
LATER = AT + 9 * WEEK_S
TWO = (
    Attempt(model="small", tier="local", reason=Reason.ANSWER_POOR, status=200, duration_ms=1),
    Attempt(model="mini", tier="low_cost", reason=Reason.ANSWERED, status=200, duration_ms=1),
)
PART = Part(
    request_id="req-1.2", role="draft", model="mini", tier="low_cost", label=Label.PUBLIC, reason=Reason.TASK_RULE,
    outcome=Reason.ANSWERED, cost_usd=Decimal("0.25"), verdict="passed", score=0.5,
)  # fmt: skip


def action(number: int, *, at: float, usd: str) -> list[Receipt]:
    """A cascade that went on: a local draft, a hosted answer, and the action over both."""
    facts = {"at": at, "action": f"req-{number}", "role": "draft"}
    return [
        receipt(f"{number}.1", **facts),  # type: ignore[arg-type]  # a part's number
        receipt(f"{number}.2", model="mini", tier="low_cost", cost_usd=Decimal(usd), **facts),  # type: ignore[arg-type]  # a part's number
        receipt(number, at=at, model="mini", tier="low_cost", reason=Reason.ANSWER_POOR, attempts=TWO, parts=(PART,)),
    ]


def written(home: Path, receipts: list[Receipt], said: list[Feedback]) -> None:
    """A closed ledger with these records."""
    ledger = SqliteLedger(home, clock=Clock())
    for one in receipts:
        ledger.settle(one)
    for word in said:
        ledger.note_feedback(word)
    assert ledger.close()


def test_a_completed_action_costs_all_that_it_took(tmp_path: Path) -> None:
    """Drafts, judges and the answer are one action's cost; a request counts once in either report."""
    written(tmp_path, [*action(1, at=AT, usd="0.25"), receipt(2, at=AT), *action(3, at=AT + WEEK_S, usd="0.5")], [])
    first, second = quality(tmp_path, since=AT - 1, until=LATER)
    assert (first.requests, first.completed, first.escalated, first.fell_back, first.retries) == (2, 2, 1, 1, 1)
    assert (first.usd, first.usd_per_action) == (Decimal("0.25"), Decimal("0.125"))
    assert (second.requests, second.usd_per_action) == (1, Decimal("0.5"))
    assert first.monday < second.monday
    rows = {row.group: row for row in totals(tmp_path, by="model")}
    assert (rows["mini"].requests, rows["mini"].cost_usd) == (2, Decimal("0.75"))
    assert rows["small"].requests == 1


def test_an_unknown_part_makes_the_cost_unknown(tmp_path: Path) -> None:
    """Never zero: one call without a price leaves the action without one."""
    unknown = [*action(1, at=AT, usd="0.25")]
    unknown[1] = receipt("1.2", at=AT, action="req-1", role="draft", cost_usd=None)  # type: ignore[arg-type]  # a part's number
    written(tmp_path, unknown, [])
    (week,) = quality(tmp_path, since=AT - 1, until=LATER)
    assert (week.usd_per_action, week.usd_unknown) == (None, 1)


def test_feedback_is_joined_to_its_request(tmp_path: Path) -> None:
    """The last word of the request's own key, or of the operator, counts; another key's says nothing about it."""
    own = receipt(1).key_id
    said = [
        Feedback(request_id="req-1", at=AT, key_id=own, accepted=True, score=1.0),
        Feedback(request_id="req-1", at=AT, key_id=own, accepted=False, corrected=True, score=0.25),
        Feedback(request_id="req-1", at=AT, key_id="somebody", accepted=True, score=1.0),
        Feedback(request_id="req-2", at=AT, key_id=None, accepted=True, corrected=False, score=0.75),
        Feedback(request_id="nobody", at=AT, key_id=own, accepted=True),
    ]
    written(tmp_path, [receipt(1, at=AT), receipt(2, at=AT), receipt(3, at=AT)], said)
    (week,) = quality(tmp_path, by="tier", since=AT - 1, until=LATER)
    assert (week.group, week.requests, week.feedback) == ("local", 3, 2)
    assert (week.accepted_rate, week.corrected_rate, week.score) == (0.5, 0.5, 0.5)
    assert week.score_sd is not None
    assert abs(week.score_sd - 0.3535533905932738) < 1e-12
    assert verify(tmp_path).ok


def test_feedback_that_was_changed_is_found(tmp_path: Path) -> None:
    """The table beside the chain is held against it, row by row."""
    written(tmp_path, [receipt(1)], [Feedback(request_id="req-1", at=AT, key_id=None, accepted=False)])
    sql(tmp_path, "UPDATE feedback SET accepted = 1")
    found = verify(tmp_path).first_bad
    assert found is not None
    assert found[1] == "the table of feedback was edited"
    sql(tmp_path, "UPDATE feedback SET accepted = 0")
    sql(tmp_path, "INSERT INTO feedback (seq, request_id, at) VALUES (9, 'req-1', 1)")
    assert not verify(tmp_path).ok


def test_an_older_ledger_is_taken_along(tmp_path: Path) -> None:
    """A ledger of step 1 opens, keeps its receipts, and verifies; new columns are empty in old rows."""
    written(tmp_path, [receipt(1, at=AT)], [])
    for column in ("action", "role", "arm", "caller_action"):
        sql(tmp_path, f"ALTER TABLE receipts DROP COLUMN {column}")
    sql(tmp_path, "DROP TABLE feedback")
    sql(tmp_path, "DROP INDEX chain_states")
    sql(tmp_path, "PRAGMA user_version = 1")
    written(tmp_path, [receipt(2, at=AT, arm="x:trial")], [])
    assert sql(tmp_path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert sql(tmp_path, "SELECT arm FROM receipts ORDER BY seq") == [(None,), ("x:trial",)]
    assert verify(tmp_path).ok


def week(**changes: object) -> Week:
    """A week without any trouble."""
    facts: dict[str, object] = {
        "group": "g", "monday": "2026-01-05", "requests": 100, "completed": 100, "escalated": 10, "fell_back": 10,
        "retries": 0, "usd": Decimal(1), "usd_unknown": 0, "usd_per_action": Decimal(1), "feedback": 50,
        "accepted_rate": 0.9, "corrected_rate": 0.1, "score": 0.8, "score_sd": 0.1, "scored": 50,
    }  # fmt: skip
    return Week(**(facts | changes))  # type: ignore[arg-type]  # a test's keyword bag


def test_what_gets_worse_is_said() -> None:
    """A rising share of escalations or corrections is pointed out; a small week says nothing."""
    worse = week(monday="2026-01-12", escalated=30, corrected_rate=0.4, accepted_rate=0.6)
    assert drift([week(), worse]) == [
        "g: escalated rose from 10% to 30% in the week of 2026-01-12",
        "g: corrected rose from 10% to 40% in the week of 2026-01-12",
        "g: not accepted rose from 10% to 40% in the week of 2026-01-12",
    ]
    assert drift([week(), week(monday="2026-01-12", escalated=14)]) == []
    assert drift([week(requests=5), worse]) == []
    assert drift([worse]) == []
