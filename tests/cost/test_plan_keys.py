"""Keys of `plan.yaml` that change what a box costs or does: spot, a fitted step, a derate, prices by length."""

import re
from datetime import date
from decimal import Decimal

import pytest

from localfleet.core.cost.capacity import Level
from localfleet.core.cost.hour import usd_per_month_fixed
from localfleet.core.plan.bills import hosted_usd
from localfleet.core.plan.case import Case
from localfleet.cost.case_of_plan import case_of_plan
from localfleet.cost.plan_file import parse_plan
from localfleet.errors import ConfigError
from localfleet.gpu_facts import read_gpus

PLAN = """
api_models: [{id: long, in: 1, out: 2, date: 2026-11-20, source: list}]
hardware: [{id: rent, gpu: H100 SXM, mode: rented, usd_gpu_h: 2, date: 2026-11-09, source: list}]
deployments:
  - {id: q8, hardware: rent, slo: {tpot_ms: 25, derate: 1},
     calibration: {kind: token_work, a_us: 17, b0_us: 28, k_us: .06}}
workflows: [{workflow: chat, first_tier: q8, fallback: long, monthly_requests: 1e6, avg_in: 1024, avg_out: 300}]
"""


def worked(*changes: tuple[str, str]) -> Case:
    """The plan with parts of it replaced."""
    text = PLAN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return case_of_plan(parse_plan(text.encode()), read_gpus(), today=date(2026, 11, 25))


def test_a_spot_box_pays_for_being_taken_away() -> None:
    """Once in 50 hours, half an hour to restart and $4 spilled: $0.10 an hour on top of $2."""
    spot = "mode: spot, evictions_per_h: .02, restart_h: .5, spill_usd_per_eviction: 4"
    assert usd_per_month_fixed(worked(("mode: rented", spot)).box.box) == Decimal("2.1") * 730


def test_a_fitted_step_is_a_speed() -> None:
    """The published curve of an 8B model on an H100 at 25 ms a token: 8,195 tokens/s of 300-token answers."""
    step = "kind: affine, alpha_ms: 6.684, beta_ms: .0894, mape: .016"
    capacity = worked(("kind: token_work, a_us: 17, b0_us: 28, k_us: .06", step)).box.capacity["chat"]
    assert (capacity.level, capacity.error_share) == (Level.STEP, Decimal("0.016"))
    assert 300 / float(capacity.box_seconds_per_request) == pytest.approx(8195, rel=0.01)


def test_an_expected_derate_says_what_it_rests_on() -> None:
    """1,024 tokens of prompt kept 0.91 of the rate elsewhere; the report names the measurement."""
    case = worked(("derate: 1", "derate: auto"))
    assert case.box.derate == pytest.approx(0.91)
    rows = {name: (value, origin) for name, value, origin in case.assumed}
    value, origin = rows["left of the saturated rate by the response-time target"]
    assert value.startswith("91")
    assert "silybench" in origin


def test_long_requests_of_a_plan_pay_their_own_rate() -> None:
    """Above the step all tokens of the request take its prices."""
    tiers = "out: 2, tiers: [{above_input_tokens: 1000, in: 2, out: 4}]"
    plain, stepped = worked(), worked(("out: 2", tiers))
    before, after = (hosted_usd(case.hosted[0], case.works[0]) for case in (plain, stepped))
    assert before == pytest.approx((1024 + 600) / 1e6)
    assert after == pytest.approx(2 * (1024 + 600) / 1e6)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mode: rented", "mode: rented, evictions_per_h: 1", "only a spot box is taken away"),
        ("kind: token_work", "kind: affine", "affine needs `alpha_ms` and `beta_ms`"),
        ("derate: 1", "derate: 0", "deployments.0.slo.derate"),
    ],
)
def test_bad_keys_are_refused_by_name(old: str, new: str, says: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=re.escape(says)):
        worked((old, new))
