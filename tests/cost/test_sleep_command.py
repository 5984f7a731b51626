"""`cost sleep`: by the second against always on, power saved by a bought box, and who waits for the waking."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import Clock
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost
from localfleet.core.fleet import Readiness
from localfleet.storage.ledger import SqliteLedger

RUN = CliRunner()
SPEED = "{kind: token_work, a_us: 17, b0_us: 28, k_us: .06}"
PLAN = f"""
api_models: [{{id: mini, in: .15, out: .6, date: 2026-11-20, source: list}}]
hardware:
  - {{id: rent, gpu: H100 SXM, usd_gpu_h: 3, date: 2026-11-09, source: list}}
  - {{id: own, gpu: RTX PRO 6000, mode: owned, capex: 12500, kw: 1, idle_share: .3, pue: 1, usd_kwh: .2,
     date: 2026-11-09, source: list}}
deployments:
  - {{id: rented, hardware: rent, calibration: {SPEED}}}
  - {{id: bought, hardware: own, calibration: {SPEED}}}
workflows: [{{workflow: chat, first_tier: rented, fallback: mini, monthly_requests: 1e5, avg_in: 500, avg_out: 200}}]
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A plan, and one request an hour for ten hours."""
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    rows = "".join(f"{hour * 3600},500,200\n" for hour in range(11))
    (tmp_path / "trace.csv").write_text("timestamp_s,input_tokens,output_tokens\n" + rows, encoding="utf-8")
    return [str(tmp_path / "plan.yaml"), str(tmp_path / "trace.csv")]


def said(*options: str) -> dict[str, Any]:
    """The answer for machines."""
    done = RUN.invoke(build_cost("sleep"), ["sleep", *options, "--json"])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.output)
    return answer


def test_a_quiet_box_is_cheaper_by_the_second(files: list[str]) -> None:
    """One request an hour: ten wakes, and each hour pays a minute's idling and half a minute's waking at $4."""
    answer = said(*files, "--flex-usd-per-gpu-hour", "4", "--wake-s", "30", "--after-s", "60")
    best, minute = answer["ways"]
    assert (best["seen"]["after_s"], minute["seen"]["after_s"]) == (30, 60)
    assert minute["seen"]["wakes"] == 10
    assert minute["usd_flex_total"] == pytest.approx(730 * 4 * 90 / 3600, rel=0.01)
    assert answer["usd_on_total"] == pytest.approx(3 * 730)
    assert answer["sentence"].startswith("By the second is cheaper")


def test_rented_by_the_hour_sleeping_saves_nothing(files: list[str]) -> None:
    """And the command says so."""
    assert said(*files)["sentence"].startswith("Rented by the hour, sleeping saves nothing")


def test_a_bought_box_saves_power_between_idle_and_asleep(files: list[str]) -> None:
    """300 W idle, 50 W asleep, nearly always asleep, $0.20 a kWh: $36.50 a month at most."""
    answer = said(*files, "--deployment", "bought", "--asleep-w", "50")
    assert answer["ways"][0]["usd_power_saved_marginal"] == pytest.approx(0.25 * 730 * 0.2, rel=0.02)
    assert "saves $" in answer["sentence"]
    assert "unknown: say --asleep-w" in said(*files, "--deployment", "bought")["sentence"]


def test_how_long_waking_takes_is_as_recorded(
    files: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The middle of the wakes that the router saw; without any it is assumed, and says so."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path / "home"))
    assert said(*files)["wake_s_from"].startswith("assumed")
    ledger, at = SqliteLedger(tmp_path / "home", clock=Clock()), time.time() - 9000
    for number, seconds in enumerate((12.0, 10.0, 90.0)):
        ledger.note_state("small", Readiness.WARMING, at=at + number * 1000)
        ledger.note_state("small", Readiness.READY, at=at + number * 1000 + seconds)
        ledger.note_state("small", Readiness.ASLEEP, at=at + number * 1000 + 200)
    ledger.close()
    answer = said(*files)
    assert answer["wake_s"] == pytest.approx(12.0, abs=0.001)
    assert "3 wakes that the router recorded" in answer["wake_s_from"]
    assert answer["ways"][0]["seen"]["after_s"] == pytest.approx(12.0, abs=0.001)


def test_a_table_for_people(files: list[str]) -> None:
    """Every idle time that was asked for is a row, dollars nobody knows are unknown."""
    done = RUN.invoke(build_cost("sleep"), ["sleep", *files, "--after-s", "120"])
    assert done.exit_code == 0
    assert "120 s" in done.output
    assert "unknown" in done.output
    assert "a month is read off 10.0 hours" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wake-s", "-1"], "--wake-s must be at least 0"),
        (["--after-s", "soon"], "--after-s must be a plain number"),
        (["--flex-usd-per-gpu-hour", "0"], "--flex-usd-per-gpu-hour must be more than 0"),
    ],
)
def test_misuse_is_one_sentence(files: list[str], options: list[str], message: str) -> None:
    """A wrong option names itself; exit code 2."""
    done = RUN.invoke(build_cost("sleep"), ["sleep", *files, *options])
    assert done.exit_code == 2
    assert message in done.output
