"""What a box costs: published worked examples reproduced, and the laws any such figure must keep."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.cost.breakeven import BreakEven, Pays, break_even
from localfleet.core.cost.capacity import (
    SECONDS_PER_MONTH,
    ModelShape,
    Silicon,
    TokenWork,
    Workload,
    requests_per_month,
    roofline,
    stated,
    token_work,
)
from localfleet.core.cost.hour import (
    HOURS_PER_MONTH,
    Owned,
    Rented,
    capital_recovery_factor,
    hourly_cost,
    usd_per_box_hour_marginal,
    usd_per_month_fixed,
    usd_per_mtok,
    usd_split,
)

FULL = Decimal(1)
QWEN_FP8 = TokenWork(a_us=Decimal("17.41894"), b0_us=Decimal("28.17691"), k_us=Decimal("0.05908"))
H100 = Silicon(
    memory_gib=Decimal(80),
    bandwidth_gb_per_s=Decimal(3350),
    bf16_tflops=Decimal(989),
    fp8_tflops=Decimal(1978),
)


def shape(tokens_in: str, tokens_out: str, requests: str = "1") -> Workload:
    """A flat month without cache."""
    return Workload(
        requests_per_month=Decimal(requests),
        input_tokens_per_request=Decimal(tokens_in),
        output_tokens_per_request=Decimal(tokens_out),
    )


CODE = shape("2047.848282118154", "27.88252636353328")
CONV = shape("1154.6974078281523", "211.12594237323142")


def close(value: Decimal | None, wanted: str, rel: str) -> bool:
    """Within a relative tolerance."""
    assert value is not None
    return abs(value / Decimal(wanted) - 1) <= Decimal(rel)


def hgx(**change: Any) -> Owned:
    """The worked example: an 8-GPU H100 server bought for four years."""
    values: dict[str, Any] = {
        "box_purchase_usd": Decimal(300_000),
        "gpus": 8,
        "life_months": 48,
        "cost_of_capital_per_year": Decimal("0.10"),
        "box_residual_usd": Decimal(60_000),
        "box_power_w": Decimal(10_200),
        "pue": Decimal("1.25"),
        "usd_per_kwh": Decimal("0.10"),
        "maintenance_share_per_year": Decimal("0.03"),
        "other_usd_per_month": Decimal(20_000) / 12,
    }
    return Owned(**{**values, **change})


def small_box(price: str, years: int, residual: str, watts: str) -> Owned:
    """A one-GPU workstation at 8 percent a year."""
    return Owned(
        box_purchase_usd=Decimal(price),
        life_months=12 * years,
        cost_of_capital_per_year=Decimal("0.08"),
        box_residual_usd=Decimal(price) * Decimal(residual),
        box_power_w=Decimal(watts),
        pue=Decimal("1.1"),
        usd_per_kwh=Decimal("0.15"),
        maintenance_share_per_year=Decimal("0.03"),
    )


def meet(fixed: str, marginal: str, hosted: str, capacity: str = "1e12") -> BreakEven:
    """A break-even whose tokens and seconds do not matter."""
    return break_even(
        usd_per_month_fixed=Decimal(fixed),
        usd_per_request_marginal=Decimal(marginal),
        usd_per_request_hosted=Decimal(hosted),
        tokens_per_request=Decimal(1600),
        requests_per_month_capacity=Decimal(capacity),
        box_seconds_per_request=SECONDS_PER_MONTH / Decimal(capacity),
    )


def test_v1_break_even_of_two_published_lessons() -> None:
    """V1: 625 requests an hour at $2.50 and $0.004; 669,643 a month at $6,000 fixed and $0.40 per Mtok."""
    by_hour = meet(str(Decimal("2.50") * HOURS_PER_MONTH), "0", "0.004").requests_per_month
    assert by_hour is not None
    assert by_hour / HOURS_PER_MONTH == 625
    lesson = meet("6000", "0.00064", "0.0096")
    assert close(lesson.requests_per_month, "669642.8571428572", "1e-9")
    assert Decimal(6000) + 2_000_000 * Decimal("0.00064") == 7280


def test_v2_silybench() -> None:
    """V2: break-even per day and utilisation, dollars per token on both bases, and the month of 730 hours."""
    box = Rented(usd_per_gpu_hour=Decimal("2.69"))
    assert usd_per_month_fixed(box) == Decimal("1963.70")
    point = meet("1963.70", "0", "0.0000512", capacity=str(Decimal("129.234") * SECONDS_PER_MONTH))
    assert point.requests_per_month is not None
    assert point.requests_per_month * 24 / HOURS_PER_MONTH == Decimal("1260937.5")
    assert close(point.capacity_share, "0.1129283627201648", "1e-4")
    assert close(point.utilisation_share, "0.1129283627201648", "1e-4")
    rate = Decimal("32.258")

    def per_mtok(tokens: int, rps: Decimal = rate) -> Decimal:
        return usd_per_mtok(usd_per_gpu_hour=Decimal("2.69"), tokens_per_second_per_gpu=rps * tokens, utilisation=FULL)

    assert close(per_mtok(128), "0.1809682438809322", "1e-4")
    assert close(per_mtok(1152), "0.020107582653436915", "1e-4")
    assert close(per_mtok(1, Decimal("129.234")) / 1000, "0.005781932171272437", "1e-4")


def test_v3_cost_meter() -> None:
    """V3: the same GPU is 24 times dearer per token when nearly idle."""
    idle, busy = (
        usd_per_mtok(usd_per_gpu_hour=Decimal("6.98"), tokens_per_second_per_gpu=Decimal(rate), utilisation=FULL)
        for rate in ("255.1", "6237.6")
    )
    assert close(idle, "7.600505248486433", "2e-3")
    assert close(busy, "0.3108389266527012", "2e-3")
    assert close(idle / busy, "24.451587612700905", "2e-3")


def test_v4_utilisation_and_break_even_of_an_allocation() -> None:
    """V4: $1 when full is $4 at a quarter; against a $2 price the box pays from half its capacity, exactly."""
    rate = Decimal(1_000_000) / 3600
    full = usd_per_mtok(usd_per_gpu_hour=Decimal(1), tokens_per_second_per_gpu=rate, utilisation=FULL)
    quarter = usd_per_mtok(usd_per_gpu_hour=Decimal(1), tokens_per_second_per_gpu=rate, utilisation=Decimal("0.25"))
    assert round(full, 20) == 1
    assert round(quarter, 20) == 4
    assert meet("100", "0", "2", capacity="100").capacity_share == Decimal("0.5")


def test_v5_capital_recovery_factor() -> None:
    """V5: the loan identity, and plain division without interest."""
    factor = capital_recovery_factor(rate_per_year=Decimal("0.10"), years=Decimal(4))
    assert close(factor, "0.31547080370609765", "1e-9")
    assert capital_recovery_factor(rate_per_year=Decimal(0), years=Decimal(4)) == Decimal("0.25")


def test_v5_owned_server_part_by_part() -> None:
    """V5: capital, power, maintenance and the rest of an 8-GPU server, with electricity and in colocation."""
    cost = hourly_cost(hgx(), load=FULL)
    assert close(cost.capital, "1.1659959031030742", "1e-9")
    assert close(cost.power, "0.159375", "1e-9")
    assert close(cost.maintenance, "0.1284246575342466", "1e-9")
    assert close(cost.other, "0.2853881278538813", "1e-9")
    assert close(cost.usd_per_gpu_hour, "1.7391836884912022", "1e-9")
    colo = hourly_cost(hgx(colo_usd_per_kw_month=Decimal(200)), load=FULL)
    assert colo.power == 0
    assert close(colo.colocation, "0.34931506849315064", "1e-9")
    assert close(colo.usd_per_gpu_hour, "1.9291237569843525", "1e-9")


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        (small_box("12500", 4, "0.25", "850"), "0.5347143312507555"),
        (small_box("5700", 3, "0.3", "700"), "0.3273782786580877"),
    ],
)
def test_v5_owned_workstations(box: Owned, wanted: str) -> None:
    """V5: two one-GPU boxes."""
    assert close(hourly_cost(box, load=FULL).usd_per_gpu_hour, wanted, "1e-9")


@pytest.mark.parametrize(
    ("work", "each", "on_out", "on_total", "split_out"),
    [
        (CODE, "4.4173314964239015e-05", "1.5842666534291765", "0.021280852675354057", "0.16623948068641667"),
        (CONV, "4.631058207277572e-05", "0.21935044510280932", "0.0339067229595458", "0.11375507822"),
    ],
)
def test_v12_the_same_dollars_on_three_bases(
    work: Workload, each: str, on_out: str, on_total: str, split_out: str
) -> None:
    """V12: per request, all on output, all on total, and split by the work each token causes."""
    capacity = token_work(work, QWEN_FP8)
    seconds, price = capacity.box_seconds_per_request, Decimal("3.99")
    usd = price / 3600 * seconds
    assert close(usd, each, "1e-3")
    bases = ((work.output_tokens_per_request, on_out), (work.tokens_per_request, on_total))
    for tokens, wanted in bases:
        per = usd_per_mtok(usd_per_gpu_hour=price, tokens_per_second_per_gpu=tokens / seconds, utilisation=FULL)
        assert close(per, wanted, "1e-3")
    paid_in, paid_out = usd_split(usd, capacity)
    assert close(paid_in * 10**6 / work.input_tokens_per_request, "0.01930716666666667", "1e-3")
    assert close(paid_out * 10**6 / work.output_tokens_per_request, split_out, "1e-3")
    assert close(paid_in + paid_out, str(usd), "1e-20")


@pytest.mark.parametrize(("work", "share"), [(CONV, "0.153"), (CODE, "0.137")])
def test_break_even_utilisation_of_the_two_public_traces(work: Workload, share: str) -> None:
    """Section 3.6 of the study: an H100 at $3.99 against gpt-4o-mini. One mean shape is 1 % off the trace."""
    hosted = (
        work.input_tokens_per_request * Decimal("0.15") + work.output_tokens_per_request * Decimal("0.60")
    ) / 10**6
    seconds = token_work(work, QWEN_FP8).box_seconds_per_request
    point = break_even(
        usd_per_month_fixed=usd_per_month_fixed(Rented(usd_per_gpu_hour=Decimal("3.99"))),
        usd_per_request_marginal=Decimal(0),
        usd_per_request_hosted=hosted,
        tokens_per_request=work.tokens_per_request,
        requests_per_month_capacity=SECONDS_PER_MONTH / seconds,
        box_seconds_per_request=seconds,
    )
    assert close(point.utilisation_share, share, "1e-2")


def test_never_and_beyond_are_said() -> None:
    """An API below the marginal cost never loses; a break-even over the capacity is no break-even of this box."""
    assert meet("100", "0.5", "0.5") == BreakEven(pays=Pays.NEVER)
    assert meet("100", "0.6", "0.5") == BreakEven(pays=Pays.NEVER)
    assert meet("100", "0", "1", capacity="99").pays is Pays.BEYOND_CAPACITY
    assert meet("100", "0", "1", capacity="100").pays is Pays.AT


def test_marginal_cost_is_power_above_idle_and_zero_where_power_is_paid_anyway() -> None:
    """Rent and contracted kilowatts have no marginal power; a bought box pays what it draws above idle."""
    assert usd_per_box_hour_marginal(Rented(usd_per_gpu_hour=Decimal(4))) == 0
    assert usd_per_box_hour_marginal(hgx(colo_usd_per_kw_month=Decimal(200))) == 0
    box = hgx(idle_power_share=Decimal("0.3"))
    assert usd_per_box_hour_marginal(box) == Decimal("10.2") * Decimal("1.25") * Decimal("0.10") * Decimal("0.7")
    busy, idle = (hourly_cost(box, load=Decimal(load)).usd_per_gpu_hour for load in (1, 0))
    assert (busy - idle) * 8 == usd_per_box_hour_marginal(box)


def test_a_reservation_is_a_cheaper_rent() -> None:
    """A discount of 40 percent and $73 of storage a month, on two GPUs."""
    box = Rented(
        usd_per_gpu_hour=Decimal(4),
        gpus=2,
        commit_discount_share=Decimal("0.4"),
        other_usd_per_month=Decimal(73),
    )
    assert usd_per_month_fixed(box) == 2 * 730 * Decimal("2.4") + 73


@pytest.mark.parametrize("bad", [Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal(0)])
def test_impossible_rents_are_refused_by_name(bad: Decimal) -> None:
    """Not a number, endless, negative and free: each is named."""
    with pytest.raises(ValueError, match="usd_per_gpu_hour"):
        Rented(usd_per_gpu_hour=bad)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("box_purchase_usd", Decimal(0)),
        ("box_residual_usd", Decimal(300_001)),
        ("pue", Decimal("0.9")),
        ("idle_power_share", Decimal("1.1")),
        ("life_months", 0),
        ("usd_per_kwh", Decimal("NaN")),
        ("colo_usd_per_kw_month", Decimal(-1)),
    ],
)
def test_impossible_boxes_are_refused_by_name(field: str, value: Any) -> None:
    """Each wrong field of a bought box is named."""
    with pytest.raises(ValueError, match=field):
        hgx(**{field: value})


def test_cache_shares_are_a_partition() -> None:
    """V16: h + w over 1 is refused, and so is a request of nothing."""
    with pytest.raises(ValueError, match=r"cache_read_share \+ cache_write_share"):
        Workload(
            requests_per_month=Decimal(1),
            input_tokens_per_request=Decimal(10),
            output_tokens_per_request=Decimal(1),
            cache_read_share=Decimal("0.6"),
            cache_write_share=Decimal("0.5"),
        )
    with pytest.raises(ValueError, match="tokens_per_request"):
        shape("0", "0")


@given(seconds=st.decimals("0.001", "100", places=3), gpus=st.integers(1, 64), rent=st.decimals("0.1", "99", places=2))
def test_v16_twice_the_gpus_at_twice_the_speed_cost_the_same_a_request(
    seconds: Decimal, gpus: int, rent: Decimal
) -> None:
    """V16: doubling G and halving t leaves the dollars of a full box per request unchanged."""

    def usd(count: int, each: Decimal) -> Decimal:
        return usd_per_month_fixed(Rented(usd_per_gpu_hour=rent, gpus=count)) * each / SECONDS_PER_MONTH

    assert abs(usd(2 * gpus, seconds / 2) - usd(gpus, seconds)) < Decimal("1e-15")


@given(st.decimals("0.1", "50", places=2), st.decimals("0.01", "5", places=2))
def test_v16_cost_rises_with_the_rent(rent: Decimal, more: Decimal) -> None:
    """V16: a dearer GPU is never cheaper, and needs more requests to pay."""
    cheap, dear = (usd_per_month_fixed(Rented(usd_per_gpu_hour=value)) for value in (rent, rent + more))
    assert cheap < dear
    first, second = (meet(str(value), "0", "0.01").requests_per_month for value in (cheap, dear))
    assert first is not None
    assert second is not None
    assert first < second


def test_roofline_is_near_the_measured_fit_on_an_h100() -> None:
    """8B at fp8 on an H100: the estimate stays within its stated 35 percent of the measured token work."""
    model = ModelShape(params_b=Decimal("8.2"), bits_per_weight=Decimal(8), kv_bytes_per_token=Decimal(147_456))
    for work in (CONV, shape("1024", "128"), shape("2048", "512")):
        guess = roofline(work, model, H100, gpus=1)
        truth = token_work(work, QWEN_FP8).box_seconds_per_request
        assert guess.error_share is not None
        assert abs(guess.box_seconds_per_request / truth - 1) < guess.error_share


def test_roofline_replicates_small_models_and_shards_large_ones() -> None:
    """Two GPUs run an 8B twice, four a 70B with long prompts once; what does not fit is refused."""
    small = ModelShape(params_b=Decimal(8), bits_per_weight=Decimal(8))
    one, two = (roofline(CONV, small, H100, gpus=count).box_seconds_per_request for count in (1, 2))
    assert abs(one / two - 2) < Decimal("1e-20")
    large = ModelShape(params_b=Decimal("70.6"), bits_per_weight=Decimal(16))
    assert "2 replica(s) of 2 GPU(s)" in roofline(CONV, large, H100, gpus=4).basis
    assert "1 replica(s) of 4 GPU(s)" in roofline(shape("8000", "500"), large, H100, gpus=4).basis
    assert "1 replica(s) of 2 GPU(s)" in roofline(CONV, large, H100, gpus=2).basis
    with pytest.raises(ValueError, match="do not fit"):
        roofline(CONV, large, H100, gpus=1)


def test_roofline_refuses_what_it_does_not_know() -> None:
    """Without an arithmetic speed nothing is estimated."""
    blind = Silicon(memory_gib=Decimal(32), bandwidth_gb_per_s=Decimal(1792), bf16_tflops=None, fp8_tflops=None)
    with pytest.raises(ValueError, match="not known"):
        roofline(CONV, ModelShape(params_b=Decimal(8), bits_per_weight=Decimal(8)), blind, gpus=1)


def test_kv_cache_of_the_two_anchor_models() -> None:
    """The power law passes through both published models."""
    for params, wanted in (("8.03", "131072"), ("70.6", "327680")):
        model = ModelShape(params_b=Decimal(params), bits_per_weight=Decimal(16))
        assert close(model.cache_bytes_per_token, wanted, "1e-3")


def test_capacity_keeps_the_peak_under_the_limit() -> None:
    """Ten seconds a request, peak twice the mean, 85 percent busy at most."""
    work = Workload(
        requests_per_month=Decimal(1),
        input_tokens_per_request=Decimal(100),
        output_tokens_per_request=Decimal(100),
        peak_to_mean=Decimal(2),
    )
    capacity = stated(work, output_tokens_per_second=Decimal(10))
    assert capacity.box_seconds_per_request == 10
    most = requests_per_month(capacity, work, busy_limit=Decimal("0.85"))
    assert most * 10 * 2 / SECONDS_PER_MONTH == Decimal("0.85")


def test_a_prefix_cache_saves_prefill_only() -> None:
    """Half the input cached saves half of a's share and nothing else."""
    plain = shape("1000", "100")
    cached = Workload(
        requests_per_month=Decimal(1),
        input_tokens_per_request=Decimal(1000),
        output_tokens_per_request=Decimal(100),
        cache_read_share=Decimal("0.5"),
    )
    saved = token_work(plain, QWEN_FP8).box_seconds_per_request - token_work(cached, QWEN_FP8).box_seconds_per_request
    assert saved == QWEN_FP8.a_us * 500 / 10**6
