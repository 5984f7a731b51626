"""Both sides of a month, and the sentence that answers."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from localfleet.core.cost.breakeven import Pays
from localfleet.core.cost.capacity import Capacity, Level, TokenWork, Workload, token_work
from localfleet.core.cost.compare import BoxOption, Comparison, HostedOption, compare
from localfleet.core.cost.hour import Box, Owned, Rented
from localfleet.core.pricing import Price, PriceTier

TODAY = date(2026, 11, 22)
QWEN_FP8 = TokenWork(a_us=Decimal("17.41894"), b0_us=Decimal("28.17691"), k_us=Decimal("0.05908"))
RENT = Rented(usd_per_gpu_hour=Decimal("3.99"))
OWN = Owned(
    box_purchase_usd=Decimal(12_500),
    life_months=48,
    cost_of_capital_per_year=Decimal("0.08"),
    box_residual_usd=Decimal(3125),
    box_power_w=Decimal(850),
    idle_power_share=Decimal("0.3"),
    pue=Decimal("1.1"),
    usd_per_kwh=Decimal("0.15"),
    maintenance_share_per_year=Decimal("0.03"),
)


def hosted(name: str, paid_in: str, paid_out: str, **limits: object) -> HostedOption:
    """A hosted model at a price per Mtok."""
    price = Price(usd_per_mtok_in=Decimal(paid_in), usd_per_mtok_out=Decimal(paid_out))
    return HostedOption(name=name, price=price, **limits)  # type: ignore[arg-type]  # the caller names real fields


MINI = hosted("gpt-4o-mini", "0.15", "0.60")
OPUS = hosted("claude-opus-4.7", "5", "25")


def month(requests: Decimal | str, tokens_in: str = "1000", tokens_out: str = "300") -> Workload:
    """A flat month."""
    return Workload(
        requests_per_month=Decimal(requests),
        input_tokens_per_request=Decimal(tokens_in),
        output_tokens_per_request=Decimal(tokens_out),
    )


def option(
    box: Box = RENT, seconds: str = "0.03", staff: str = "0", spare: int = 0, level: Level = Level.STATED
) -> BoxOption:
    """A box that takes `seconds` for a request, all of its time usable."""
    return BoxOption(
        name="H100",
        box=box,
        capacity=Capacity(box_seconds_per_request=Decimal(seconds), level=level, basis="a test"),
        busy_limit=Decimal(1),
        staff_usd_per_month=Decimal(staff),
        spare_boxes=spare,
    )


def ask(requests: Decimal | str, box: BoxOption, *models: HostedOption, against: str | None = None) -> Comparison:
    """Compare at a volume."""
    return compare(month(requests), box, models or (MINI,), today=TODAY, against=against)


CODE = ("2047.848282118154", "27.88252636353328", Decimal(8819) * 2_628_000 / Decimal("3435.9480559825897"))
CONV = ("1154.6974078281523", "211.12594237323142", Decimal(19366) * 2_628_000 / Decimal("3501.7219371795654"))


@pytest.mark.parametrize(
    ("model", "code", "conv"),
    [
        (hosted("gpt-4o", "2.5", "10"), "36413.9", "72640.7"),
        (MINI, "2184.8", "4358.4"),
        (hosted("claude-haiku-4.5", "1", "5"), "14753.6", "32124.8"),
        (hosted("gemini-2.0-flash", "0.1", "0.4"), "1456.6", "2905.6"),
        (OPUS, "73768.1", "160623.9"),
    ],
)
def test_v12_hosted_months_of_two_public_traces(model: HostedOption, code: str, conv: str) -> None:
    """V12: the hosted bill of both traces scaled to a month."""
    for (tokens_in, tokens_out, requests), wanted in ((CODE, code), (CONV, conv)):
        done = compare(month(requests, tokens_in, tokens_out), option(), (model,), today=TODAY)
        assert done.hosted[0].usd_per_month_total is not None
        assert abs(done.hosted[0].usd_per_month_total / Decimal(wanted) - 1) < Decimal("1e-3")


def test_a_spare_box_flips_the_verdict() -> None:
    """The study's flip: $2,913 for one H100 beats $4,358 on the API; N+1 at $5,825 does not."""
    tokens_in, tokens_out, requests = CONV
    work = month(requests, tokens_in, tokens_out)
    totals = []
    for spare in (0, 1):
        box = BoxOption(
            name="H100",
            box=RENT,
            capacity=token_work(work, QWEN_FP8),
            busy_limit=Decimal("0.85"),
            spare_boxes=spare,
        )
        done = compare(work, box, (MINI,), today=TODAY)
        assert done.box is not None
        totals.append(done.box.usd_per_month_total)
        assert (" take " in done.answer, " stay on " in done.answer) == (spare == 0, spare == 1)
    assert totals == [Decimal("2912.70"), Decimal("5825.40")]


def test_utilisation_of_the_two_public_traces() -> None:
    """Section 5 of the study: one H100 is busy .103 with code, .229 with conversation; a mean shape is 1 % off."""
    for (tokens_in, tokens_out, requests), wanted in ((CODE, "0.10258921"), (CONV, "0.22878726")):
        work = month(requests, tokens_in, tokens_out)
        seconds = str(token_work(work, QWEN_FP8).box_seconds_per_request)
        done = compare(work, option(seconds=seconds), (MINI,), today=TODAY)
        assert done.box is not None
        assert abs(done.box.utilisation_share / Decimal(wanted) - 1) < Decimal("1e-2")


def test_the_answer_says_stay_with_both_sums_and_the_volume() -> None:
    """A small volume stays; the sentence holds volume, both dollars and the break-even."""
    done = ask("200000", option(), MINI, OPUS)
    assert done.answer == (
        "At 200,000 requests a month stay on gpt-4o-mini: $66.00 against $2,913 for the H100; "
        "the box pays from 8,826,364 requests a month (10 % of its capacity)."
    )


def test_the_answer_says_take_the_box_and_warns_of_an_estimate() -> None:
    """A large volume takes the box; a roofline capacity is called an estimate."""
    assert ask("20000000", option()).answer.startswith("At 20,000,000 requests a month take the H100: $2,913 against")
    assert "measure before you buy" in ask("20000000", option(level=Level.ROOFLINE)).answer
    assert "measure before you buy" not in ask("20000000", option(level=Level.CALIBRATED)).answer


def test_the_answer_names_another_model_when_asked() -> None:
    """`against` picks the model; the default is the cheapest usable one."""
    done = ask("200000", option(), MINI, OPUS, against="claude-opus-4.7")
    assert done.against is not None
    assert done.against.option is OPUS
    assert "claude-opus-4.7" in done.answer


def test_no_traffic_is_no_answer() -> None:
    """Zero volume compares nothing and divides by nothing."""
    done = ask("0", option())
    assert done.answer == "no traffic: nothing to compare"
    assert done.box is None
    assert done.hosted == ()


def test_an_unknown_price_is_unknown() -> None:
    """No price means no dollars, no break-even and no verdict, never zero."""
    done = ask("1000", option(), HostedOption(name="mystery", price=None))
    assert done.hosted[0].usd_per_month_total is None
    assert done.hosted[0].break_even is None
    assert done.against is None
    assert done.answer.startswith("No usable hosted model has a known price")


def test_what_cannot_serve_is_not_the_answer() -> None:
    """Retired models, embeddings and too small contexts are shown but not chosen; a later retirement only noted."""
    gone = hosted("gone", "0.01", "0.01", retires_on=date(2026, 1, 1))
    tiny = hosted("tiny", "0.01", "0.01", context_tokens=1000)
    vectors = hosted("vectors", "0.01", "0", mode="embedding")
    going = hosted("going", "0.02", "0.02", retires_on=date(2027, 1, 1))
    done = ask("1000", option(), gone, tiny, vectors, going, MINI)
    assert done.against is not None
    assert done.against.option is going
    assert [line.usable for line in done.hosted] == [False, False, False, True, True]
    assert done.hosted[3].notes == ("retires on 2027-01-01",)


def test_long_requests_are_priced_at_their_own_rate() -> None:
    """Above the first context step all tokens take the rates of long requests, and the line says so."""
    step = PriceTier(above_input_tokens=200_000, usd_per_mtok_in=Decimal(2), usd_per_mtok_out=Decimal(3))
    price = Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(2), tiers=(step,))
    done = compare(month("1000", "250000"), option(), (HostedOption(name="long", price=price),), today=TODAY)
    assert done.hosted[0].usd_per_request == (250_000 * Decimal(2) + 300 * Decimal(3)) / 10**6
    assert done.hosted[0].notes == ("at its rate for more than 200,000 input tokens",)
    assert done.hosted[0].usable


def test_cached_input_is_priced_once() -> None:
    """Reads and writes are parts of the input: 1000 tokens, half read, a tenth written."""
    price = Price(
        usd_per_mtok_in=Decimal(1),
        usd_per_mtok_out=Decimal(5),
        usd_per_mtok_cache_read=Decimal("0.10"),
        usd_per_mtok_cache_write=Decimal("1.25"),
    )
    work = Workload(
        requests_per_month=Decimal(1_000_000),
        input_tokens_per_request=Decimal(1000),
        output_tokens_per_request=Decimal(0),
        cache_read_share=Decimal("0.5"),
        cache_write_share=Decimal("0.1"),
    )
    done = compare(work, option(), (HostedOption(name="m", price=price),), today=TODAY)
    assert done.hosted[0].usd_per_month_total == 400 + 50 + 125


def test_never_and_beyond_reach_the_sentence() -> None:
    """Power dearer than the API: never. A break-even over the capacity: more than the box can serve."""
    free = ask("1000", option(OWN), hosted("free", "0", "0"))
    assert "the box never pays" in free.answer
    slow = ask("1000", option(seconds="10"))
    assert slow.hosted[0].break_even is not None
    assert slow.hosted[0].break_even.pays is Pays.BEYOND_CAPACITY
    assert "more than this box can serve (262,800)" in slow.answer


def test_a_volume_over_one_box_takes_more() -> None:
    """Rented boxes are added until the peak fits, staff is paid once."""
    done = ask("262801", option(seconds="10", staff="100"), OPUS)
    assert done.box is not None
    assert done.box.boxes == 2
    assert done.box.usd_per_month_total == 2 * Decimal("2912.70") + 100


def test_every_part_adds_up() -> None:
    """Fixed, marginal and staff are the total; the hourly figure times the hours is the total without staff."""
    done = ask("10000000", option(OWN, staff="500"))
    line = done.box
    assert line is not None
    parts = line.usd_per_month_fixed + line.usd_per_month_marginal + line.usd_per_month_staff
    assert line.usd_per_month_total == parts
    by_hour = line.usd_per_gpu_hour_amortised * 730 * line.boxes
    assert abs(by_hour + 500 - line.usd_per_month_total) < Decimal("1e-15")


PRICES = st.decimals("0.01", "100", places=2)


@given(
    paid_in=PRICES,
    paid_out=PRICES,
    seconds=st.decimals("0.001", "5", places=3),
    staff=st.integers(0, 5000),
    box=st.sampled_from([RENT, OWN]),
)
def test_at_the_break_even_both_sides_cost_the_same(
    paid_in: Decimal, paid_out: Decimal, seconds: Decimal, staff: int, box: Box
) -> None:
    """Asked again at its own break-even volume, the comparison finds both sides equal within a cent."""
    mine = option(box, seconds=str(seconds), staff=str(staff))
    model = hosted("m", str(paid_in), str(paid_out))
    point = ask("1", mine, model).hosted[0].break_even
    assert point is not None
    assume(point.pays is Pays.AT)
    assert point.requests_per_month is not None
    again = ask(point.requests_per_month, mine, model)
    assert again.box is not None
    assert again.hosted[0].usd_per_month_total is not None
    assert abs(again.box.usd_per_month_total - again.hosted[0].usd_per_month_total) < Decimal("0.01")


@given(
    first=st.integers(1, 80_000_000),
    more=st.integers(1, 80_000_000),
    box=st.sampled_from([RENT, OWN]),
)
def test_more_volume_never_makes_the_box_dearer_per_token(first: int, more: int, box: Box) -> None:
    """On one box (no further one needed) the amortised price falls, the total never does."""
    mine = option(box, seconds="0.01", staff="1000")
    small, large = ask(str(first), mine).box, ask(str(first + more), mine).box
    assert small is not None
    assert large is not None
    assert large.boxes == 1
    assert large.usd_per_mtok_amortised < small.usd_per_mtok_amortised
    assert large.usd_per_month_total >= small.usd_per_month_total


@given(st.integers(1, 100_000_000), PRICES, PRICES)
def test_the_verdict_follows_the_sums(requests: int, paid_in: Decimal, paid_out: Decimal) -> None:
    """`stay` exactly where the hosted month is not dearer."""
    done = ask(str(requests), option(), hosted("m", str(paid_in), str(paid_out)))
    assert done.box is not None
    assert done.against is not None
    assert done.against.usd_per_month_total is not None
    assert (" stay on " in done.answer) == (done.against.usd_per_month_total <= done.box.usd_per_month_total)
