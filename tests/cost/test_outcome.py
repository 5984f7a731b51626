"""A plan worked out: published figures, the flips of the study, and properties that hold for any case."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import permutations
from math import log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost
from localfleet.core.cost.capacity import Capacity, Level
from localfleet.core.cost.hour import Owned, Rented
from localfleet.core.plan.bills import (
    all_hosted,
    all_local,
    best_mix,
    boxes_for,
    busy_boxes,
    hosted_usd,
    mean_load_per_box,
)
from localfleet.core.plan.case import Arrivals, BoxCase, Case, Hosted, Work
from localfleet.core.plan.crossing import crossing
from localfleet.core.plan.stakes import INPUTS, stakes
from localfleet.core.pricing import Price
from localfleet.cost.chances import chances
from localfleet.cost.outcome import work_out
from localfleet.cost.sheets import sheet_of

TODAY = date(2026, 11, 25)
MINI = Hosted(
    name="gpt-4o-mini",
    price=Price(
        usd_per_mtok_in=Decimal("0.15"), usd_per_mtok_out=Decimal("0.60"), since=date(2026, 11, 20), source="the list"
    ),
)
CONV = Work(name="conv", requests=14_534_000, input_tokens=1154.7, output_tokens=211.1)
"""The published month of the Azure conversation trace: 14.53 M requests, 16.78 B tokens in, 3.07 B out."""
H100 = Rented(usd_per_gpu_hour=Decimal("3.99"))


def box(*works: Work, seconds: float = 0.0418, spare: int = 0, staff: float = 0.0, **changes: Any) -> BoxCase:
    """One H100 at 3.99 dollars that takes so many seconds for each request."""
    capacity = Capacity(box_seconds_per_request=Decimal(repr(seconds)), level=Level.CALIBRATED, basis="measured")
    plain = BoxCase(
        name="H100 SXM",
        box=H100,
        capacity={work.name: capacity for work in works},
        derate=1.0,
        busy_limit=0.85,
        spare=spare,
        staff_usd=staff,
        origin="RunPod, 2026-11-09",
        speed="calibrated: measured",
    )
    return replace(plain, **changes)


def case(*works: Work, hosted: tuple[Hosted, ...] = (MINI,), peak: float = 1.5, **of_box: Any) -> Case:
    """A month of these works."""
    works = works or (CONV,)
    return Case(
        title="test",
        works=works,
        hosted=hosted,
        box=box(*works, **of_box),
        today=TODAY,
        arrivals=Arrivals(peak_to_mean=peak),
    )


def test_the_published_flip_of_one_spare_box() -> None:
    """Conv on one H100 is 2,913 < 4,358 on gpt-4o-mini < 5,825 with a spare: the spare box flips the verdict."""
    bare, safe = work_out(case()), work_out(case(spare=1))
    assert bare.best is not None
    assert safe.best is not None
    assert bare.hosted is not None
    assert safe.box is not None
    assert bare.best.total == pytest.approx(2912.7, rel=1e-4)
    assert bare.hosted.total == pytest.approx(4358, rel=1e-3)
    assert safe.box.total == pytest.approx(5825.4, rel=1e-4)
    assert (bare.best.kind, safe.best.kind) == ("box", "hosted")
    assert any(flip.name == "spare boxes" for flip in bare.flips)


@pytest.mark.parametrize(("spare", "published"), [(0, 0.802), (1, 0.270)])
def test_v13_chances_agree_with_the_closed_form(spare: int, published: float) -> None:
    """P(box cheaper) is Phi(mu / sigma) while one box does the work: .802, and .270 with a spare, within 0.01."""
    at_stake = stakes(case(spare=spare), MINI)
    assert at_stake is not None
    drawn = chances(at_stake, case().sigmas)
    mu = log(at_stake.hosted / (at_stake.fixed_per_box * (1 + spare)))
    exact = NormalDist().cdf(mu / sqrt(0.35**2 + 0.20**2 + 0.25**2))
    assert exact == pytest.approx(published, abs=0.002)
    assert drawn.box_cheaper == pytest.approx(published, abs=0.01)
    assert drawn.p10 < drawn.p50 < drawn.p90


def test_work_that_must_stay_makes_the_rest_nearly_free() -> None:
    """Alone, conv does not justify box and spare; beside code that must stay it adds not a dollar to the same boxes."""
    code = Work(name="code", requests=6_745_000, input_tokens=2047.8, output_tokens=27.9, must_stay=True)
    alone, both = case(CONV, spare=1), case(code, CONV, spare=1)
    assert (all_local(alone, MINI).total or 0) > (all_hosted(alone, MINI).total or 0)
    apart, together = all_hosted(both, MINI), best_mix(both, MINI)
    assert (apart.boxes, together.boxes) == (2, 2)
    assert apart.usd_hosted == pytest.approx(4358, rel=1e-3)
    assert together.usd_hosted == 0
    assert together.total == pytest.approx(5825.4)


def test_without_traffic_there_is_no_answer() -> None:
    """Zero volume is said, and is neither zero dollars nor infinity."""
    outcome = work_out(case(replace(CONV, requests=0)))
    assert outcome.best is None
    assert sheet_of(outcome).verdict == "No traffic: nothing to compare."


def test_an_unknown_price_is_unknown() -> None:
    """No total, no crossing, no chance; the box stands alone and the sentence says what to do."""
    outcome = work_out(case(hosted=(replace(MINI, price=None),)))
    assert outcome.bills[0].total is None
    assert outcome.crossing is None
    assert "declare `prices:`" in sheet_of(outcome).verdict


def test_an_unusable_model_is_shown_and_not_chosen() -> None:
    """A retired model with the lowest price is in the table and is not the answer."""
    assert MINI.price is not None
    cheap = Hosted(name="old", price=replace(MINI.price, usd_per_mtok_in=Decimal("0.01")), usable=False)
    outcome = work_out(case(hosted=(MINI, cheap), spare=1))
    assert outcome.against == MINI
    assert outcome.best is not None
    assert outcome.best.name == MINI.name
    assert {bill.name for bill in outcome.bills} >= {"old"}


def test_a_bought_box_pays_back() -> None:
    """Purchase over the hosted bill less running cost: 12,000 / (4,358 - 100 of upkeep) is 2.8 months."""
    owned = Owned(box_purchase_usd=Decimal(12_000), other_usd_per_month=Decimal(100))
    point = crossing(case(box=owned), MINI)
    hosted = all_hosted(case(), MINI).total
    assert hosted is not None
    assert point.payback_months == pytest.approx(12_000 / (hosted - 100), rel=1e-6)


positive = some.floats(0.1, 10)
volumes = some.floats(1e4, 1e8)


@settings(deadline=None)
@given(volumes, positive, positive)
def test_v16_cost_grows_with_price_and_volume(requests: float, rent: float, times: float) -> None:
    """Dearer boxes and more work never make the bill smaller."""
    work = replace(CONV, requests=requests)
    base = all_local(case(work), MINI).total or 0
    more = all_local(case(replace(work, requests=requests * (1 + times))), MINI).total or 0
    dearer = Rented(usd_per_gpu_hour=Decimal("3.99") * Decimal(str(1 + rent)))
    assert more >= base
    assert (all_local(case(work, box=dearer), MINI).total or 0) > base


@settings(deadline=None)
@given(some.floats(1e3, 1e8), some.floats(0.001, 0.5), some.integers(0, 3), some.floats(0, 5000))
def test_at_the_crossing_both_sides_cost_the_same_or_the_box_is_cheaper(
    requests: float, seconds: float, spare: int, staff: float
) -> None:
    """Just above the crossing the box is not dearer; at the crossing price and GPU price both sides are equal."""
    asked = case(replace(CONV, requests=requests), seconds=seconds, spare=spare, staff=staff)
    point = crossing(asked, MINI)
    if point.requests is not None:
        there = case(replace(CONV, requests=point.requests * 1.000001), seconds=seconds, spare=spare, staff=staff)
        own, api = all_local(there, MINI), all_hosted(there, MINI)
        assert own.total is not None
        assert api.total is not None
        slack = asked.box.staff_usd * 1e-3 + 2912.7 * 1e-3
        assert own.total <= api.total + slack or own.boxes > (point.boxes or 0) + spare
    own = all_local(asked, MINI)
    assert point.usd_per_request == pytest.approx((own.total or 0) / requests)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.tuples(volumes, some.floats(0.001, 0.2), some.floats(100, 4000)), min_size=1, max_size=4))
def test_filling_boxes_greedily_is_as_good_as_any_order(rows: list[tuple[float, float, float]]) -> None:
    """V16: for every number of boxes, no order of filling is cheaper than by dollars saved a second."""
    works = tuple(
        Work(name=f"w{number}", requests=requests, input_tokens=tokens, output_tokens=50)
        for number, (requests, _, tokens) in enumerate(rows)
    )
    asked = case(*works)
    speeds = {
        work.name: Capacity(box_seconds_per_request=Decimal(repr(row[1])), level=Level.STATED, basis="x")
        for work, row in zip(works, rows, strict=True)
    }
    asked = replace(asked, box=replace(asked.box, capacity=speeds))
    most = min(boxes_for(asked, [(work, 1.0) for work in works]), 4)
    best = min(filled(asked, order, boxes) for order in permutations(works) for boxes in range(most + 1))
    assert (best_mix(asked, MINI).total or 0) <= best * (1 + 1e-9) + 1e-6


def filled(asked: Case, order: tuple[Work, ...], boxes: int) -> float:
    """The bill of boxes filled in this order, as far as they go; the rest is hosted."""
    room, usd = boxes * mean_load_per_box(asked), boxes * 2912.7
    for work in order:
        need = busy_boxes(asked.box, [(work, 1.0)])
        share = min(1.0, room / need)
        room -= share * need
        usd += (1 - share) * work.requests * (hosted_usd(MINI, work) or 0)
    return usd


def test_doubling_gpus_and_halving_time_changes_nothing() -> None:
    """V16: two GPUs that do the work in half the time, at half the price each, cost the same a request."""
    two = Rented(usd_per_gpu_hour=Decimal("1.995"), gpus=2)
    one = all_local(case(), MINI).usd_per_request
    assert all_local(case(box=two, seconds=0.0209), MINI).usd_per_request == pytest.approx(one)


def test_retries_and_escalations_are_paid() -> None:
    """2 % retries are 2 % more calls; 8 % escalations pay the hosted model on top of the box."""
    careful = replace(CONV, retry_share=0.02, fallback_share=0.08, success_local=0.9)
    each = hosted_usd(MINI, careful)
    assert each is not None
    assert all_hosted(case(careful), MINI).total == pytest.approx(careful.requests * 1.02 * each)
    local = all_local(case(careful), MINI)
    assert local.usd_hosted == pytest.approx(careful.requests * 0.08 * each)
    assert local.completed == pytest.approx(careful.requests * 0.98)
    assert busy_boxes(case(careful).box, [(careful, 1.0)]) == pytest.approx(
        busy_boxes(case().box, [(CONV, 1.0)]) * 1.02
    )


PLAN = """
finance: {staff_usd_month: 0}
api_models: [{id: gpt-4o-mini, in: .15, out: .60, date: 2026-11-20, source: the list}]
hardware: [{id: rent, gpu: H100 SXM, usd_gpu_h: 3.99, date: 2026-11-09, source: RunPod}]
deployments: [{id: q8, hardware: rent, redundancy: 0, calibration: {kind: token_work, a_us: 17.42, b0_us: 28.18,
  k_us: .05908, mape: .047, points: bench.json}}]
workflows: [{workflow: conv, first_tier: q8, fallback: gpt-4o-mini, monthly_requests: 14.534e6, avg_in: 1154.7,
  avg_out: 211.1}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The published month as a plan."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `localfleet cost`."""
    done = CliRunner().invoke(build_cost(), list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_plan_answers_the_five_questions_first(plan: Path) -> None:
    """Which, how much, from where, how likely, resting on what: each before any table; the verdict is the last line."""
    code, text, _ = run("plan", str(plan))
    lines = text.splitlines()
    assert code == 0
    questions = [line.split("?")[0] for line in lines[2:7]]
    assert questions == [
        "Which option",
        "What does it cost",
        "From which volume does it flip",
        "How likely is that",
        "What does it rest on",
    ]
    assert lines[-1].startswith("Take the box: H100 SXM, $2,913 a month against $4,35")
    assert "from 9," in lines[-1]


def test_plan_in_three_forms(plan: Path, tmp_path: Path) -> None:
    """JSON holds every figure with its inputs; Markdown and HTML say the same verdict."""
    code, text, _ = run("plan", str(plan), "--json", "--html", str(tmp_path / "r.html"))
    found = json.loads(text)
    assert code == 0
    assert found["figures"]["box.usd_per_month"]["value"] == pytest.approx(2912.7)
    assert found["figures"]["box.usd_per_gpu_hour"]["inputs"][0]["source"] == "RunPod, 2026-11-09"
    assert found["answer"] in run("plan", str(plan), "--markdown")[1]
    assert found["answer"] in (tmp_path / "r.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    assert found["bills"][0]["option"] == "gpt-4o-mini"
    assert found["answer"] == json.loads(run("plan", str(plan), "--json")[1])["answer"], (
        "the same seed, the same answer"
    )


def test_explain_tells_formula_inputs_and_sources(plan: Path) -> None:
    """By the id, by a part of it; a mistyped one is met with those near it."""
    code, text, _ = run("explain", "work.conv.usd_per_request.gpt-4o-mini", str(plan))
    assert code == 0
    assert "p_in = $0.15 per Mtok [the list, 2026-11-20]" in text
    assert "I (1 - h - w) p_in" in text
    assert len(json.loads(run("explain", "breakeven", str(plan), "--json")[1])) == 6
    code, _, error = run("explain", "breakevn.boxes", str(plan))
    assert code == 2
    assert "breakeven.boxes" in error


def test_every_figure_can_be_explained(plan: Path) -> None:
    """No id of the report is unknown to `explain`, and each has a formula."""
    figures = json.loads(run("plan", str(plan), "--json")[1])["figures"]
    told = run("explain", ".", str(plan))[1]
    assert all(name in told for name in figures)
    assert all(figure["formula"] for figure in figures.values())


def test_breakeven_and_mc_say_their_numbers(plan: Path) -> None:
    """The crossing with `does not apply` where it does not, and the tornado."""
    text = run("breakeven", str(plan))[1]
    assert "breakeven.requests_per_month = 9," in text
    assert "payback_months = does not apply" in text
    text = run("mc", str(plan))[1]
    assert "volume alone" in text
    told = json.loads(run("mc", str(plan), "--json")[1])
    names = {row["name"] for row in told["tornado"]}
    assert names >= {"volume", "hosted price", "GPU price", "output length", "success on the box"}
    assert names | set(told["certain"]) >= set(INPUTS)
    assert "no correlation" in text


def test_the_example_is_a_plan(tmp_path: Path) -> None:
    """`--example` prints a plan that works as it is; without a plan the command says how to get one."""
    file = tmp_path / "plan.yaml"
    file.write_text(run("plan", "--example")[1], encoding="utf-8")
    code, text, _ = run("plan", str(file))
    assert code == 0
    assert "What must stay (notes) is on boxes in every row" in text
    code, _, error = run("plan")
    assert code == 2
    assert "--example" in error


def test_a_bad_plan_is_refused_by_field(plan: Path, tmp_path: Path) -> None:
    """Exit 2, one line for each problem; a missing file is named."""
    plan.write_text(PLAN.replace("in: .15", "in: .nan"), encoding="utf-8")
    code, _, error = run("plan", str(plan))
    assert code == 2
    assert "api_models.0.in: must be a finite number" in error
    assert "cannot be read" in run("plan", str(tmp_path / "none.yaml"))[2]
    plan.write_text(PLAN, encoding="utf-8")
    assert "--deployment must be one of: q8" in run("plan", str(plan), "--deployment", "x")[2]


def test_what_must_stay_never_escalates_to_a_hosted_model() -> None:
    """Its fallbacks are no hosted bill and no second chance, whatever the rates say."""
    notes = replace(CONV, must_stay=True, fallback_share=0.2, success_local=0.9)
    for bill in (all_hosted(case(notes), MINI), all_local(case(notes), MINI), best_mix(case(notes), MINI)):
        assert bill.usd_hosted == 0
        assert bill.completed == pytest.approx(notes.requests * 0.9)


def test_work_falls_back_to_its_own_model() -> None:
    """The escalations of a workflow are priced at the model it names, not at the cheapest."""
    assert MINI.price is not None
    dear = Hosted(name="dear", price=replace(MINI.price, usd_per_mtok_in=Decimal(15), usd_per_mtok_out=Decimal(60)))
    work = replace(CONV, fallback_share=0.1, fallback="dear")
    local = all_local(case(work, hosted=(MINI, dear)), MINI)
    assert local.usd_hosted == pytest.approx(work.requests * 0.1 * 100 * (hosted_usd(MINI, work) or 0))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("fallback: gpt-4o-mini,", "fallback_rate: .1,", "a `fallback_rate` needs a `fallback` to go to"),
        ("fallback: gpt-4o-mini,", "fallback: q8,", "`fallback` must be one of: gpt-4o-mini"),
    ],
)
def test_a_fallback_is_a_hosted_model(plan: Path, old: str, new: str, says: str) -> None:
    """Refused by name."""
    plan.write_text(PLAN.replace(old, new), encoding="utf-8")
    code, _, error = run("plan", str(plan))
    assert code == 2
    assert says in error


def test_the_plans_own_limits_are_held_against_it(plan: Path) -> None:
    """Attempts, premium share and a day's money: each a warning with both figures."""
    caps = "limits: {max_fallback_attempts: 0, max_premium_pct: 5, max_daily_usd_per_tier: {gpt-4o-mini: 1}}"
    plan.write_text(PLAN.replace("avg_out: 211.1", f"avg_out: 211.1, fallback_rate: .1, {caps}"), encoding="utf-8")
    told = json.loads(run("plan", str(plan), "--json")[1])["warnings"]
    assert any("max_fallback_attempts allows none" in warning for warning in told)
    assert any("over max_premium_pct of 5 %" in warning for warning in told)
    assert any("a day on gpt-4o-mini is over max_daily_usd_per_tier of $1.00" in warning for warning in told)
    plan.write_text(PLAN, encoding="utf-8")
    assert not any("max_" in warning for warning in json.loads(run("plan", str(plan), "--json")[1])["warnings"])


@settings(deadline=None)
@given(some.floats(1e5, 2e7), some.floats(1e5, 2e7), some.floats(0.005, 0.2), some.integers(0, 2), some.floats(0, 4000))
def test_the_crossing_beside_what_must_stay(  # drawn by position
    stays: float, free: float, seconds: float, spare: int, staff: float
) -> None:
    """Just above it both bills are equal or the boxes cheaper; below it the boxes are not; at zero they always are."""
    notes = replace(CONV, name="notes", requests=stays, must_stay=True)
    chat = replace(CONV, name="chat", requests=free)

    def gap(scale: float) -> float:
        works = (replace(notes, requests=stays * scale), replace(chat, requests=free * scale))
        asked = case(*works, seconds=seconds, spare=spare, staff=staff)
        return (all_hosted(asked, MINI).total or 0) - (all_local(asked, MINI).total or 0)

    point = crossing(case(notes, chat, seconds=seconds, spare=spare, staff=staff), MINI)
    if point.requests is not None:
        scale = point.requests / (stays + free)
        slack = 1e-3 * (1 + abs(gap(max(scale, 1e-3))))
        assert gap(max(scale, 1e-3) * 1.00001) >= -slack
        if scale > 1e-2:
            assert gap(scale * 0.999) <= slack


def test_prices_move_only_what_is_bought_at_them() -> None:
    """Beside boxes that are owed anyway a dearer hosted model scales its tokens, and no box."""
    notes = replace(CONV, name="notes", must_stay=True)
    at_stake = stakes(case(notes, CONV), MINI)
    assert at_stake is not None
    assert at_stake.hosted == pytest.approx(4358, rel=1e-3)
    assert at_stake.saving(hosted=2.0) - at_stake.saving() == pytest.approx(at_stake.hosted)
    assert at_stake.boxes(1.0) == 0, "both works fit the one box that is owed"
