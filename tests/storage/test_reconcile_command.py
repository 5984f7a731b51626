"""`localfleet cost reconcile` as a user types it: ledger, engine pages over a restart, a provider's export, drift."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import AT, Clock, receipt
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.core.usage import Usage
from localfleet.errors import BadInput
from localfleet.storage.ledger import SqliteLedger
from localfleet.traces.counter_pages import readings

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, accepts: internal, api_key_env: A_KEY}
"""


def page(at_s: float, tokens: float, *, started_s: float = 1.0, waiting: int = 0, requests: float = 0.0) -> str:
    """What vLLM's /metrics says, with the line that tells when; two ranks add up."""
    half = tokens / 2
    return (
        f"# at {at_s:.0f}\n".replace(f"{at_s:.0f}", _iso(at_s))
        + "# HELP vllm:prompt_tokens_total Number of prefill tokens processed.\n"
        + "".join(f'vllm:prompt_tokens_total{{engine="{rank}",model_name="small"}} {half}\n' for rank in (0, 1))
        + f'vllm:generation_tokens_total{{engine="0",model_name="small"}} {tokens / 5}\n'
        + f'vllm:request_success_total{{finished_reason="stop"}} {requests}\n'
        + f"vllm:num_requests_waiting {waiting}\n"
        + f"process_start_time_seconds {started_s}\n"
    )


def _iso(at_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder whose ledger holds ten local and four hosted requests, and a models.yaml."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path))
    monkeypatch.setenv("A_KEY", "planted")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(FILE)
    ledger = SqliteLedger(tmp_path, clock=Clock())
    for number in range(10):
        ledger.settle(receipt(number, at=AT + 10 * number))
    for number in range(10, 14):
        usage = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=500)
        ledger.settle(
            receipt(number, at=AT + number, usage=usage, model="mini", tier="low_cost", cost_usd=Decimal("0.25"))
        )
    assert ledger.close()
    return tmp_path


def reconcile(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(build_cli("cost"), ["cost", "reconcile", *words])


def test_an_engine_that_restarted_still_adds_up(place: Path) -> None:
    """1,000 tokens in and 200 out, over two processes; the ledger says the same, so nothing is an alarm."""
    pages = page(AT - 5, 0) + page(AT + 45, 600) + page(AT + 99, 400, started_s=AT + 50)
    (place / "vllm.prom").write_text(pages)
    done = reconcile("--metrics", "vllm.prom", "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert {gap["measure"]: (gap["ledger"], gap["difference"]) for gap in said["gaps"]} == {
        "input_tokens": (1000.0, 0.0),
        "output_tokens": (200.0, 0.0),
    }
    assert said["engine"]["restarts"] == 1
    assert "restarted 1 time" in said["notes"][0]


def test_tokens_that_no_receipt_explains_are_an_alarm(place: Path) -> None:
    """Work that did not pass the router: a line that says how much, and exit code 1."""
    (place / "vllm.prom").write_text(page(AT - 5, 0) + page(AT + 99, 2000))
    done = reconcile("--metrics", "vllm.prom")
    assert done.exit_code == 1
    assert "alarm: small: engine has 50.0% more input tokens than the ledger" in done.output


def bill(place: Path, result: dict[str, Any], name: str) -> str:
    """An answer of OpenAI's API for the hour of the ledger's requests."""
    span = {"start_time": int(AT) - 600, "end_time": int(AT) + 3000}
    (place / name).write_text(json.dumps({"data": [{**span, "results": [result]}]}))
    return name


def test_a_provider_that_counts_the_same(place: Path) -> None:
    """Usage and money of one model, under the provider's dated name."""
    usage = {"input_tokens": 4000, "output_tokens": 400, "input_cached_tokens": 2000, "num_model_requests": 4}
    counted = bill(place, {**usage, "model": "gpt-4o-mini-2024-07-18"}, "usage.json")
    cost = {"amount": {"value": 1.0, "currency": "usd"}, "line_item": "gpt-4o-mini-2024-07-18, input"}
    done = reconcile("--invoice", counted, "--invoice", bill(place, cost, "cost.json"))
    assert done.exit_code == 0, done.output
    assert "all gaps are within 2.0%" in done.output


def test_a_bill_for_what_nobody_declares(place: Path) -> None:
    """A model that is in no entry of models.yaml, and one that cost more than the receipts say."""
    cost = {"amount": {"value": 1.5, "currency": "usd"}, "line_item": "gpt-4o-mini"}
    stranger = {"amount": {"value": 9, "currency": "usd"}, "line_item": "o1-pro"}
    done = reconcile("--invoice", bill(place, cost, "a.json"), "--invoice", bill(place, stranger, "b.json"), "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert {gap["model"]: gap["share"] for gap in said["gaps"]} == {"mini": pytest.approx(1 / 3), "o1-pro": 1.0}
    assert "o1-pro" in said["notes"][0]


@pytest.mark.parametrize(("usd", "alarms"), [(1.0, 0), (4.0, 1)])
def test_a_bill_that_names_no_model_is_held_against_the_sum(place: Path, usd: float, alarms: int) -> None:
    """As costs come where nobody grouped them: no stranger, and an alarm only where the sum is off."""
    usage = {"input_tokens": 4000, "output_tokens": 400, "input_cached_tokens": 2000, "num_model_requests": 4}
    counted = bill(place, {**usage, "model": "gpt-4o-mini"}, "usage.json")
    cost = bill(place, {"amount": {"value": usd, "currency": "usd"}, "line_item": None}, "cost.json")
    done = reconcile("--invoice", counted, "--invoice", cost, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, len(said["alarms"])) == (min(1, alarms), alarms)
    assert [gap["ledger"] for gap in said["gaps"] if (gap["model"], gap["measure"]) == ("all of openai", "usd")] == [1]
    assert {gap["model"] for gap in said["gaps"] if gap["measure"] != "usd"} == {"mini"}
    (note,) = said["notes"]
    assert note.startswith("openai names no model for usd, so the sums are compared: group the export by model")


def test_nothing_compared_is_no_all_clear(place: Path) -> None:
    """A file of something else is refused, and a period without a request is told: exit code 1 both times."""
    (place / "gpus.csv").write_text("gpu,vram_gb\nH100,80\n")
    assert "is no usage or cost export" in str(reconcile("--invoice", "gpus.csv").exception)
    (place / "page.json").write_text(json.dumps({"data": [{"start_time": 1, "end_time": 2, "results": []}]}))
    done = reconcile("--invoice", "page.json", "--days", "0.01")
    assert done.exit_code == 1
    assert "nothing was compared" in done.output


def test_a_box_that_drifted_is_told(place: Path) -> None:
    """Calibrated to one rate, full at half of it: twice the time a request, so calibrate again."""
    rows = [(i, o, 1e6 / (20 * i + 30 * o + 0.05 * o * (i + o / 2))) for i in (64, 1024, 4096) for o in (64, 512)]
    text = "".join(f"{i},{o},{rate}\n" for i, o, rate in rows)
    (place / "points.csv").write_text("input_tokens,output_tokens,requests_per_s\n" + text)
    runner = CliRunner()
    assert runner.invoke(build_cli("cost"), ["cost", "calibrate", "points.csv", "--out", "box.json"]).exit_code == 0
    rate = 1e6 / (20 * 500 + 30 * 100 + 0.05 * 100 * 550) / 2
    many = rate * 100
    pages = page(AT, 0, waiting=3) + page(AT + 100, 500 * many, requests=many, waiting=2)
    (place / "vllm.prom").write_text(pages)
    done = reconcile("--metrics", "vllm.prom", "--calibration", "box.json", "--tolerance", "1", "--out", "new.json")
    assert done.exit_code == 1
    assert "token work: the box takes 2.00 times what it was calibrated to" in done.output
    assert json.loads((place / "new.json").read_text())["token_work"]["shapes"] == 7


def test_prometheus_own_answer_is_read(tmp_path: Path) -> None:
    """The matrix of a range query, series of two ranks added up."""
    series = [
        {"metric": {"__name__": name, "engine": str(rank)}, "values": [[0, "0"], [60, "50"]]}
        for name in ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
        for rank in (0, 1)
    ]
    path = tmp_path / "range.json"
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}, indent=1))
    assert [(each.at_s, each.input_tokens) for each in readings([path])] == [(0.0, 0.0), (60.0, 100.0)]


def test_a_page_of_something_else_is_refused(place: Path) -> None:
    """Also where nothing was given, or the model cannot be told."""
    (place / "x.prom").write_text("node_cpu_seconds_total 5\n")
    with pytest.raises(BadInput, match="no token counters"):
        readings([place / "x.prom"])
    assert reconcile().exit_code == 2
    (place / "one.prom").write_text(page(AT, 5))
    assert reconcile("--metrics", "one.prom").exit_code == 2
