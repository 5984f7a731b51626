"""Ratings in the books: by people and by judges, in their order; the alarm of the report and of the metrics."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import Clock, receipt
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.cli.quality import judged_by_week
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Part, Receipt
from localfleet.core.routing.drift import JUDGE, PEOPLE
from localfleet.ports import LedgerHealth
from localfleet.server.metrics import Metrics
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.ratings import ratings

GOOD, BAD = 120, 220


def said(number: int) -> Feedback:
    """The first ones were right, the later ones mostly not."""
    right = number < GOOD or number % 3 == 0
    return Feedback(request_id=f"req-{number}", at=time.time() - 1000 + number, key_id=None, accepted=right)


def mirrored(number: int, aspect: str = "quality") -> Receipt:
    """A shadow with both grades."""
    common = {"label": Label.PUBLIC, "reason": Reason.TASK_RULE, "outcome": Reason.ANSWERED, "cost_usd": Decimal(0)}
    sides = (("control", "small", "local", 0.5), ("shadow", "mini", "low_cost", 1.0))
    parts = tuple(
        Part(request_id="x", role=role, model=model, tier=tier, score=score, aspect=aspect, **common)  # type: ignore[arg-type]  # as above
        for role, model, tier, score in sides
    )
    return receipt(f"{number}-shadow", at=time.time() - 500, role="shadow", action=f"req-{number}", parts=parts)  # type: ignore[arg-type]  # a shadow's number


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of a tier whose answers became worse."""
    folder = tmp_path_factory.mktemp("ratings")
    folder.chmod(0o700)
    ledger = SqliteLedger(folder, clock=Clock())
    for number in range(GOOD + BAD):
        ledger.settle(receipt(number, at=time.time() - 2000 + number))
    ledger.settle(mirrored(0))
    for number in range(GOOD + BAD):
        ledger.note_feedback(said(number))
    assert ledger.close()
    return folder


def test_ratings_by_people_and_judges(home: Path) -> None:
    """Oldest first; a shadow rates both tiers, and its receipt is no request that people rate."""
    found = ratings(home, since=0, until=time.time() + 1)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert sum(one.by == PEOPLE for one in found) == GOOD + BAD
    assert {(one.tier, one.quality) for one in found if one.by == JUDGE} == {("local", 0.5), ("low_cost", 1.0)}
    assert ratings(home / "nowhere", since=0, until=1) == []


def test_the_alarm_reads_the_ledger(home: Path) -> None:
    """`report --quality` says it in a sentence and, by tier, in a flag."""
    words = ["report", "--quality", "--by", "tier"]
    env = {"LOCALFLEET_HOME": str(home)}
    done = CliRunner().invoke(build_cli("report"), words, env=env)
    assert "tier local, rated by people: ALARM: quality fell" in done.stdout
    rows = json.loads(CliRunner().invoke(build_cli("report"), [*words, "--json"], env=env).stdout)
    assert [row["quality_alarm"] for row in rows if row["group"] == "local"] == [True] * len(rows)


def test_what_judges_looked_at_are_series_of_their_own(tmp_path: Path) -> None:
    """S70: safety is not mixed with quality, in the ledger, by week, in the report, in the alarm's series."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    for number, aspect in enumerate(("quality", "safety", "safety", "accuracy")):
        ledger.settle(receipt(number, at=time.time() - 600, tier="low_cost"))
        ledger.settle(mirrored(number, aspect))
    assert ledger.close()
    found = ratings(tmp_path, since=0, until=time.time())
    assert sorted({one.by for one in found}) == [JUDGE, f"{JUDGE}:accuracy", f"{JUDGE}:safety"]
    weeks = {of[0::2]: said for of, said in judged_by_week(found).items()}
    assert weeks["low_cost", "safety"] == (1.0, 2)
    assert weeks["local", "quality"] == (0.5, 1)
    env, words = {"LOCALFLEET_HOME": str(tmp_path)}, ["report", "--quality", "--by", "tier"]
    said = CliRunner().invoke(build_cli("report"), words, env=env).stdout
    assert "safety 1.00, as judges said of 2 answers" in said
    (row,) = json.loads(CliRunner().invoke(build_cli("report"), [*words, "--json"], env=env).stdout)
    assert row["judged"]["safety"] == {"mean": 1.0, "answers": 2}
    metrics = Metrics()
    metrics.count(mirrored(1, "safety"))
    assert set(metrics.drift.runs) == {("local", f"{JUDGE}:safety"), ("low_cost", f"{JUDGE}:safety")}


def test_the_metrics_ring(home: Path) -> None:
    """A running router: receipts tell the tier, feedback the quality; of a request it does not know it says nothing."""
    metrics = Metrics()
    for number in range(GOOD + BAD):
        metrics.count(receipt(number))
        metrics.count_feedback(said(number))
    metrics.count_feedback(Feedback(request_id="nobody", at=0.0, key_id=None, score=0.0))
    page = metrics.page({}, LedgerHealth(ok=True)).decode()
    assert 'localfleet_quality_alarm{by="people",tier="local"} 1.0' in page
    assert 'localfleet_quality{by="people",tier="local"}' in page
