"""`cost replay` prices what spills, and says what a steady stream would need."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost

PLAN = """
api_models:
  - {id: dear, in: 10, out: 10, date: 2026-11-20, source: list}
  - {id: mini, in: 1, out: 2, date: 2026-11-20, source: list}
hardware: [{id: rent, gpu: H100 SXM, usd_gpu_h: 3, date: 2026-11-09, source: list}]
deployments: [{id: q8, hardware: rent, calibration: {kind: token_work, a_us: 1000}}]
workflows: [{workflow: chat, first_tier: q8, fallback: mini, monthly_requests: 1e5, avg_in: 1000, avg_out: 0}]
"""


@pytest.mark.parametrize("shed", [False, True])
def test_what_spills_is_priced_request_by_request(tmp_path: Path, *, shed: bool) -> None:
    """
    Ten requests of 1 s at once, then one after 100 s; 2 s to wait: seven of 1,000 tokens spill to the fallback.

    In a month of 730 hours that is 26,280 times as much. A steady stream of so few would need two boxes. Work that is
    shed is bought nowhere.
    """
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    rows = "".join(f"{at},1000,0\n" for at in [0] * 10 + [100])
    (tmp_path / "trace.csv").write_text("timestamp_s,input_tokens,output_tokens\n" + rows, encoding="utf-8")
    files = [str(tmp_path / "plan.yaml"), str(tmp_path / "trace.csv")]
    options = ["--must-stay", files[1], "--shed"] if shed else []
    done = CliRunner().invoke(build_cost("replay"), ["replay", *files, *options, "--boxes", "1", "--json"])
    said = json.loads(done.stdout)
    burst = said["bursts"][0]
    spilled = sum(each["spilled"] for each in burst["classes"])
    assert burst["usd_spill_month"] == pytest.approx(spilled * 0.001 * 26_280)
    assert sum(each["shed"] for each in burst["classes"]) == (10 if shed else 0)
    assert said["boxes_for_a_steady_stream"] == 2
    assert said["trace"]["requests"] == (22 if shed else 11)
    assert shed or spilled == 7
