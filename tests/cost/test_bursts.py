"""Replay, demos and worksheet as commands: published figures on the public traces, and properties on our own."""

import contextlib
import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost
from localfleet.core.advice.worksheet import Line, priced, scenarios
from localfleet.traces.worksheet import COLUMNS

SHARED = Path(__file__).parents[3] / "shared" / "cost"
CODE, CONV = (SHARED / f"AzureLLMInferenceTrace_{name}.csv" for name in ("code", "conv"))
public_traces = pytest.mark.skipif(not CODE.exists(), reason="the public traces are not beside this checkout")

PLAN = """
api_models: [{id: mini, in: .15, out: .60, date: 2026-11-20, source: the list}]
hardware: [{id: rent, gpu: H100 SXM, usd_gpu_h: 3.99, date: 2026-11-09, source: RunPod}]
deployments:
  - {id: q8, hardware: rent, calibration: {kind: token_work, a_us: 17.42, b0_us: 28.18, k_us: .05908}}
  - {id: pro, hardware: rent, calibration: {kind: token_work, a_us: 116.5, b0_us: 130.8, k_us: .24118}}
  - {id: told, hardware: rent, calibration: {kind: stated, requests_per_s: 20}}
workflows: [{workflow: w, first_tier: q8, monthly_requests: 1e6, avg_in: 1000, avg_out: 100}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Two measured boxes and a stated one."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


def run(*words: str, home: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `localfleet cost`."""
    env = {"LOCALFLEET_HOME": str(home)} if home else {}
    done = CliRunner().invoke(build_cost(words[0]), list(words), env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def told(*words: str, home: Path | None = None) -> dict[str, Any]:
    """The JSON."""
    code, text, error = run(*words, "--json", home=home)
    assert text, (code, error)
    found: dict[str, Any] = json.loads(text)
    return found


def spills(found: dict[str, Any]) -> list[float]:
    """Per cent of requests that spilled, by number of boxes."""
    return [round(burst["left_share"] * 100, 2) for burst in found["bursts"]]


def test_a_replay_says_what_the_error_of_the_speed_does_to_it(plan: Path, tmp_path: Path) -> None:
    """With a stated error the boxes of a box so much slower stand beside; without one it is unknown, and says so."""
    rows = "".join(f"{number * 0.055},1500,200\n" for number in range(4000))
    (tmp_path / "trace.csv").write_text("timestamp_s,input_tokens,output_tokens\n" + rows, encoding="utf-8")
    words = ["replay", str(plan), str(tmp_path / "trace.csv")]
    assert "Nobody measured the error" in run(*words)[1]
    assert told(*words)["boxes_needed_if_slower"] is None
    plan.write_text(PLAN.replace("k_us: .05908}", "k_us: .05908, mape: .25}"), encoding="utf-8")
    found = told(*words)
    assert (found["boxes_needed"], found["boxes_needed_if_slower"], found["speed_error_share"]) == (1, 2, 0.25)
    assert "Were the box slower by the error of its speed (25 %), it would take 2 boxes" in run(*words)[1]
    assert any("know nothing of the rest of the day" in doubt for doubt in found["doubts"])


@public_traces
@pytest.mark.parametrize(
    ("deployment", "trace", "published", "within"),
    [
        ("q8", CODE, [1.63, 0, 0], 0.05),
        ("q8", CONV, [0, 0, 0], 0.05),
        ("pro", CODE, [54.69, 24.83, 12.22], 0.2),
        ("pro", CONV, [22.44, 0.18, 0], 0.2),
    ],
)
def test_v11_spill_of_the_public_traces(
    plan: Path, deployment: str, trace: Path, published: list[float], within: float
) -> None:
    """The published spill of 1, 2 and 3 boxes at 2 s; `pro` is printed with three digits, which moves it a little."""
    words = ["replay", str(plan), str(trace), "--deployment", deployment]
    found = told(*words, *(word for count in "123" for word in ("--boxes", count)))
    assert spills(found) == pytest.approx(published, abs=within)


@public_traces
def test_v15_work_that_must_stay_makes_the_rest_free() -> None:
    """Code needs two boxes; chat beside it costs about 4 dollars a month in place of 4,358."""
    found = told("demo", "mandatory-local", "--code", str(CODE), "--conv", str(CONV))["answers"]
    assert found["What is owed anyway?"] == "$5,825 a month"
    assert found["What would it cost outside?"] == "$4,358 a month"
    assert float(found["What does chat add?"].strip("$ amonth")) == pytest.approx(4, abs=1)


@pytest.mark.parametrize("name", ["n-plus-one", "mandatory-local"])
def test_a_demo_needs_no_file(name: str, tmp_path: Path) -> None:
    """One command, a plot, and the published order of the three bills."""
    page = tmp_path / "d.html"
    code, text, _ = run("demo", name, "--html", str(page))
    assert code == 0
    assert "<svg" in page.read_text(encoding="utf-8")
    last = text.splitlines()[-1]
    assert "$4,358" in last
    assert "$5,825" in last
    if name == "n-plus-one":
        assert "one H100 $2,913 < gpt-4o-mini $4,358 < one H100 and a spare $5,825" in last
    else:
        added = told("demo", name)["answers"]["What does chat add?"]
        assert 0 < float(added.strip("$ amonth")) < 50


def test_a_demo_takes_two_traces_or_none(tmp_path: Path) -> None:
    """One trace alone, or one that cannot be read, is refused."""
    assert run("demo", "n-plus-one", "--code", "x.csv")[0] == 2
    code, _, error = run("demo", "n-plus-one", "--code", "x.csv", "--conv", "y.csv")
    assert code == 2
    assert "cannot be read" in error


def trace(folder: Path, rows: list[str], header: str = "timestamp_s,input_tokens,output_tokens") -> Path:
    """A trace of our own."""
    file = folder / "t.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def test_restricted_requests_never_leave(plan: Path, tmp_path: Path) -> None:
    """Of 200 long requests at once, the public ones spill and the restricted ones wait, or are refused with --shed."""
    rows = [f"{n / 1000},4000,1000,{'restricted' if n % 2 else 'public'}" for n in range(200)]
    file = trace(tmp_path, rows, "timestamp_s,input_tokens,output_tokens,label")
    waiting = told("replay", str(plan), str(file), "--boxes", "1")["bursts"][0]["classes"]
    shedding = told("replay", str(plan), str(file), "--boxes", "1", "--shed")["bursts"][0]["classes"]
    free, stays = waiting
    assert free["spilled"] > 0
    assert (stays["spilled"], stays["shed"]) == (0, 0)
    assert stays["over_budget"] > 0
    assert shedding[1]["shed"] > 0
    assert shedding[1]["spilled"] == 0


def test_more_boxes_never_spill_more_and_twice_the_rate_never_less(plan: Path, tmp_path: Path) -> None:
    """Both on a burst of our own."""
    file = trace(tmp_path, [f"{n * 0.02},2000,200" for n in range(500)])
    some_boxes = [word for count in "1234" for word in ("--boxes", count)]
    once = spills(told("replay", str(plan), str(file), *some_boxes))
    twice = spills(told("replay", str(plan), str(file), "--rate", "2", *some_boxes))
    assert once == sorted(once, reverse=True)
    assert all(slow <= fast for slow, fast in zip(once, twice, strict=True))
    assert once[0] > 0


def test_the_number_of_boxes_is_the_answer(plan: Path, tmp_path: Path) -> None:
    """Exit 0 with a number, 1 where none that was asked for is enough; the report has the plot."""
    file = trace(tmp_path, [f"{n * 0.02},2000,200" for n in range(500)])
    page = tmp_path / "r.html"
    code, text, _ = run("replay", str(plan), str(file), "--html", str(page))
    assert code == 0
    assert "boxes keep every request within 2 s" in text.splitlines()[-1]
    assert "<svg" in page.read_text(encoding="utf-8")
    code, text, _ = run("replay", str(plan), str(file), "--boxes", "1")
    assert code == 1
    assert "1 boxes are not enough" in text


@pytest.mark.parametrize(
    ("rows", "words", "says"),
    [
        (["0,1,1"], [], "a rate needs a span of time"),
        ([], [], "holds no requests"),
        (["5,1,1", "1,1,1"], [], "t.csv:3"),
        (["0,-1,1", "1,1,1"], [], "must not be negative"),
        (["0,nan,1", "1,1,1"], [], "t.csv:2"),
        (["0,1,1", "1,1,1"], ["--rate", "0"], "--rate must be more than 0"),
        (["0,1,1", "1,1,1"], ["--spill", "2"], "--spill must be at most 1"),
        (["0,1,1", "1,1,1"], ["--deployment", "told"], "a replay needs `calibration"),
    ],
)
def test_bad_traces_and_options_are_named(
    plan: Path, tmp_path: Path, rows: list[str], words: list[str], says: str
) -> None:
    """Exit 2 and the file's line, or the option."""
    code, _, error = run("replay", str(plan), str(trace(tmp_path, rows)), *words)
    assert code == 2
    assert says in error


SHEET = f"""{",".join(COLUMNS)}
triage,gpt-4o-mini,gpt-4o,100000,800,50,8%,2%,
answers,low_cost,premium,20000,2000,400,45%,1%,
notes,local,,50000,1000,200,0,0,
"""


def test_s75_the_worksheet_comes_back_with_its_last_column(tmp_path: Path) -> None:
    """Exactly the nine columns; mini twice in a hundred and 4o in eight: 0.00015 x 1.02 + 0.08 x 0.0025 = 0.000353."""
    file = tmp_path / "w.csv"
    file.write_text(SHEET, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        code, text, _ = run("worksheet", str(file), "--csv", "--fixed-usd-per-month", "3000")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert code == 0
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[0]["cost per completed action"]) == pytest.approx(0.000353)
    assert float(rows[2]["cost per completed action"]) == pytest.approx(3000 / 50_000)
    assert {key: rows[1][key] for key in ("fallback rate", "monthly requests")} == {
        "fallback rate": "0.45",
        "monthly requests": "20000",
    }


def test_a_box_without_a_price_is_unknown_and_not_free(tmp_path: Path) -> None:
    """The local row is empty, and no sum is printed."""
    file = tmp_path / "w.csv"
    file.write_text(SHEET, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        assert run("worksheet", str(file), "--csv")[1].splitlines()[-1].endswith(",0,0,")
        assert "no price is known for notes" in run("worksheet", str(file))[1]
        file.write_text(SHEET.replace("premium", "nobody"), encoding="utf-8")
        code, _, error = run("worksheet", str(file))
    assert code == 2
    assert "the tier of answers must be one of" in error


def test_the_ledger_as_a_worksheet(tmp_path: Path, busy_home: Path) -> None:
    """One row for each task of the ledger, in the worksheet's columns."""
    with contextlib.chdir(tmp_path):
        (tmp_path / "models.yaml").write_text(
            "version: 1\nhosted:\n"
            "  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, api_key_env: K, accepts: internal}\n"
            "  best: {provider: openai, model: gpt-4o, tier: premium, api_key_env: K, accepts: public}\n",
            encoding="utf-8",
        )
        rows = told("worksheet", "--fixed-usd-per-month", "100", home=busy_home)["rows"]
    assert {row["workflow"]: row["first_tier"] for row in rows} == {"intent": "mini", "essay": "best", "notes": "local"}
    assert all(row["usd_per_completed_action"] > 0 for row in rows)


def test_a_model_that_is_not_listed_any_more_has_an_unknown_price(tmp_path: Path, busy_home: Path) -> None:
    """Of the ledger a worksheet is made all the same; nothing is guessed and nothing is free."""
    with contextlib.chdir(tmp_path):
        rows = told("worksheet", home=busy_home)["rows"]
    assert [row["usd_per_completed_action"] for row in rows] == [None, None, None]


shares = some.decimals(0, 1, places=3)
prices = some.decimals(Decimal("0.0001"), 1, places=4)


@settings(deadline=None)
@given(prices, prices, shares, shares)
def test_trying_first_pays_exactly_up_to_the_limit(
    first: Decimal, second: Decimal, fallback: Decimal, retry: Decimal
) -> None:
    """Below the limit the worksheet's row is cheaper than starting at the fallback, above it is not."""
    line = Line(
        workflow="w",
        first_tier="a",
        fallback="b",
        requests=Decimal(1),
        input_tokens=Decimal(1),
        output_tokens=Decimal(1),
        fallback_share=fallback,
        retry_share=retry,
        usd_first=first,
        usd_fallback=second,
    )
    done = priced(line)
    assert done.limit_share is not None
    at_once = scenarios([line])[-1].usd_per_month
    assert at_once is not None
    assert done.usd_per_month is not None
    # Once at the fallback, retries are counted there too; without them the two meet at the limit.
    plain = at_once / (1 + retry)
    assert (done.usd_per_month <= plain) == (fallback <= done.limit_share)


def test_a_plan_is_sized_on_its_trace(tmp_path: Path) -> None:
    """A steady trace needs one box, a bursty one of the same volume needs more, or lets a little spill."""
    body = PLAN.replace("monthly_requests: 1e6", "monthly_requests: 20e6").replace(
        "in: .15, out: .60", "in: .6, out: 2.4"
    )
    kind = "traffic: {kind: trace, path: t.csv}\n"
    file = tmp_path / "plan.yaml"
    file.write_text(body.replace("- {id: q8, hardware: rent,", "- {id: q8, hardware: rent, redundancy: 0,") + kind)
    steady = [f"{n * 0.5},1000,100" for n in range(2000)]
    bursty = [f"{n // 200 * 100 + (n % 200) * 0.01},1000,100" for n in range(2000)]
    trace(tmp_path, steady)
    even = told("plan", str(file))
    trace(tmp_path, bursty)
    burst = told("plan", str(file))
    assert {bill["kind"]: bill["boxes"] for bill in even["bills"]}["box"] == 1
    assert {bill["kind"]: bill["boxes"] for bill in burst["bills"]}["box"] > 1
    (mix,) = (bill for bill in burst["bills"] if bill["kind"] == "mixed")
    assert "what spills on mini" in mix["option"]
    assert 0 < mix["usd_per_month_hosted"] < mix["usd_per_month_fixed"]
    assert "a replay, section Bursts" in json.dumps(burst["assumed"])


def test_a_plan_on_the_ledger_says_where_it_is_empty(plan: Path, tmp_path: Path) -> None:
    """`router_log` without requests is refused, with the other way to go."""
    plan.write_text(PLAN + "traffic: {kind: router_log}\n", encoding="utf-8")
    code, _, error = run("plan", str(plan), home=tmp_path)
    assert code == 2
    assert "traffic: the ledger holds no requests" in error


def test_a_plan_on_the_ledger(plan: Path, busy_home: Path) -> None:
    """The busy ledger's hundred requests are played at the plan's volume."""
    plan.write_text(PLAN + "traffic: {kind: router_log}\n", encoding="utf-8")
    code, text, _ = run("plan", str(plan), home=busy_home)
    assert code == 0
    assert "100 requests in" in text


def test_a_plan_on_a_trace_says_what_to_doubt_about_it(tmp_path: Path) -> None:
    """The trace's doubts stand among the plan's, and the error of the speed beside the boxes it needs."""
    rows = "".join(f"{number * 0.055},1500,200\n" for number in range(4000))
    (tmp_path / "trace.csv").write_text("timestamp_s,input_tokens,output_tokens\n" + rows, encoding="utf-8")
    text = PLAN.replace("k_us: .05908}", "k_us: .05908, mape: .25}") + "traffic: {kind: trace, path: trace.csv}\n"
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    warnings = told("plan", str(tmp_path / "plan.yaml"))["warnings"]
    assert any("know nothing of the rest of the day" in each for each in warnings)
    assert "Were the box slower by the error of its speed (25 %)" in run("plan", str(tmp_path / "plan.yaml"))[1]
