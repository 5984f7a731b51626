"""`scripts/compare_costs.py` as a newcomer runs it, in a real process."""

import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from here import run_here
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost
from localfleet.cli.cost_compare import main as compare

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "compare_costs.py"
MODELS = """
version: 1
hardware:
  gpus:
    - {name: NVIDIA L40S, count: 2, usd_per_hour: "1.50"}
hosted:
  mini:
    {provider: openai, model: gpt-4o-mini, tier: low_cost, api_key_env: OPENAI_API_KEY, accepts: internal}
  ours:
    provider: acme
    model: secret-sauce
    tier: low_cost
    api_key_env: ACME_KEY
    accepts: public
    prices:
      - {since: 2026-01-01, usd_per_mtok_in: "0.02", usd_per_mtok_out: "0.04", source: the contract}
  mystery:
    {provider: acme, model: unlisted, tier: low_cost, api_key_env: ACME_KEY, accepts: public}
"""


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *options: str, **env: str) -> Done:
    """Run the script in a folder, as its own process."""
    plain = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "COLUMNS", "NO_COLOR"}}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        cwd=folder,
        env={**plain, "LOCALFLEET_HOME": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def typed(folder: Path, *options: str, **env: str) -> Done:
    """The script's program inside this process, with little around it."""
    done = run_here(*options, folder=folder, env={"LOCALFLEET_HOME": str(folder), **env}, program=compare)
    return Done(done.returncode, done.stdout, done.stderr)


def ask(folder: Path, *options: str) -> Done:
    """The same command as a group's member, inside this process: fast enough for many cases."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(build_cost(), ["compare", *options], env={"LOCALFLEET_HOME": str(folder)})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def report(folder: Path, *options: str) -> dict[str, Any]:
    """Its JSON."""
    done = ask(folder, "--json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_answers_with_no_file_at_all(tmp_path: Path) -> None:
    """One option, one sentence: plain text, the answer last."""
    done = typed(tmp_path, "--gpu", "H100")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    last = done.stdout.strip().splitlines()[-1]
    assert re.fullmatch(
        r"At 200,000 requests a month stay on .+: \$[\d.,]+ against \$[\d.,]+ for the H100 SXM; .+\.", last
    )
    assert "\x1b" not in done.stdout
    assert "litellm-" in done.stdout
    assert "2026-11-09" in done.stdout


def test_json_holds_every_figure_with_its_source(tmp_path: Path) -> None:
    """Amortised hourly cost, break-even, price source and version are in the object."""
    found = report(tmp_path, "--gpu", "H100", "--usd-per-hour", "4", "--staff-usd-per-month", "0")
    assert found["box"]["usd_per_month_total"] == 2920
    assert found["box"]["usd_per_gpu_hour_amortised"] == 4
    assert found["box"]["capacity_level"] == "roofline"
    assert found["box"]["capacity_error_share"] == 0.35
    mini = next(line for line in found["hosted"] if line["name"] == "gpt-4o-mini")
    assert mini["price"]["version"].startswith("litellm-")
    assert mini["price"]["source"].startswith("https://")
    assert mini["break_even"]["requests_per_month"] == pytest.approx(2920 / mini["usd_per_request"])


def test_models_yaml_in_the_folder_is_used(tmp_path: Path) -> None:
    """Its GPU, its hosted models, its own prices; a model without a price stays unknown."""
    (tmp_path / "models.yaml").write_text(MODELS)
    found = report(tmp_path)
    assert found["box"]["name"] == "2 x L40S"
    assert found["box"]["usd_per_gpu_hour_rent"] == 1.5
    assert found["against"] == "ours"
    by_name = {line["name"]: line for line in found["hosted"]}
    assert set(by_name) == {"mini", "ours", "mystery"}
    assert by_name["mystery"]["usd_per_month_total"] is None
    assert by_name["ours"]["price"]["version"] == "models.yaml@2026-01-01"
    assert by_name["ours"]["usd_per_month_total"] == pytest.approx(200_000 * (1000 * 0.02 + 300 * 0.04) / 1e6)
    assert any("days old" in warning and "ours" in warning for warning in found["warnings"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert report(elsewhere, "--config", str(tmp_path / "models.yaml"), "--against", "mini")["against"] == "mini"


def test_a_bought_box_shows_its_parts(tmp_path: Path) -> None:
    """The owned workstation of the study: $0.5347 a GPU hour when always busy, here with its own parts."""
    options = (
        "--gpu", "RTX PRO 6000", "--purchase-usd", "12500", "--residual-usd", "3125", "--life-months", "48",
        "--cost-of-capital", "0.08", "--power-w", "850", "--idle-share", "1", "--pue", "1.1",
    )  # fmt: skip
    box = report(tmp_path, *options)["box"]
    assert box["usd_per_gpu_hour_amortised"] == pytest.approx(0.5347143312507555)
    assert box["usd_per_gpu_hour_capital"] == pytest.approx(0.3516561120726733)
    assert box["usd_per_gpu_hour_power"] == pytest.approx(0.14025)
    assert box["usd_per_month_staff"] == 2000


def test_what_is_typed_beats_the_file(tmp_path: Path) -> None:
    """A bought box of the file keeps its price; a typed figure replaces the file's, a typed price its price."""
    gpu = '{name: h100, count: 2, purchase_usd: "20000", residual_usd: "5000", pue: "1.1", usd_per_kwh: "0.2"}'
    (tmp_path / "models.yaml").write_text(MODELS.replace('{name: NVIDIA L40S, count: 2, usd_per_hour: "1.50"}', gpu))
    plain, typed, rented = (
        report(tmp_path, *options)["assumed"]
        for options in ((), ("--pue", "1.5", "--gpus", "4"), ("--usd-per-hour", "2"))
    )
    assert plain["price of the box"] == "bought for $40,000, as stated"
    assert (plain["residual USD"], plain["PUE"], plain["USD per kWh"]) == ("10000", "1.1", "0.2")
    assert typed["price of the box"] == "bought for $80,000, as stated"
    assert (typed["residual USD"], typed["PUE"], typed["USD per kWh"]) == ("20000", "1.5", "0.2")
    assert rented["price of the box"] == "$2 per GPU and hour, as stated"


def test_a_measured_calibration_replaces_the_estimate(tmp_path: Path) -> None:
    """Coefficients or a stated rate are labelled as such."""
    work = report(tmp_path, "--gpu", "h100", "--token-work-us", "17.42,28.18,0.05908")["box"]
    assert work["capacity_level"] == "calibrated"
    assert work["box_seconds_per_request"] == pytest.approx((17420 + 28.18 * 300 + 0.05908 * 300 * 1150) / 1e6)
    rate = report(tmp_path, "--gpu", "h100", "--tokens-per-second", "3000")["box"]
    assert (rate["capacity_level"], rate["box_seconds_per_request"]) == ("stated", 0.1)


def test_no_traffic_is_said(tmp_path: Path) -> None:
    """Zero requests: no table, no zero, no infinity."""
    done = ask(tmp_path, "--requests-per-month", "0")
    assert done.returncode == 0
    assert done.stdout.strip().splitlines()[-1] == "no traffic: nothing to compare"
    found = report(tmp_path, "--requests-per-month", "0")
    assert (found["box"], found["hosted"]) == (None, [])


def test_no_known_price_is_a_problem_found(tmp_path: Path) -> None:
    """Exit code 1 and the box's own cost."""
    start = MODELS.index("  mini:")
    (tmp_path / "models.yaml").write_text(MODELS[:start] + MODELS[MODELS.index("  mystery:") :])
    done = ask(tmp_path)
    assert done.returncode == 1
    assert "No usable hosted model has a known price" in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--gpu", "banana"), r"--gpu 'banana' is no GPU known here; known: H100 SXM, .+"),
        (("--gpus", "1.5"), r"--gpus must be a whole number"),
        (("--gpus", "0"), r"--gpus must be at least 1"),
        (("--usd-per-hour", "-4"), r"--usd-per-hour must be more than 0"),
        (("--usd-per-hour", "NaN"), r"--usd-per-hour must be a finite number"),
        (("--requests-per-month", "inf"), r"--requests-per-month must be a finite number"),
        (("--requests-per-month", "1e999999"), r"--requests-per-month must be at most .+"),
        (("--requests-per-month", "1e-99999"), r"--requests-per-month must be 0 or at least .+"),
        (("--requests-per-month", "lots"), r"--requests-per-month must be a plain number, .+"),
        (("--input-tokens", "0", "--output-tokens", "0"), r"--input-tokens and --output-tokens cannot both be 0"),
        (("--cached-share", "0.7", "--cache-write-share", "0.4"), r"--cached-share and --cache-write-share .+"),
        (("--usd-per-hour", "4", "--purchase-usd", "30000"), r"--usd-per-hour is for a rented box, .+"),
        (("--gpu", "L4", "--own"), r"--purchase-usd is needed: .+"),
        (("--gpu", "5090"), r"--gpu RTX 5090 with --model-params-b 8: .+--tokens-per-second.+"),
        (("--gpu", "L4", "--model-params-b", "70"), r"--gpu L4 with --model-params-b 70: .+do not fit.+"),
        (("--token-work-us", "1,2"), r"--token-work-us takes three numbers, .+"),
        (("--token-work-us", "0,0,0"), r"--token-work-us gives no work .+"),
        (("--tokens-per-second", "9", "--output-tokens", "0"), r"--tokens-per-second counts output tokens .+"),
        (("--purchase-usd", "100", "--residual-usd", "200"), r"--residual-usd cannot exceed .+"),
        (("--against", "nobody"), r"--against 'nobody' is no hosted model .+"),
        (("--config", "nowhere.yaml"), r"nowhere\.yaml:1: cannot be read .+"),
    ],
)
def test_misuse_is_one_sentence_that_names_the_option(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr."""
    done = ask(tmp_path, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(sentence, done.stderr.strip()), done.stderr


def test_a_narrow_terminal_is_respected(tmp_path: Path) -> None:
    """At 44 columns no line is longer, and the figures survive."""
    done = typed(tmp_path, "--gpu", "H100", FORCE_COLOR="1", COLUMNS="44")
    assert done.returncode == 0
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in done.stdout.splitlines()]
    assert max(len(line) for line in lines) <= 44
    assert any("4,912.70" in line for line in lines)
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)


def test_the_script_speaks_json_and_ends_with_the_right_code(tmp_path: Path) -> None:
    """The real process: JSON on stdout with code 0, one sentence on stderr with code 2."""
    (tmp_path / "models.yaml").write_text(MODELS)
    done = run(tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["against"] == "ours"
    wrong = run(tmp_path, "--gpus", "0")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "--gpus must be at least 1\n")


def seen(folder: Path, name: str, **figures: float) -> None:
    """Leave what a watch over the GPUs leaves in the state folder."""
    sums = {
        "mean_w": 300.0,
        "seconds": 9000,
        "busy_w": 612.4,
        "busy_seconds": 7200,
        "idle_w": 61.24,
        "idle_seconds": 90,
    }
    entry = {"name": name, **sums, **figures, "until": "2026-11-20T08:00:00+00:00"}
    (folder / "gpu_power.json").write_text(json.dumps({"version": 1, "gpus": [entry]}), encoding="utf-8")


def power(found: dict[str, Any]) -> tuple[str, str]:
    """Watts of the box under load, and the share of them that it draws when idle."""
    return found["assumed"]["power of the box W"], found["assumed"]["idle share of power"]


def test_measured_watts_go_before_the_data_sheet(tmp_path: Path) -> None:
    """What the cards were seen to draw is the power of the box, said to be measured, and the idle share with it."""
    seen(tmp_path, "NVIDIA H100 80GB HBM3")
    found = report(tmp_path, "--own", "--gpu", "H100", "--gpus", "2")
    assert power(found) == ("1224 (measured under load for 2.0 h, until 2026-11-20)", "0.10")
    assert "the power is that of the cards alone: add the server's with --power-w" in found["warnings"]


def test_what_was_said_goes_before_what_was_measured(tmp_path: Path) -> None:
    """Options win; a card of another kind, or one never seen at work, is no measure of this one."""
    seen(tmp_path, "NVIDIA H100 80GB HBM3")
    assert power(report(tmp_path, "--own", "--power-w", "900", "--idle-share", "0.2")) == ("900", "0.2")
    seen(tmp_path, "NVIDIA L4")
    assert power(report(tmp_path, "--own")) == ("700", "0.3")
    seen(tmp_path, "NVIDIA H100 80GB HBM3", busy_seconds=30)
    assert power(report(tmp_path, "--own")) == ("700", "0.3")
    seen(tmp_path, "NVIDIA H100 80GB HBM3", idle_seconds=0)
    assert power(report(tmp_path, "--own"))[1] == "0.3"


def test_batch_rates_halve_what_may_wait(tmp_path: Path) -> None:
    """Hosted models with a batch price are half as dear; the one without keeps its price, and is named."""
    (tmp_path / "models.yaml").write_text(MODELS, encoding="utf-8")
    plain, batch = (json.loads(ask(tmp_path, "--json", *more).stdout) for more in ((), ("--batch",)))
    usd = [{row["name"]: row["usd_per_month_total"] for row in each["hosted"]} for each in (plain, batch)]
    assert usd[1]["mini"] == pytest.approx(usd[0]["mini"] / 2)
    assert usd[1]["ours"] == usd[0]["ours"]
    assert "no batch price is known, the plain one counts: ours" in " ".join(batch["warnings"])
