"""The routing review: sums of the ledger by week, and the sentences that come of them."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import AT, Clock, receipt

from localfleet.core.feedback import Feedback
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.review import Aims, Cell, Reached, due_dates, figures, findings
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.review import reviewed

WEEK_S = 7 * 86_400


def written(home: Path, receipts: list[Receipt], said: list[Feedback]) -> None:
    """A closed ledger with these records."""
    ledger = SqliteLedger(home, clock=Clock())
    for one in receipts:
        ledger.settle(one)
    for word in said:
        ledger.note_feedback(word)
    assert ledger.close()


def test_the_ledger_as_cells_with_percentiles_and_words(tmp_path: Path) -> None:
    """A week, a task and a tier each; parts add their money and are no requests; restricted by time."""
    paid = {"task": "t", "model": "best", "tier": "premium", "cost_usd": Decimal("0.5")}
    rows = [
        receipt(1, at=AT, reason=Reason.BY_KEYWORDS, first_byte_ms=100.0, **paid),
        receipt(2, at=AT, reason=Reason.TASK_RULE, first_byte_ms=300.0, **paid),
        receipt("2.1", at=AT, action="req-2", role="judge", task="t", cost_usd=Decimal("0.25")),  # type: ignore[arg-type]  # a part's number
        receipt(3, at=AT + WEEK_S, task=None, outcome=Reason.UPSTREAM_ERROR, cost_usd=Decimal(0), first_byte_ms=None),
        receipt(4, at=AT + 9 * WEEK_S),
    ]
    key = rows[0].key_id
    written(tmp_path, rows, [Feedback(request_id="req-1", at=AT, key_id=key, accepted=True)])
    seen = reviewed(tmp_path, since=AT - 1, until=AT + 2 * WEEK_S)
    first, second = seen.cells
    assert (first.task, first.tier, first.requests, first.answered, first.escalated) == ("t", "premium", 2, 2, 1)
    assert first.usd == Decimal("1.25")
    assert (second.task, second.tier, second.answered) == ("none", "local", 0)
    assert first.monday < second.monday
    premium = seen.reached["tier premium"]
    assert (premium.p95_first_byte_ms, premium.accepted, premium.said) == (300.0, 1.0, 1)
    assert seen.reached["task t"].p95_first_byte_ms == 300.0
    assert seen.first_at == AT


def cell(task: str, tier: str, requests: int, *, week: int = 1, escalated: int = 0, usd: str = "1") -> Cell:
    """One cell."""
    return Cell(
        monday=f"2026-11-{week:02}", task=task, tier=tier, requests=requests, answered=requests, escalated=escalated,
        input_tokens=1, output_tokens=1, usd=Decimal(usd),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "reached", "about", "words"),
    [
        ([cell("t", "local", 100, escalated=40)], {}, "task t", "40% of 100 requests escalated"),
        (
            [
                cell("t", "local", 90), cell("t", "premium", 10),
                cell("t", "local", 50, week=8), cell("t", "premium", 50, week=8),
            ],
            {}, "task t", "its share of premium grew from 10% to 50%",
        ),
        (
            [cell("a", "local", 99), cell("b", "local", 99), cell("c", "local", 99, usd="50")],
            {}, "task c", "50 times the median",
        ),
        ([], {"tier low": Reached(group="low", p95_first_byte_ms=600.0)}, "tier low", "600 ms, the aim is 500 ms"),
        ([], {"task t": Reached(group="t", p95_first_byte_ms=60.0)}, "task t", "within 60 ms, the aim is 50 ms"),
        ([], {"tier low": Reached(group="low", accepted=0.5, said=40)}, "tier low", "50% of 40 answers were accepted"),
    ],
)  # fmt: skip
def test_what_is_bad_is_said_first_and_with_its_figure(
    cells: list[Cell], reached: dict[str, Reached], about: str, words: str
) -> None:
    """Escalations, growth of the top tier, outliers in cost, aims missed, bars missed."""
    aims = Aims(tier_ms={"low": 500}, tier_quality={"low": 0.85}, task_ms={"t": 50})
    first = findings(cells, reached, aims)[0]
    assert (first.about, first.bad) == (about, True)
    assert words in first.seen
    assert first.advice


def test_little_data_and_good_figures_are_no_alarm() -> None:
    """Few requests say nothing; aims that are met are told as met, and the mix always."""
    few = [cell("t", "local", 9, escalated=9), cell("t", "premium", 9, week=8)]
    met = {"tier low": Reached(group="low", p95_first_byte_ms=400.0, accepted=0.9, said=40)}
    found = findings(few, met, Aims(tier_ms={"low": 500}, tier_quality={"low": 0.85}))
    assert [one.bad for one in found] == [False, False, False]
    assert [one.advice for one in found[:2]] == ["met", "met"]
    assert found[2].seen == "local 50%, premium 50%"


def test_an_answer_costs_what_all_its_requests_did() -> None:
    """S63: the money of failed requests is paid by the answers; one unknown part makes it unknown."""
    half = Cell(**{**{n: getattr(cell("t", "low", 10, usd="1"), n) for n in Cell.__slots__}, "answered": 5})
    (one,) = figures([half], by="task")
    assert one.usd_per_answer == Decimal("0.2")
    unknown = Cell(**{**{n: getattr(half, n) for n in Cell.__slots__}, "usd": None})
    assert figures([half, unknown], by="tier")[0].usd_per_answer is None


def test_reviews_are_weekly_at_first_and_monthly_later() -> None:
    """S60: four weeks of launch, then each month; levels and benchmarks each quarter; never today."""
    first = date(2026, 1, 1)
    assert [one.on for one in due_dates(first, first)][:2] == [date(2026, 1, 8), date(2026, 4, 2)]
    assert due_dates(first, date(2026, 1, 8))[0].on == date(2026, 1, 15)
    assert due_dates(first, date(2026, 2, 15))[0].on == date(2026, 3, 2)
    for days in range(400):
        today = first + timedelta(days=days)
        assert all(today < one.on <= today + timedelta(days=91) for one in due_dates(first, today))
