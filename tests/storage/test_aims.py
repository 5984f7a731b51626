"""Times of a task against the aims that models.yaml writes for it, as `report --by task` tells them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import Clock, receipt
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.report import totals

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
tasks:
  chat: {aims: {ttft_ms: {p50: 50, p95: 90}, total_ms: {p50: 500, p95: 2000}}}
  sums: {first: small}
  never: {aims: {ttft_ms: {p50: 1}}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A hundred requests of one task, whose first bytes took 1 to 100 ms and which took ten times as long in all."""
    tmp_path.chmod(0o700)
    (tmp_path / "models.yaml").write_text(FILE)
    ledger, now = SqliteLedger(tmp_path, clock=Clock()), time.time()
    for number in range(1, 101):
        times: dict[str, Any] = {"first_byte_ms": float(number), "total_ms": 10.0 * number}
        ledger.settle(receipt(number, at=now - 50, task="chat", **times))
    ledger.settle(receipt(200, at=now - 50, task="sums"))
    assert ledger.close()
    return tmp_path


def report(home: Path, *words: str) -> str:
    """What the command prints."""
    command = ["report", *words, "--config", str(home / "models.yaml")]
    done = CliRunner().invoke(build_cli("report"), command, env={"LOCALFLEET_HOME": str(home), "COLUMNS": "160"})
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_each_aim_is_met_or_missed(home: Path) -> None:
    """By the nearest rank; a task without aims has none, and one without requests no row."""
    rows = {row["group"]: row for row in json.loads(report(home, "--by", "task", "--json"))}
    held = {(one["time"], one["percentile"]): (one["seen_ms"], one["met"]) for one in rows["chat"]["aims"]}
    assert held == {
        ("ttft_ms", "p50"): (50.0, True),
        ("ttft_ms", "p95"): (95.0, False),
        ("total_ms", "p50"): (500.0, True),
        ("total_ms", "p95"): (950.0, True),
    }
    assert "aims" not in rows["sums"]
    assert set(rows) == {"chat", "sums"}
    said = report(home, "--by", "task")
    assert "! chat: p95 of ttft 95 ms, the aim is 90 ms: MISSED" in said
    assert "  chat: p50 of total 500 ms, the aim is 500 ms: met" in said
    assert "the aim is" not in report(home, "--by", "model")


def test_first_bytes_have_percentiles_of_their_own(home: Path) -> None:
    """Beside those of the whole."""
    found = {row.group: row for row in totals(home, by="task")}["chat"]
    assert (found.median_first_byte_ms, found.p95_first_byte_ms) == (50.0, 95.0)
    assert (found.median_ms, found.p95_ms) == (500.0, 950.0)
