"""The price of an hour in a plan: zero while work fits, else what is left outside would save."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost

PLAN = """
api_models: [{{id: mini, in: .15, out: .60, date: 2026-11-20, source: the list}}]
hardware: [{{id: rent, gpu: H100 SXM, usd_gpu_h: 3.99, date: 2026-11-09, source: RunPod}}]
deployments: [{{id: q8, hardware: rent, redundancy: 0, calibration: {{kind: stated, requests_per_s: 20}}}}]
workflows: [{{workflow: w, first_tier: q8, monthly_requests: {requests}, avg_in: 1000, avg_out: 100}}]
traffic: {{peak_to_mean: 1, day_shape: {shape}}}
"""
FLAT, BUSY_NOON = [1] * 24, [1] * 11 + [12, 12] + [1] * 11


def plan(folder: Path, requests: str, shape: list[int]) -> Path:
    """A plan of one work with this demand by hour."""
    file = folder / "plan.yaml"
    file.write_text(PLAN.format(requests=requests, shape=shape), encoding="utf-8")
    return file


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    done = CliRunner().invoke(build_cost("plan"), ["plan", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_while_work_fits_one_more_is_free(tmp_path: Path) -> None:
    """20 million a month are 7.6 a second, a box does 17 within its limit: free in every hour."""
    text = run(str(plan(tmp_path, "20e6", FLAT)))[1]
    assert "so one request more is free at any time" in text


def test_a_busy_noon_has_a_price(tmp_path: Path) -> None:
    """The same month with six times as much at noon: two hours leave work outside, at what it would save a second."""
    page = tmp_path / "r.html"
    text = run(str(plan(tmp_path, "20e6", BUSY_NOON)), "--html", str(page))[1]
    assert "work is left outside in 2 of 24 hours" in text
    assert "$0.0042" in text, "0.00021 dollars a request over 0.05 seconds"
    assert "The price of a busy second, by hour" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [[1, 2, 3], [0] * 24])
def test_a_shape_is_a_day_or_a_week(tmp_path: Path, shape: list[int]) -> None:
    """Anything else is refused by name."""
    code, _, error = run(str(plan(tmp_path, "1e6", shape)))
    assert code == 2
    assert "`day_shape` has 24 numbers" in error


def test_a_trace_of_days_tells_its_hours(tmp_path: Path) -> None:
    """Three days of a request a minute, ten at noon: the section names how many hours it has seen."""
    rows = [
        f"{minute * 60},1000,100" for minute in range(3 * 1440) for _ in range(10 if minute % 1440 // 60 == 12 else 1)
    ]
    (tmp_path / "t.csv").write_text("timestamp_s,input_tokens,output_tokens\n" + "\n".join(rows), encoding="utf-8")
    file = plan(tmp_path, "1e6", FLAT)
    text = file.read_text(encoding="utf-8").replace(
        "{kind: stated, requests_per_s: 20}", "{kind: token_work, a_us: 20}"
    )
    file.write_text(text.split("traffic:")[0] + "traffic: {kind: trace, path: t.csv}\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(run(str(file), "--json")[1])
    assert found["best"]
    assert "t.csv, 72 of 168 hours seen" in run(str(file))[1]
