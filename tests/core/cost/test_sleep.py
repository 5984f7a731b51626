"""Sleep, spot, response-time targets and decode steps: by hand, and the promises of each."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.capacity import Level, Workload, affine_step
from localfleet.core.cost.derate import BF16, expected_derate
from localfleet.core.cost.hour import Rented, hourly_cost, usd_per_month_fixed
from localfleet.core.cost.sleep import flex_break_even_share, sleep_after_s, sleep_seen, usd_flex
from localfleet.core.cost.traffic import Requests, requests

CHAT = Workload(
    requests_per_month=Decimal(1000), input_tokens_per_request=Decimal(500), output_tokens_per_request=Decimal(300)
)
ALPHA, BETA = Decimal("6.684"), Decimal("0.0894")


def arrivals(*at_s: float) -> Requests:
    """Requests without tokens: only their time counts here."""
    return requests(at_s=at_s, input_tokens=[0.0] * len(at_s), output_tokens=[0.0] * len(at_s))


def test_a_box_that_sleeps_by_hand() -> None:
    """Work of 10 s at 0, 30 and 1,000 s, asleep after 60 s, 5 s to wake: 20 + 60 s idle, 900 asleep, one wake."""
    seen = sleep_seen(arrivals(0, 30, 1000), np.full(3, 10.0), after_s=60, wake_s=5)
    assert (seen.busy_s, seen.idle_s, seen.asleep_s, seen.waking_s, seen.wakes) == (30, 80, 900, 5, 1)
    assert seen.woken_share == pytest.approx(1 / 3)


@given(
    gaps=some.lists(some.floats(0, 500), min_size=2, max_size=30), after=some.floats(0, 200), wake=some.floats(0, 60)
)
def test_no_second_is_lost(gaps: list[float], after: float, wake: float) -> None:
    """Busy, idle, asleep and waking cover the time from the first request to the end of the last."""
    times = np.cumsum(gaps)
    seen = sleep_seen(arrivals(*times), np.full(len(gaps), 3.0), after_s=after, wake_s=wake)
    assert seen.span_s >= times[-1] - times[0] + 3.0 - 1e-6
    assert min(seen.idle_s, seen.asleep_s, seen.waking_s) >= 0


@given(gaps=some.lists(some.floats(0, 1000), min_size=1, max_size=30), usd_wake=some.floats(0.001, 1))
def test_the_rule_costs_at_most_twice_what_foresight_would(gaps: list[float], usd_wake: float) -> None:
    """Ski rental: for each gap, idling until the break-even and then waking is within a factor of two of the best."""
    usd_idle_s = 0.001
    after = sleep_after_s(usd_per_wake=usd_wake, usd_per_idle_s=usd_idle_s)
    assert after is not None
    rule = sum(gap * usd_idle_s if gap <= after else after * usd_idle_s + usd_wake for gap in gaps)
    foresight = sum(min(gap * usd_idle_s, usd_wake) for gap in gaps)
    assert rule <= 2 * foresight + 1e-12


def test_idling_that_costs_nothing_never_sleeps() -> None:
    """Rented by the hour, there is no moment from which sleeping pays."""
    assert sleep_after_s(usd_per_wake=0.01, usd_per_idle_s=0) is None


def test_serverless_against_always_on() -> None:
    """$4.176 flex against $2.69 to $3.99 on: from 64 to 96 % busy (RunPod's H100 prices of 2026)."""
    shares = [flex_break_even_share(usd_per_gpu_hour_on=on, usd_per_gpu_hour_flex=4.176) for on in (2.69, 3.99)]
    assert shares == pytest.approx([0.644, 0.955], abs=0.001)
    bill = usd_flex(usd_per_gpu_hour_flex=3.6, busy_s=1000, wakes=10, wake_s=30, linger_s=60)
    assert bill == pytest.approx(3.6 * 1900 / 3600)


def test_spot_pays_for_its_interruptions() -> None:
    """$2 an hour, taken away once in 50 hours, half an hour to restart, $4 spilled each time: $0.10 more an hour."""
    spot = Rented(
        usd_per_gpu_hour=Decimal(2),
        evictions_per_hour=Decimal("0.02"),
        restart_hours=Decimal("0.5"),
        spill_usd_per_eviction=Decimal(4),
    )
    hour = hourly_cost(spot, load=Decimal(1))
    assert (hour.rent, hour.interruptions, hour.usd_per_gpu_hour) == (*map(Decimal, ("2", "0.10", "2.10")),)
    assert usd_per_month_fixed(spot) == Decimal("2.1") * 730


def test_long_prompts_lose_most_to_a_target() -> None:
    """Measured points come back as they are, between them it falls, beyond them the sentence warns."""
    assert [expected_derate(length).share for length in (64, 1024, 8192)] == [*map(Decimal, ("0.99", "0.91", "0.68"))]
    assert Decimal("0.68") < expected_derate(4096).share < Decimal("0.82")
    assert expected_derate(2048, measured=BF16).share == Decimal("0.72")
    assert "nothing was measured beyond" in expected_derate(32_000).basis


def test_v8_capacity_of_a_published_decode_step() -> None:
    """6.684 + 0.0894 b ms (Llama-3.1-8B, H100): 205 together and 8,195 tokens/s at 25 ms, 485 and 9,690 at 50 ms."""
    for tpot, batch, rate in ((25, 205, 8195), (50, 485, 9690)):
        box = affine_step(
            CHAT,
            alpha_ms=Decimal("6.684"),
            beta_ms=Decimal("0.0894"),
            tpot_ms=Decimal(tpot),
            largest_batch=Decimal(999),
        )
        assert box.level is Level.STEP
        assert float(CHAT.output_tokens_per_request / box.box_seconds_per_request) == pytest.approx(rate, rel=0.01)
        assert f"with {batch - 1}" in box.basis or f"with {batch} " in box.basis
    with pytest.raises(ValueError, match="tpot_ms: 5 is less than a step"):
        affine_step(CHAT, alpha_ms=ALPHA, beta_ms=BETA, tpot_ms=Decimal(5))
