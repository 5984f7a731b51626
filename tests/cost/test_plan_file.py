"""`plan.yaml`: the specification's own example is read; each kind of bad input is one error that names its field."""

import re

import pytest

from localfleet.cost.plan_file import parse_plan
from localfleet.errors import ConfigError

PLAN = """
finance: {horizon_months: 36, wacc: 0.10, staff_usd_month: 2000, price_sigma_ln: {gpu: 0.25, api: 0.20}}
api_models:
  - {id: gpt-4o-mini, in: .15, out: .60, cache_read: .075, cache_write: null, batch_mult: .5, date: 2026-11-20,
     source: genai-prices}
hardware:
  - {id: rent, gpu: H100 SXM, gpus: 1, mode: rented, usd_gpu_h: 3.99, date: 2026-11-09, source: RunPod}
  - {id: own, gpu: RTX PRO 6000, mode: owned, capex: 12500, years: 4, residual: .25, kw: .85, pue: 1.1, usd_kwh: .15,
     maint: .03, other_usd_y: 0, date: 2026-11-01, source: a shop}
deployments:
  - {id: q8, hardware: rent, model: Qwen3-8B, precision: fp8, engine: vllm-0.32, calibration: {kind: token_work,
     a_us: 17.42, b0_us: 28.18, k_us: .05908, points: bench.json, mape: .047}, slo: {ttft_p99_s: 2, tpot_ms: 50},
     rho_max: .85, redundancy: 1}
workflows:
  - {workflow: triage, first_tier: q8, fallback: gpt-4o-mini, monthly_requests: 14.5e6, avg_in: 1155, avg_out: 211,
     prefix_hit: .3, cached_write: .05, fallback_rate: .08, retry_rate: .02, success_local: .93, success_api: .97,
     privacy: optional, batchable: false, limits: {max_fallback_attempts: 1, max_premium_pct: 30}}
traffic: {kind: rate_profile, peak_to_mean: 2}
uncertainty: {n: 20000, seed: 1, volume_sigma_ln: .35, util: [.8, 1, 1.2]}
"""


def test_the_example_of_the_specification_is_read() -> None:
    """Every key of it, with numbers as numbers."""
    plan = parse_plan(PLAN.encode())
    assert plan.workflows[0].monthly_requests == 14.5e6
    assert plan.api_models[0].usd_per_mtok_in == 0.15
    assert plan.hardware[1].capex == 12500
    assert plan.deployments[0].calibration.mape == 0.047


def test_a_number_may_say_its_unit() -> None:
    """The same number with its own unit is the same plan."""
    said = PLAN.replace("in: .15", "in: {value: .15, unit: USD/Mtok}").replace("kw: .85", "kw: {value: .85, unit: kW}")
    assert parse_plan(said.encode()) == parse_plan(PLAN.encode())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("in: .15", "in: -.15", "api_models.0.in: must be at least 0"),
        ("in: .15", "in: .nan", "api_models.0.in: must be a finite number"),
        ("in: .15", "in: {value: .15}", "api_models.0.in: needs `value` and `unit: USD/Mtok`"),
        ("in: .15", "in: {value: .15, unit: USD/token}", "api_models.0.in: must be in USD/Mtok"),
        ("in: .15", "in: {value: .15, unit: EUR/Mtok}", "api_models.0.in: is in another currency"),
        ("finance:", "currency: EUR\nfinance:", "currency: must be 'USD'"),
        (" date: 2026-11-20,", "", "api_models.0.date: `date:` is missing"),
        (" date: 2026-11-09,", "", "hardware.0.date: `date:` is missing"),
        ("prefix_hit: .3", "prefix_hit: .96", "workflows.0: `prefix_hit` and `cached_write` are parts of the input"),
        ("prefix_hit: .3", "prefix_hit: 1.3", "workflows.0.prefix_hit: must be less than or equal to 1"),
        ("monthly_requests: 14.5e6", "monthly_requests: many", "workflows.0.monthly_requests: must be a number"),
        ("avg_in: 1155", "avg_in: .inf", "workflows.0.avg_in: must be a finite number"),
        ("usd_gpu_h: 3.99, ", "", "hardware.0: a rented box needs `usd_gpu_h`"),
        ("capex: 12500, ", "", "hardware.1: a bought box needs `capex`"),
        ("hardware: rent", "hardware: moon", "`hardware` must be one of: own, rent"),
        ("first_tier: q8", "first_tier: q9", "`first_tier` must be one of: gpt-4o-mini, q8"),
        ("privacy: optional", "privacy: mandatory_local", "what must stay local cannot fall back to a hosted model"),
        ("kind: rate_profile", "kind: trace", "traffic: a trace needs `path`"),
        ("util: [.8, 1, 1.2]", "util: [1.2, 1, .8]", "uncertainty.util: is lowest, likeliest, highest"),
        ("util: [.8, 1, 1.2]", "fallback_rate: [.nan, 1, 2]", "uncertainty.fallback_rate: is lowest, likeliest"),
        ("util: [.8, 1, 1.2]", "price_correlation: 2", "uncertainty.price_correlation: must be less than or equal"),
        ("rho_max: .85", "rho_mx: .85", "unknown key `rho_mx`; docs/concepts/cost.md lists the keys"),
    ],
)
def test_bad_input_names_its_field(old: str, new: str, says: str) -> None:
    """One sentence with the line and the field."""
    assert old in PLAN
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        parse_plan(PLAN.replace(old, new, 1).encode())
    assert str(caught.value).startswith("plan.yaml:")
