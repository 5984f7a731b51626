"""Every uncertain input: the saving follows it as the bills do, prices move together as stated, and flips are flips."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import exp, log, sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localfleet.core.cost.capacity import TokenWork, Workload, token_work
from localfleet.core.cost.hour import Owned
from localfleet.core.plan.bills import all_hosted, all_local
from localfleet.core.plan.case import Arrivals, BoxCase, Case, Hosted, Sigmas, Work
from localfleet.core.plan.crossing import flips
from localfleet.core.plan.nearest import nearest
from localfleet.core.plan.stakes import stakes
from localfleet.core.pricing import Price
from localfleet.cost.bases import bases_section
from localfleet.cost.chances import chances, trend
from localfleet.cost.doubts import waiting_words
from localfleet.cost.outcome import work_out
from localfleet.cost.sheet import Cell
from localfleet.cost.sheets import sheet_of

MINI = Hosted(
    name="mini",
    price=Price(
        usd_per_mtok_in=Decimal("0.15"), usd_per_mtok_out=Decimal("0.60"), usd_per_mtok_cache_read=Decimal("0.075")
    ),
)
CHAT = Work(
    name="chat",
    requests=14e6,
    input_tokens=1154.7,
    output_tokens=211.1,
    cache_read_share=0.3,
    retry_share=0.02,
    fallback_share=0.06,
    success_local=0.9,
    success_hosted=0.97,
)
NOTES = Work(name="notes", requests=2e6, input_tokens=900, output_tokens=300, must_stay=True, success_local=0.9)
FIT = TokenWork(a_us=Decimal("17.42"), b0_us=Decimal("28.18"), k_us=Decimal("0.05908"))
SERVER = Owned(
    box_purchase_usd=Decimal(60_000),
    box_power_w=Decimal(1500),
    idle_power_share=Decimal("0.3"),
    usd_per_kwh=Decimal("0.2"),
)


def case(*works: Work, derate: float = 0.9) -> Case:
    """These works on a bought server whose power is paid by use."""
    capacity = {
        work.name: token_work(
            Workload(
                requests_per_month=Decimal(repr(work.requests)),
                input_tokens_per_request=Decimal(repr(work.input_tokens)),
                output_tokens_per_request=Decimal(repr(work.output_tokens)),
                cache_read_share=Decimal(repr(work.cache_read_share)),
            ),
            FIT,
        )
        for work in works
    }
    box = BoxCase(
        name="server",
        box=SERVER,
        capacity=capacity,
        derate=derate,
        busy_limit=0.85,
        spare=1,
        staff_usd=800,
        origin="",
        speed="",
    )
    return Case(
        title="", works=works, hosted=(MINI,), box=box, today=date(2026, 11, 26), arrivals=Arrivals(peak_to_mean=1.5)
    )


def saved(asked: Case) -> float:
    """By the bills: the hosted one for as many completed actions, less the boxes'."""
    hosted, local = all_hosted(asked, MINI), all_local(asked, MINI)
    return (hosted.total or 0) * local.completed / hosted.completed - (local.total or 0)


@settings(deadline=None, max_examples=60)
@given(
    output=some.floats(0.3, 3),
    cached=some.floats(0, 3),
    fallback=some.floats(0, 12),
    success=some.floats(0.5, 1.11),
    derate=some.floats(0.5, 1.1),
    volume=some.floats(0.1, 4),
)
def test_the_saving_follows_each_input_as_the_bills_do(  # noqa: PLR0917  # drawn by name
    output: float, cached: float, fallback: float, success: float, derate: float, volume: float
) -> None:
    """All moved at once: the same dollars as from the case with these inputs, work that must stay beside it."""

    def moved(work: Work) -> Work:
        return replace(
            work,
            requests=work.requests * volume,
            output_tokens=work.output_tokens * output,
            cache_read_share=work.cache_read_share * cached,
            fallback_share=work.fallback_share * fallback,
            success_local=min(1.0, work.success_local * success),
        )

    at_stake = stakes(case(CHAT, NOTES), MINI)
    assert at_stake is not None
    told = at_stake.saving(
        volume=volume, output=output, cached=cached, fallback=fallback, success=success, derate=derate
    )
    assert told == pytest.approx(saved(case(moved(CHAT), moved(NOTES), derate=0.9 * derate)), rel=1e-6, abs=1e-3)


def test_shares_are_held_at_all() -> None:
    """More cache hits than input, and more left by the limits than there is, change nothing any more."""
    at_stake = stakes(case(CHAT), MINI)
    assert at_stake is not None
    assert at_stake.saving(cached=9.0) == at_stake.saving(cached=1 / 0.3)
    assert at_stake.saving(derate=9.0) == at_stake.saving(derate=1 / 0.9)


@pytest.mark.parametrize("rho", [-0.8, 0.0, 0.8])
def test_prices_that_move_together_agree_with_the_closed_form(rho: float) -> None:
    """P(box cheaper) is Phi(mu / sigma) with the covariance of both prices taken off; within 0.01."""
    plain = replace(
        CHAT, cache_read_share=0.0, fallback_share=0.0, success_local=1.0, success_hosted=1.0, retry_share=0
    )
    asked = case(plain)
    asked = replace(asked, box=replace(asked.box, staff_usd=0, spare=0, box=replace(SERVER, box_power_w=Decimal(0))))
    at_stake = stakes(asked, MINI)
    assert at_stake is not None
    drawn = chances(at_stake, Sigmas(volume=0, api=0.3, gpu=0.4, speed=(1, 1, 1), price_correlation=rho))
    mu = log(at_stake.hosted / at_stake.owed(1.0))
    exact = NormalDist().cdf(mu / sqrt(0.3**2 + 0.4**2 - 2 * rho * 0.3 * 0.4))
    assert drawn.box_cheaper == pytest.approx(exact, abs=0.01)


def test_a_price_that_falls_is_felt_over_the_horizon() -> None:
    """The mean of exp(-r t) over the years; one that certainly falls makes the box less likely to pay."""
    assert trend(-0.5, 3) == pytest.approx((1 - exp(3 * log(0.5))) / (-3 * log(0.5)))
    assert trend(0.0, 3) == 1.0
    at_stake = stakes(case(CHAT), MINI)
    assert at_stake is not None
    steady, falling = (chances(at_stake, Sigmas(api_change=(change,) * 3)) for change in (0.0, -0.3))
    assert falling.box_cheaper < steady.box_cheaper


def test_each_flip_is_a_flip_and_the_nearest() -> None:
    """The sign turns at it, and not a hundredth before; what cannot turn the answer is left out."""
    asked = case(CHAT)
    at_stake = stakes(asked, MINI)
    assert at_stake is not None
    wins = at_stake.saving() > 0
    found = {flip.name: flip for flip in nearest(asked, at_stake)}
    assert "output tokens a request" in found
    for name, flip in found.items():
        key = {"output tokens a request": "output", "speed of a box, requests/s": "speed"}.get(name)
        if key is None or flip.times is None:
            continue
        assert (at_stake.saving(**{key: flip.times * (1 + 1e-9 if flip.times > 1 else 1 - 1e-9)}) > 0) != wins
        assert (at_stake.saving(**{key: 1 + (flip.times - 1) * 0.99}) > 0) == wins
    assert {flip.name for flip in flips(asked, MINI)} >= set(found)


def test_success_is_in_the_chance_as_it_is_in_the_answer() -> None:
    """A box that completes half as much is held against half of the hosted bill."""
    good = replace(CHAT, success_local=0.97, fallback_share=0.0)
    bad = replace(good, success_local=0.485)
    told = [stakes(case(work), MINI) for work in (good, bad)]
    assert told[0] is not None
    assert told[1] is not None
    hosted = all_hosted(case(good), MINI).total or 0
    assert told[0].saving() - told[1].saving() == pytest.approx(hosted / 2)


def test_prices_of_a_tie_are_ties_beside_boxes_that_are_owed() -> None:
    """At the GPU's and at the hosted price of the crossing both ways cost the same, owed boxes and escalations too."""
    at_stake = stakes(case(CHAT, NOTES), MINI)
    assert at_stake is not None
    gpu, hosted = at_stake.tie("gpu"), at_stake.tie("hosted")
    assert gpu is not None
    assert hosted is not None
    assert at_stake.saving(gpu=gpu) == pytest.approx(0, abs=1e-6)
    assert at_stake.saving(hosted=hosted) == pytest.approx(0, abs=1e-6)


def test_the_value_of_waiting_is_what_knowing_would_be_worth() -> None:
    """Mean of the savings that one would take, less the best decision now; none where no draw turns the decision."""
    at_stake = stakes(case(CHAT), MINI)
    assert at_stake is not None
    drawn = chances(at_stake, Sigmas())
    assert drawn.p10 < 0 < drawn.p90, "this plan is in doubt"
    assert drawn.knowing > 0
    assert drawn.waiting_share == pytest.approx(drawn.knowing / (drawn.knowing + max(0.0, drawn.mean)))
    sure = chances(at_stake, Sigmas(volume=0, api=0, gpu=0, speed=(1, 1, 1), draws=100))
    assert sure.knowing == 0
    assert sure.waiting_share == 0
    assert "nothing to wait for" in waiting_words(Sigmas(), sure)
    assert "Value of waiting" in waiting_words(Sigmas(), drawn)


def test_waiting_agrees_with_the_closed_form_of_an_option() -> None:
    """Of a normal saving with mean m and deviation s: E max(0, x) = m Phi(m/s) + s phi(m/s); here log-normal sides."""
    plain = Work(name="chat", requests=14e6, input_tokens=1154.7, output_tokens=211.1)
    asked = case(plain)
    asked = replace(asked, box=replace(asked.box, staff_usd=0, spare=0, box=replace(SERVER, box_power_w=Decimal(0))))
    at_stake = stakes(asked, MINI)
    assert at_stake is not None
    hosted, own, sigma = at_stake.hosted, at_stake.owed(1.0), 0.5
    drawn = chances(at_stake, Sigmas(volume=0, api=sigma, gpu=0, speed=(1, 1, 1)))
    mean = hosted * exp(sigma**2 / 2)
    high = (log(mean / own) + sigma**2 / 2) / sigma
    call = mean * NormalDist().cdf(high) - own * NormalDist().cdf(high - sigma)
    assert drawn.knowing == pytest.approx(call - max(0.0, mean - own), rel=0.05)


def test_the_report_tells_when_a_prompt_cache_pays() -> None:
    """Reads at a tenth and writes at 1.25 of the input: from 21.7 % hits, 32.5 % saved at two uses; each explained."""
    cached = replace(
        MINI,
        price=Price(
            usd_per_mtok_in=Decimal(3),
            usd_per_mtok_out=Decimal(15),
            usd_per_mtok_cache_read=Decimal("0.3"),
            usd_per_mtok_cache_write=Decimal("3.75"),
        ),
    )
    sheet = sheet_of(work_out(replace(case(CHAT), hosted=(cached,))))
    section = next(section for section in sheet.sections if section.title == "When a prompt cache pays")
    assert [cell.words for cell in section.grids[0].rows[0][1:] if isinstance(cell, Cell)][:2] == ["22 %", "32 %"]
    assert sheet.book.figures["cache.mini.break_even_share"].value == pytest.approx(0.2173913)
    assert sheet.book.figures["cache.mini.saving_share.uses-10"].value == pytest.approx(0.785)
    bare = replace(MINI, price=Price(usd_per_mtok_in=Decimal(3), usd_per_mtok_out=Decimal(15)))
    titles = {section.title for section in sheet_of(work_out(replace(case(CHAT), hosted=(bare,)))).sections}
    assert "When a prompt cache pays" not in titles


def test_input_and_output_carry_what_they_cause() -> None:
    """Both bases by work, times their tokens, are the box's whole bill."""
    outcome = work_out(case(CHAT, NOTES))
    assert outcome.box is not None
    rows = {str(row[0]): str(row[1]) for row in bases_section(outcome)[0].grids[0].rows}
    into = float(rows["the box, allocated by work: to input tokens"].strip("$"))
    out = float(rows["the box, allocated by work: to output tokens"].strip("$"))
    mtok_in = sum(work.requests * work.input_tokens for work in (CHAT, NOTES)) / 1e6
    mtok_out = sum(work.requests * work.output_tokens for work in (CHAT, NOTES)) / 1e6
    assert into * mtok_in + out * mtok_out == pytest.approx(outcome.box.total, rel=0.02)
