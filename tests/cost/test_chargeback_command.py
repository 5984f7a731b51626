"""`cost chargeback` over a ledger: what is printed and written adds up to the bill."""

import csv
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import Clock, receipt
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.cli.cost import build_cost
from localfleet.core.fleet import Readiness
from localfleet.storage.ledger import SqliteLedger

RUN = CliRunner()


@pytest.fixture
def home(busy_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A ledger with twenty local requests in it, six of which failed; no models.yaml."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(busy_home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def charged(*options: str) -> dict[str, Any]:
    """What the command says for machines."""
    done = RUN.invoke(build_cost("chargeback"), ["chargeback", "--json", *options])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.output)
    return answer


def test_parts_of_the_printed_bill_are_the_bill(home: Path) -> None:
    """Served, failed and idle over the groups; hosted requests are not on the box."""
    said = charged("--usd", "2912.70", "--by", "task")
    parts = [Decimal(said[f"usd_{part}_alloc"]) for part in ("served", "failed", "idle", "waking", "asleep")]
    assert sum(parts) == Decimal("2912.70")
    assert [(charge["group"], charge["requests"], charge["failed"]) for charge in said["charges"]] == [("notes", 20, 6)]
    assert said["requests"] == 20


def test_every_request_is_written_and_adds_up(home: Path) -> None:
    """The file's last column is the bill, weighed by token work, with hours asleep of their own."""
    file = home / "each.csv"
    options = ["--usd", "2912.70", "--each", str(file), "--token-work-us", "17.42,28.18,0.05908"]
    said = charged(*options, "--asleep-hours", "100")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert sum(Decimal(row["usd_alloc"]) for row in rows) == Decimal("2912.70")
    assert len(rows) == 20 + 3
    assert Decimal(said["usd_asleep_alloc"]) == pytest.approx(Decimal("2912.70") * 100 / 720, abs=Decimal("1e-8"))


def test_hours_asleep_and_loading_are_as_recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router saw its model sleep and wake: those hours are parts of the bill, and `report` knows them."""
    folder, now = home / "slept", time.time()
    monkeypatch.setenv("LOCALFLEET_HOME", str(folder))
    ledger = SqliteLedger(folder, clock=Clock())
    seen = ((50, "loading"), (49, "ready"), (40, "asleep"), (10, "warming"), (9.5, "ready"), (1, "asleep"))
    for hours_ago, state in seen:
        ledger.note_state("small", Readiness(state), at=now - hours_ago * 3600)
    ledger.settle(receipt(1, at=now - 5 * 3600, total_ms=3_600_000, queue_ms=0.0, cost_usd=Decimal(0)))
    ledger.close()
    said = charged("--usd", "1000", "--days", "5")
    hours = {"served": 1, "failed": 0, "waking": 1.5, "asleep": 31, "idle": 120 - 33.5}
    assert said["hours"] == pytest.approx(hours, abs=0.01)
    parts = [Decimal(said[f"usd_{part}_alloc"]) for part in ("served", "failed", "idle", "waking", "asleep")]
    assert sum(parts) == 1000
    assert parts[4] == pytest.approx(Decimal(1000) * 31 / 120, rel=Decimal("1e-3"))
    assert charged("--usd", "1000", "--days", "5", "--asleep-hours", "0")["usd_asleep_alloc"] == "0.000000000"
    told = RUN.invoke(build_cli("report"), ["report"])
    assert "asleep 31.0 h, loaded 2 times in 1.50 h" in " ".join(told.output.split())


def test_the_bill_of_the_box_is_read_from_the_file(home: Path) -> None:
    """730 hours of the card of models.yaml, for the days that were asked for."""
    (home / "models.yaml").write_text(
        "version: 1\nhardware: {gpus: [{name: H100-80GB-SXM, count: 2, usd_per_hour: 3.99}]}\n"
        "local: {small: {engine: auto, weights: smollm2-135m-instruct, context_tokens: 2048}}\n",
        encoding="utf-8",
    )
    assert charged("--days", "10")["usd_bill"] == "1915.20"


def test_people_read_who_pays_and_what_is_idle(home: Path) -> None:
    """The table names its basis; the last sentence says the share that nobody asked for."""
    done = RUN.invoke(build_cost("chargeback"), ["chargeback", "--usd", "100"])
    assert done.exit_code == 0
    assert "of it usd_failed_alloc" in done.output
    assert "20 requests used $" in done.output
    assert "to the last digit" in done.output


def test_nobody_asked_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ledger all of it is left, in a sentence."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(home / "nothing"))
    done = RUN.invoke(build_cost("chargeback"), ["chargeback", "--usd", "100"])
    assert "No traffic: nobody used the box, and all of the $100 is left." in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--usd is needed"),
        (["--usd", "-1"], "--usd must be at least 0"),
        (["--usd", "1", "--token-work-us", "1,2"], "--token-work-us takes three numbers"),
        (["--usd", "1", "--asleep-hours", "9999"], "exceed period_us"),
    ],
)
def test_misuse_is_one_sentence(home: Path, options: list[str], message: str) -> None:
    """A wrong option names itself; exit code 2."""
    done = RUN.invoke(build_cost("chargeback"), ["chargeback", *options])
    assert done.exit_code == 2
    assert message in done.output
