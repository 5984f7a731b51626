"""The price of a second by hour of the week: slack is free, greedy is optimal, boxes are added while they pay."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localfleet.core.cost.linear import Bound, least
from localfleet.core.cost.shadow import Movable, demand_by_hour, live_bid, replicas_worth, shadow_prices
from localfleet.core.cost.traffic import requests


def work(name: str, usd: float, per_hour: float, seconds: float = 1.0, **more: Any) -> Movable:
    """A class with the same demand in each of two slots."""
    return Movable(name=name, seconds=seconds, usd_hosted=usd, requests_per_hour=np.full(2, per_hour), **more)


def test_slack_is_free() -> None:
    """Everything fits: a second costs nothing, all is local, one replica more is worth nothing."""
    seen = shadow_prices([work("chat", 0.01, 1000)], replicas=1)
    assert seen.usd_per_replica_s_shadow.tolist() == [0, 0]
    assert seen.local_share["chat"].tolist() == [1, 1]
    assert seen.usd_per_replica_month_shadow == 0
    assert seen.usd_saved_per_month == pytest.approx(0.01 * 1000 * 730)


def test_the_price_is_the_dearest_work_left_outside() -> None:
    """One replica has 3,060 s an hour: all 2,000 of the dear work, 1,060 of the cheap, whose value is the price."""
    seen = shadow_prices([work("cheap", 0.01, 2000), work("dear", 0.03, 2000)], replicas=1)
    assert seen.usd_per_replica_s_shadow.tolist() == [0.01, 0.01]
    assert seen.local_share["dear"].tolist() == [1, 1]
    assert seen.local_share["cheap"] == pytest.approx([0.53, 0.53])
    assert seen.usd_per_replica_month_shadow == pytest.approx(0.01 * 3060 * 730)


def test_what_must_stay_comes_first() -> None:
    """It takes its room before any saving; a slot in which it does not fit is marked."""
    stays = np.array([3060.0, 4000.0])
    seen = shadow_prices([work("chat", 0.01, 100)], replicas=1, must_stay_s_per_hour=stays)
    assert seen.local_share["chat"].tolist() == [0, 0]
    assert seen.short == (1,)
    assert seen.usd_per_replica_s_shadow.tolist() == [0.01, 0.01]


def test_work_that_loses_locally_stays_hosted() -> None:
    """Power dearer than the hosted price, or answers that fail too often, never pull work in."""
    seen = shadow_prices(
        [work("cheap", 0.001, 10, usd_marginal=0.002), work("poor", 0.01, 10, quality_ratio=0.0)], replicas=1
    )
    assert [share.sum() for share in seen.local_share.values()] == [0, 0]
    assert seen.usd_per_replica_s_shadow.tolist() == [0, 0]
    assert seen.usd_saved_per_month == 0


classes = some.lists(
    some.tuples(some.integers(1, 50), some.integers(1, 9), some.integers(0, 900), some.integers(0, 20)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(rows=classes, replicas=some.integers(0, 3), stays=some.integers(0, 4000))
def test_v16_greedy_is_the_optimum(rows: list[tuple[int, int, int, int]], replicas: int, stays: int) -> None:
    """An exact linear program over the same hour saves neither more nor less; with slack the price is zero."""
    jobs = [
        Movable(
            name=str(number),
            seconds=float(seconds),
            usd_hosted=usd / 64,
            usd_marginal=power / 64,
            requests_per_hour=np.array([float(count)]),
        )
        for number, (usd, seconds, count, power) in enumerate(rows)
    ]
    seen = shadow_prices(jobs, replicas=replicas, must_stay_s_per_hour=np.array([float(stays)]), busy_limit=1.0)
    room = max(0, 3600 * replicas - stays)
    amounts = len(rows)
    bounds = [Bound(weights=tuple(Fraction(seconds) for _, seconds, _, _ in rows), high=Fraction(room))]
    for at, (_, _, count, _) in enumerate(rows):
        alone = tuple(Fraction(int(each == at)) for each in range(amounts))
        bounds.append(Bound(weights=alone, high=Fraction(count)))
    best = least([Fraction(power - usd, 64) for usd, _, _, power in rows], bounds)
    assert best is not None
    assert best.value is not None
    assert seen.usd_saved_per_month == pytest.approx(float(-best.value) * 730, abs=1e-6)
    used = sum(job.seconds * float(job.requests_per_hour[0] * seen.local_share[job.name][0]) for job in jobs)
    if used < room - 1e-6:
        assert seen.usd_per_replica_s_shadow[0] == 0


@given(rent=some.floats(1, 60_000), least_replicas=some.integers(0, 3))
def test_boxes_are_added_while_they_pay(rent: float, least_replicas: int) -> None:
    """No other number of replicas from the least up leaves more."""
    jobs = [work("dear", 0.02, 5000), work("cheap", 0.004, 20_000)]
    best = replicas_worth(jobs, usd_per_replica_month=rent, least=least_replicas)
    for replicas in range(least_replicas, least_replicas + 12):
        other = shadow_prices(jobs, replicas=replicas).usd_saved_per_month - rent * replicas
        assert other <= best.usd_net_per_month + 1e-6


def test_a_replica_pays_while_its_shadow_price_is_over_its_rent() -> None:
    """Peak-load pricing: at the chosen number the price of a month is under the rent, one below it was over."""
    jobs = [work("chat", 0.01, 9000)]
    best = replicas_worth(jobs, usd_per_replica_month=3000)
    assert best.replicas == 3
    assert best.prices.usd_per_replica_month_shadow < 3000
    assert shadow_prices(jobs, replicas=2).usd_per_replica_month_shadow > 3000


def test_the_live_bid_follows_the_queue() -> None:
    """Nothing below 60 % of the budget, half way between there and full, the highest value when full and beyond."""
    bids = [live_bid(wait_s=wait, wait_budget_s=2, usd_per_replica_s_highest=0.01) for wait in (0, 1.2, 1.6, 2, 9)]
    assert bids == pytest.approx([0, 0, 0.005, 0.01, 0.01])


def test_demand_by_hour_says_how_much_it_has_seen() -> None:
    """Two hours of a week at 10 and 20 requests; the other 166 get their mean, and the count says 2."""
    at = [*np.linspace(0, 3599, 10), *np.linspace(3600, 7200, 20)]
    nothing = [0.0] * len(at)
    demand, seen = demand_by_hour(requests(at_s=at, input_tokens=nothing, output_tokens=nothing))
    assert seen == 2
    assert demand[:3] == pytest.approx([10, 19, 15], abs=1)
    late, _ = demand_by_hour(requests(at_s=at, input_tokens=nothing, output_tokens=nothing), first_hour_of_week=167)
    assert late[167] == pytest.approx(10)
    assert late[0] == pytest.approx(19, abs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 0.0}, "seconds of chat: must be more than 0"),
        ({"usd_hosted": float("nan")}, "usd_hosted of chat"),
        ({"requests_per_hour": np.array([-1.0])}, "requests_per_hour of chat"),
    ],
)
def test_impossible_work_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    """A wrong number names its field and its class."""
    good = {"name": "chat", "seconds": 1.0, "usd_hosted": 0.01, "requests_per_hour": np.array([1.0])}
    with pytest.raises(ValueError, match=message):
        Movable(**{**good, **change})
