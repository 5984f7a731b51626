"""`localfleet replay`: a changed file against a ledger that a router wrote."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.ask import Api
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.core.route import Door
from localfleet.core.usage import Usage
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.past import recorded

FILE = """
version: 1
local:
  small: {weights: smollm2-135m-instruct}
hosted:
  mini:
    provider: openai
    model: m
    tier: cheap
    accepts: internal
    api_key_env: NONE
    context_tokens: 9999
    prices: [{since: 2026-01-01, usd_per_mtok_in: 1, usd_per_mtok_out: 2, source: test}]
tasks: {work: {first: FIRST, fallback: [small]}}
limits: {usd_per_day: {cheap: 0.001}}
"""


class Clock:
    """The real time."""

    def now(self) -> float:
        """Unix time."""
        return time.time()

    def monotonic(self) -> float:
        """For durations."""
        return time.monotonic()


def receipt(number: int, *, label: Label = Label.PUBLIC, wanted: str = "auto", action: str | None = None) -> Receipt:
    """A request of the task that the box answered."""
    doors = (Door(model="mini", tier="cheap", legal=False, why=Reason.ENGINE_DOWN, cost_usd=None),)
    return Receipt(
        request_id=f"r{number}", at=time.time() - 60, api=Api.CHAT, key_id="k", plan=None, task="work", session=None,
        label=label, findings=(), because=(), wanted=wanted, model="small", tier="local", reason=Reason.TASK_RULE,
        outcome=Reason.ANSWERED, status=200, stream=False, doors=doors, attempts=(),
        usage=Usage(input_tokens=1000, output_tokens=100), cost_usd=None if action else Decimal(0), price_version=None,
        queue_ms=0.0, first_byte_ms=1.0, total_ms=2.0, action=action, role="shadow" if action else None,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with six requests: three public, one restricted, a pipeline's, one of a model that is gone."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("LOCALFLEET_HOME", str(folder))
    ledger = SqliteLedger(folder, clock=Clock())
    for one in (
        *(receipt(n) for n in range(3)),
        receipt(3, label=Label.RESTRICTED),
        receipt(4, wanted="pipeline/p"),
        receipt(5, wanted="gone"),
        receipt(6, action="r0"),
    ):
        ledger.settle(one)
    assert ledger.close()  # receipts first, then what is said of them
    ledger = SqliteLedger(folder, clock=Clock())
    ledger.note_feedback(Feedback(request_id="r0", at=1.0, key_id="k", score=0.5))
    ledger.note_feedback(Feedback(request_id="r1", at=1.0, key_id=None, corrected=True))
    assert ledger.close()
    return folder


def test_the_ledger_is_read_as_requests(home: Path) -> None:
    """Facts, what was said, and no shadow: its money is nobody's request."""
    found = recorded(home, since=0, until=time.time())
    assert found.left_out == 1
    assert len(found.pasts) == 5
    first = next(past for past in found.pasts if past.quality == 0.5)
    assert (first.usd, first.input_tokens) == (Decimal(0), 1000)
    assert first.shut == {"mini": Reason.ENGINE_DOWN}
    assert sorted(past.quality for past in found.pasts if past.quality is not None) == [0.0, 0.5]


def test_a_table_is_tried_before_it_is_deployed(home: Path, tmp_path: Path) -> None:
    """The public requests would move, the restricted one stays, and the day's budget would not do."""
    file = tmp_path / "new.yaml"
    file.write_text(FILE.replace("FIRST", "mini"), encoding="utf-8")
    run = CliRunner().invoke(build_cli("replay"), ["replay", str(file), "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert told["left_out"] == 2
    assert told["recorded"]["by_model"] == {"small": 4}
    assert told["replayed"]["by_model"] == {"mini": 3, "small": 1}
    assert float(told["replayed"]["usd"]) == pytest.approx(3 * 0.0012)
    assert told["recorded"]["quality"] == 0.25
    assert told["replayed"]["quality_unknown_share"] == 0.75
    text = CliRunner().invoke(build_cli("replay"), ["replay", str(file)]).output
    assert "tier cheap: over its 0.001 USD on 1 days" in text
    assert "share of mini" in text
    assert home.exists()


def test_nothing_to_replay_is_said(home: Path, tmp_path: Path) -> None:
    """An empty window, or a task that nobody asked for."""
    file = tmp_path / "new.yaml"
    file.write_text(FILE.replace("FIRST", "mini"), encoding="utf-8")
    run = CliRunner().invoke(build_cli("replay"), ["replay", str(file), "--task", "other"])
    assert run.exit_code == 1
    assert "no request in the last 30 days that this table can replay; 1 left out (pipelines" in run.output
    empty = CliRunner().invoke(build_cli("replay"), ["replay", str(file), "--days", "0"])
    assert (empty.exit_code, empty.output) == (1, "no requests in the last 0 days\n")
    assert home.exists()
