"""`localfleet cost advise`, `alerts`, `savings`, `stack`, `scenario`, as a person types them, on a real ledger."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost

MODELS = """
version: 1
hardware:
  gpus:
    - {name: NVIDIA L40S, count: 1, usd_per_hour: "1.00"}
local:
  small: {engine: auto, weights: smollm2-135m-instruct}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, api_key_env: K, accepts: internal}
  best:
    provider: acme
    model: best
    tier: premium
    api_key_env: K
    accepts: public
    prices:
      - {since: 2026-01-01, usd_per_mtok_in: "5", usd_per_mtok_out: "25", source: the contract}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a models.yaml."""
    (tmp_path / "models.yaml").write_text(MODELS, encoding="utf-8")
    return tmp_path


def ask(folder: Path, home: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(build_cost(), list(words), env={"LOCALFLEET_HOME": str(home)})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def told(folder: Path, home: Path, *words: str) -> dict[str, Any]:
    """The JSON."""
    found: dict[str, Any] = json.loads(ask(folder, home, *words, "--json")[1])
    return found


def test_advise_grades_the_ledger_with_reasons(folder: Path, busy_home: Path) -> None:
    """Premium is 99.6 % of the bill, its answers make it, six requests failed, and a paid box stands by."""
    code, text, _ = ask(folder, busy_home, "advise")
    assert code == 1
    assert text.startswith("score ")
    found = told(folder, busy_home, "advise")
    kinds = {item["kind"] for item in found["findings"]}
    assert {"premium-cost", "output-length", "failed"} <= kinds
    assert found["usd_per_month_fixed"] == pytest.approx(730)
    assert found["requests_seen"] == 100
    assert not found["bother"]["worth_it"]
    assert "20% of the requests may not leave" in found["bother"]["sentence"]


def test_advise_scales_to_a_month(folder: Path, busy_home: Path) -> None:
    """Ten days of 1.10 dollars on premium are 730 / 240 times as much in a month."""
    tiers = {tier["role"]: tier for tier in told(folder, busy_home, "advise")["tiers"]}
    assert tiers["premium"]["usd"] == pytest.approx(1.10 * 730 / 240, rel=0.01)
    assert tiers["low_cost"]["request_share"] == pytest.approx(0.6)


def test_savings_name_both_figures(folder: Path, busy_home: Path) -> None:
    """The gross figure is a saving, the net one is a loss: the box of 730 dollars is in it."""
    found = told(folder, busy_home, "savings", "--baseline", "best")
    assert found["gross_share"] > 0
    assert found["usd_net"] == pytest.approx(found["usd_baseline"] - found["usd_hosted"] - 730)
    assert found["usd_net"] < 0
    code, _, error = ask(folder, busy_home, "savings", "--baseline", "nobody")
    assert code == 2
    assert "mini, best" in error


def test_an_empty_ledger_says_no_traffic(folder: Path, tmp_path: Path) -> None:
    """No grade, no saving, no division by zero."""
    code, text, _ = ask(folder, tmp_path / "none", "advise")
    assert code == 0
    assert text.startswith("no traffic")
    assert "No traffic" in ask(folder, tmp_path / "none", "savings", "--baseline", "best")[1]


def test_alerts_see_a_price_change_once(folder: Path, tmp_path: Path) -> None:
    """The first look notes, the next is silent; a new price shows, and after that is the noted one."""
    home = tmp_path / "state"
    assert "noted" in ask(folder, home, "alerts")[1]
    assert ask(folder, home, "alerts")[0] == 0
    file = folder / "models.yaml"
    entry = '      - {since: 2026-11-01, usd_per_mtok_in: "6", usd_per_mtok_out: "25", source: the letter}\n'
    file.write_text(file.read_text(encoding="utf-8") + entry, encoding="utf-8")
    code, text, _ = ask(folder, home, "alerts", "--keep")
    assert code == 1
    assert "best: in $5 -> $6 per million tokens" in text
    assert ask(folder, home, "alerts")[0] == 1, "--keep noted nothing"
    assert ask(folder, home, "alerts")[0] == 0


def test_a_broken_note_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    """Notes are never mended in silence."""
    (tmp_path / "prices_seen.json").write_text('{"mini": {"usd_per_mtok_in": "many"}}', encoding="utf-8")
    with pytest.raises(Exception, match=r"prices_seen\.json has an unknown shape"):
        ask(folder, tmp_path, "alerts")


def test_a_stack_from_a_preset_and_from_tasks(folder: Path, tmp_path: Path) -> None:
    """The preset is priced against the premium model; tasks take shares; JSON holds rows for `tasks:`."""
    code, text, _ = ask(folder, tmp_path, "stack", "--preset", "support", "--requests-per-month", "1e6")
    assert code == 0
    assert "best for the same requests" in text
    found = told(folder, tmp_path, "stack", "--task", "intent=3", "--task", "planning=1", "--restricted", "0.5")
    assert [row["requests"] for row in found["rows"]] == [37_500, 37_500, 12_500, 12_500]
    assert found["tasks"]["planning"] == {"first": "best"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stack"], "--preset"),
        (["stack", "--preset", "x"], "--preset must be one of: chatbot"),
        (["stack", "--task", "x"], "--task must be one of: intent"),
        (["stack", "--task", "intent=nan"], "--task intent must be a"),
        (["stack", "--preset", "rag", "--restricted", "2"], "--restricted must be at most 1"),
        (["stack", "--preset", "rag", "--requests-per-month", "-1"], "--requests-per-month must be at least 0"),
        (["advise", "--fixed-usd-per-month", "x"], "--fixed-usd-per-month must be a plain number"),
        (["advise", "--spare-ms", "-5"], "--spare-ms must be at least 0"),
    ],
)
def test_bad_input_is_named(folder: Path, tmp_path: Path, words: list[str], says: str) -> None:
    """Exit 2 and one sentence that names the option."""
    code, _, error = ask(folder, tmp_path, *words)
    assert code == 2
    assert says in error


def test_scenarios_are_kept_and_asked_again(folder: Path, tmp_path: Path) -> None:
    """Saved with the options that were typed; the same prices give the same answer; deleted is gone."""
    home = tmp_path / "state"
    code, text, _ = ask(folder, home, "scenario", "save", "big", "--gpu", "h100", "--requests-per-month", "3e6")
    assert code == 0
    answer = text.strip().splitlines()[-1]
    kept = told(folder, home, "scenario", "list")
    assert kept["big"]["options"] == {"gpu": "h100", "requests_per_month": "3e6"}
    assert kept["big"]["answer"] == answer
    shown = told(folder, home, "scenario", "show", "big")
    assert shown["same_answer"]
    assert shown["now"]["workload"]["requests_per_month"] == 3e6
    file = folder / "models.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace('"5"', '"0.001"').replace('"25"', '"0.001"'))
    assert "today: At 3,000,000 requests" in ask(folder, home, "scenario", "show", "big")[1]
    assert ask(folder, home, "scenario", "delete", "big")[0] == 0
    with pytest.raises(Exception, match="no scenario has this name; saved are: none"):
        ask(folder, home, "scenario", "show", "big")


def test_a_scenario_that_cannot_be_answered_is_not_kept(folder: Path, tmp_path: Path) -> None:
    """Options are tried before they are saved."""
    assert ask(folder, tmp_path, "scenario", "save", "x", "--gpu", "abacus")[0] == 2
    assert told(folder, tmp_path, "scenario", "list") == {}
