"""Hosted prices: the partition of the input, tiers, batch, the worst case; and what a completed action costs on top."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.action import Attempts, escalation_limit_share, usd_per_action
from localfleet.core.cost.hosted import (
    TokenShape,
    cache_break_even_share,
    cache_saving_share,
    usd_per_request_hosted,
)
from localfleet.core.cost.hosted_trace import usd_hosted
from localfleet.core.cost.traffic import requests
from localfleet.core.pricing import Price, PriceTier, usd_worst

PRICE = Price(
    usd_per_mtok_in=Decimal(3),
    usd_per_mtok_out=Decimal(15),
    usd_per_mtok_cache_read=Decimal("0.3"),
    usd_per_mtok_cache_write=Decimal("3.75"),
    tiers=(PriceTier(above_input_tokens=200_000, usd_per_mtok_in=Decimal(6), usd_per_mtok_out=Decimal("22.5")),),
)
shares = some.decimals(0, 1, places=3)
chance = some.decimals(0, 1, places=2)


def shape(into: int, out: int, read: str = "0", write: str = "0") -> TokenShape:
    """One request."""
    return TokenShape(
        input_tokens=Decimal(into),
        output_tokens=Decimal(out),
        cache_read_share=Decimal(read),
        cache_write_share=Decimal(write),
    )


def test_every_input_token_is_priced_once() -> None:
    """1,000 in, half read, a fifth written, 100 out: 300 plain, 500 read, 200 written."""
    usd = usd_per_request_hosted(PRICE, shape(1000, 100, "0.5", "0.2"))
    assert usd * 10**6 == 300 * 3 + Decimal("0.3") * 500 + Decimal("3.75") * 200 + 1500


@given(read=shares, write=shares, into=some.integers(0, 400_000), out=some.integers(0, 9000))
def test_a_trace_and_a_request_cost_the_same(read: Decimal, write: Decimal, into: int, out: int) -> None:
    """Columns and decimals agree in each tier, and a partition over 1 is refused."""
    if read + write > 1:
        with pytest.raises(ValueError, match=r"cache_read_share \+ cache_write_share must be at most 1"):
            shape(into, out, str(read), str(write))
        return
    trace = requests(
        at_s=[0.0],
        input_tokens=[into],
        output_tokens=[out],
        cache_read_tokens=[into * float(read)],
        cache_write_tokens=[into * float(write)],
    )
    usd = usd_per_request_hosted(PRICE, shape(into, out, str(read), str(write)))
    assert usd_hosted(PRICE, trace)[0] == pytest.approx(float(usd))


def test_long_input_and_batch_have_their_own_price() -> None:
    """The tier is of the request's own input, for all its tokens; batch pays its part; a part of 0 is refused."""
    assert usd_per_request_hosted(PRICE, shape(200_000, 1000)) == Decimal("0.615")
    assert usd_per_request_hosted(PRICE, shape(300_000, 1000)) == Decimal("1.8225")
    assert usd_per_request_hosted(PRICE, shape(300_000, 1000), multiplier=Decimal("0.5")) == Decimal("0.91125")
    with pytest.raises(ValueError, match="multiplier must be more than 0"):
        usd_per_request_hosted(PRICE, shape(1, 1), multiplier=Decimal(0))


@given(bound=some.integers(0, 400_000), part=shares, out=some.integers(0, 9000), read=shares)
def test_no_request_costs_more_than_its_reservation(bound: int, part: Decimal, out: int, read: Decimal) -> None:
    """Whatever part of the bound turns out to be input, in whichever tier: the worst case covers it (law 9)."""
    into = int(bound * part)
    seen = usd_per_request_hosted(PRICE, shape(into, out, str(read), str(1 - read)))
    assert seen <= usd_worst(PRICE, input_tokens=bound, output_tokens=out)


def test_v6_caching_pays_from_a_share_on() -> None:
    """Write at 1.25 and read at 0.10 of the input price: from 21.74 % hits; published savings after n uses."""
    terms = {"read_multiplier": Decimal("0.10"), "write_multiplier": Decimal("1.25")}
    assert float(cache_break_even_share(**terms)) == pytest.approx(0.2173913043478261, rel=1e-9)
    saved = [float(cache_saving_share(uses=uses, **terms)) for uses in (2, 3, 5, 10, 50)]
    assert saved == pytest.approx([0.325, 0.5166666666666666, 0.67, 0.785, 0.877], rel=1e-9)
    assert cache_saving_share(uses=1, **terms) < 0


def test_v6_escalation_is_worth_it_up_to_a_share() -> None:
    """gpt-4o-mini before gpt-4o up to 94 %, Haiku 4.5 before Opus 4.7 up to 80 %, at 1,000 in and 500 out."""
    mini, large = Decimal("0.00045"), Decimal("0.0075")
    haiku, opus = Decimal("0.0035"), Decimal("0.0175")
    assert escalation_limit_share(usd_first=mini, usd_second=large) == Decimal("0.94")
    assert escalation_limit_share(usd_first=haiku, usd_second=opus) == Decimal("0.8")


def test_an_escalated_action_pays_both_tiers() -> None:
    """First tier 8 of 10, second 19 of 20, classifier and judge: by hand."""
    cost = usd_per_action(
        Attempts(usd_per_call=Decimal("0.001"), success_share=Decimal("0.8")),
        Attempts(usd_per_call=Decimal("0.02"), success_share=Decimal("0.95")),
        usd_classify=Decimal("0.0001"),
        usd_judge=Decimal("0.0004"),
    )
    assert cost.usd_per_request == Decimal("0.0055")
    assert cost.completed_share == Decimal("0.99")
    assert cost.usd_per_action == Decimal("0.0055") / Decimal("0.99")


def test_retries_are_paid_until_one_succeeds() -> None:
    """Up to three attempts at one half: 1.75 calls, 7 of 8 completed, so $2 for each that completes."""
    cost = usd_per_action(Attempts(usd_per_call=Decimal(1), success_share=Decimal("0.5"), most=3))
    assert (cost.usd_per_request, cost.completed_share, cost.usd_per_action) == (*map(Decimal, ("1.75", "0.875", "2")),)


def test_nothing_completed_has_no_price() -> None:
    """Dollars were spent and no action completed: unknown, not zero and not infinite."""
    assert usd_per_action(Attempts(usd_per_call=Decimal(1), success_share=Decimal(0), most=2)).usd_per_action is None


@given(q=chance, q2=chance, f=chance, more=chance)
def test_more_escalation_never_costs_less(q: Decimal, q2: Decimal, f: Decimal, more: Decimal) -> None:
    """Dollars per request grow with the escalated share, and nothing completes more often than always."""
    first, second = (Attempts(usd_per_call=Decimal(price), success_share=share) for price, share in ((1, q), (9, q2)))
    less, most = sorted((f, more))
    low, high = (usd_per_action(first, second, escalated_share=share) for share in (less, most))
    assert low.usd_per_request <= high.usd_per_request
    assert max(low.completed_share, high.completed_share) <= 1
