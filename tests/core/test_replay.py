"""A changed table over what happened: the law decides, prices are the new ones, quality is what was seen."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Caller
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.policy import Policy
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.replay import Choice, Past, Seen, chosen, estimated, observed, totalled
from localfleet.core.routing.order import Preference

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
SPOKEN = frozenset({Api.CHAT})
PRICE = Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(2))
MODELS = (
    Model(name="small", tier="local", accepts=None, context_tokens=9999, apis=SPOKEN),
    Model(name="mini", tier="cheap", accepts=Label.INTERNAL, context_tokens=9999, apis=SPOKEN, price=PRICE),
)
TO_MINI = Policy(preference=Preference(tasks={"t": ("mini", "small")}))


def past(**changes: Any) -> Past:
    """A public request of task `t` that the box answered well."""
    facts: dict[str, Any] = {
        "at": 0.0, "api": Api.CHAT, "wanted": "auto", "label": Label.PUBLIC, "task": "t", "plan": None,
        "model": "small", "tier": "local", "input_tokens": 1000, "output_tokens": 100, "usd": Decimal(0),
        "quality": 1.0,
    } | changes  # fmt: skip
    return Past(**facts)


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({}, "mini"),
        ({"task": None}, "mini"),
        ({"label": Label.RESTRICTED}, "small"),
        ({"wanted": "small"}, "small"),
        ({"shut": {"mini": Reason.LACKS_CAPABILITY}}, "small"),
        ({"shut": {"mini": Reason.OVER_BUDGET}}, "mini"),
        ({"label": Label.RESTRICTED, "wanted": "mini"}, None),
    ],
)
def test_the_law_decides_again(changes: Mapping[str, Any], model: str | None) -> None:
    """A table moves what it may; what a request itself cannot have stays shut, what was a moment's trouble does not."""
    choice = chosen(past(**changes), MODELS, TO_MINI, CALLER)
    assert choice is not None
    assert choice.model == model
    assert choice.usd == (Decimal("0.0012") if model == "mini" else 0)


def test_a_name_that_the_table_does_not_know_is_left_out() -> None:
    """Nobody can say where it would have gone."""
    assert chosen(past(wanted="gone"), MODELS, TO_MINI, CALLER) is None


def test_totals_by_hand() -> None:
    """Shares, money by day, the busiest hour, and a quality that weighs each request."""
    pasts = [past(quality=1.0), past(at=10.0, quality=0.5), past(at=4000.0, model="mini", tier="cheap", quality=0.0)]
    usd = Decimal("0.5")
    choices = [Choice(model="mini", tier="cheap", usd=usd)] * 2 + [Choice(model="small", tier="local", usd=Decimal(0))]
    totals = totalled(pasts, choices, observed(pasts))
    assert (totals.by_model, totals.by_tier) == ({"mini": 2, "small": 1}, {"cheap": 2, "local": 1})
    assert (totals.usd, totals.usd_by_tier_and_day["cheap", 0]) == (Decimal(1), Decimal(1))
    assert totals.busiest == {"mini": 2, "small": 1}
    assert totals.quality.mean == pytest.approx((0.0 * 2 + 0.75) / 3)


def test_what_nobody_said_anything_about_is_anything() -> None:
    """A model that was never seen at a task adds its whole share to the interval, and nothing to the mean."""
    estimate = estimated({("t", "new"): 5, ("t", "small"): 5}, {("t", "small"): Seen(count=1000, mean=0.9)})
    assert estimate.mean == pytest.approx(0.9)
    assert estimate.unknown_share == 0.5
    assert estimate.low == pytest.approx(0.45, abs=0.02)
    assert estimate.high == pytest.approx(0.95, abs=0.02)
    nothing = estimated({("t", "new"): 5}, {})
    assert (nothing.mean, nothing.low, nothing.high) == (None, 0.0, 1.0)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 200), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_interval_holds_its_mean(cells: list[tuple[int, int, float]]) -> None:
    """From 0 to 1, around the mean, and narrower than each cell alone would allow."""
    weights: dict[tuple[str | None, str | None], int] = {("t", str(i)): count for i, (count, _, _) in enumerate(cells)}
    seen: dict[tuple[str | None, str | None], Seen] = {
        ("t", str(i)): Seen(count=n, mean=mean) for i, (_, n, mean) in enumerate(cells)
    }
    estimate = estimated(weights, seen)
    assert estimate.mean is not None
    assert 0 <= estimate.low <= estimate.mean + 1e-9
    assert estimate.mean <= estimate.high + 1e-9 <= 1 + 2e-9
    widest = max(one.interval()[1] - one.interval()[0] for one in seen.values())
    assert estimate.high - estimate.low <= widest + 1e-9


def test_wilson_by_the_book() -> None:
    """Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662."""
    low, high = Seen(count=263, mean=81 / 263).interval()
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
