"""Strategies order legal doors: they may drop one, and add none, over every mix of doors, states and wishes."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations, product

import pytest

from localfleet.core.ask import WORDLESS, Api, Ask, Caller, Priority
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.routing.order import Preference, order
from localfleet.core.routing.price import by_price, expected_usd, worst_usd
from localfleet.core.routing.task import by_task

APIS = frozenset({Api.CHAT})
CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)


def price(usd: str) -> Price:
    """A price for both directions."""
    return Price(usd_per_mtok_in=Decimal(usd), usd_per_mtok_out=Decimal(usd))


BOX = Model(name="box", tier="local", accepts=None, context_tokens=999, apis=APIS, queue_limit=1)
BIG = Model(name="big", tier="local", accepts=None, context_tokens=999, apis=APIS, queue_limit=1)
MINI = Model(name="mini", tier="low", accepts=Label.PUBLIC, context_tokens=999, apis=APIS, price=price("1"))
BEST = Model(name="best", tier="top", accepts=Label.PUBLIC, context_tokens=999, apis=APIS, price=price("9"))
FREE = Model(name="unpriced", tier="low", accepts=Label.PUBLIC, context_tokens=999, apis=APIS)
ALL = [BOX, BIG, MINI, BEST, FREE]
TABLES: tuple[tuple[str, ...], ...] = ((), ("local",), ("best",), ("mini", "local"), ("big", "best", "local"))


def ask(**changes: object) -> Ask:
    """A small request."""
    facts: dict[str, object] = {
        "request_id": "r", "api": Api.CHAT, "model": "auto", "caller": CALLER, "spans": (), "input_tokens": 100,
        "input_bytes": 400,
    }  # fmt: skip
    return Ask(**(facts | changes))  # type: ignore[arg-type]  # a test's keyword bag


def test_ordering_adds_no_door_and_forgets_no_local_one() -> None:
    """Exhaustive over the legal doors, their states, the table, the preference and the priority."""
    seen = 0
    states = [
        EngineState(readiness=Readiness.READY),
        EngineState(readiness=Readiness.READY, in_flight=5),
        EngineState(readiness=Readiness.LOADING),
    ]
    for mask, table, prefer, priority, offset in product(
        range(1, 32), TABLES, ("hosted", "local"), Priority, range(3)
    ):  # fmt: skip
        legal = [model for i, model in enumerate(ALL) if mask >> i & 1]
        fleet = Fleet(models=tuple(ALL), states={m.name: states[(i + offset) % 3] for i, m in enumerate(ALL)})
        wish = Preference(tasks={"t": table} if table else {}, prefer=prefer)  # type: ignore[arg-type]  # product widens the literal
        ranked, reason = order(ask(task="t", priority=priority), legal, fleet, wish)
        assert ranked
        assert len(ranked) == len(set(map(id, ranked)))
        assert all(model in legal for model in ranked)
        assert all(model in ranked for model in legal if model.local)
        assert (reason is Reason.TASK_RULE) is bool(table)
        held = reason is Reason.VOLUME_STAYS_LOCAL
        ready = [m for m in ranked if fleet.state(m.name) == states[0] and (m.local or not held)]
        first = fleet.state(ranked[0].name)
        hosted_ready = first.readiness is Readiness.READY and not ranked[0].local
        assert not ready or first == states[0] or hosted_ready
        assert not held or [m.local for m in ranked] == sorted((m.local for m in ranked), reverse=True)
        seen += 1
    assert seen == 31 * 5 * 2 * 2 * 3


@pytest.mark.parametrize("models", [*permutations([MINI, BEST, FREE])])
def test_the_cheapest_comes_first_and_the_unknown_last(models: tuple[Model, ...]) -> None:
    """Whatever order the file has."""
    assert [model.name for model in by_price(ask(), list(models))] == ["mini", "best", "unpriced"]


def test_what_a_request_costs_where() -> None:
    """Nothing on the box, unknown where no price is known, and the worst case bounds the expected one."""
    small, long, many = ask(max_output_tokens=10), ask(), ask(choices=5)
    assert expected_usd(small, BOX) == worst_usd(small, BOX) == 0
    assert expected_usd(small, FREE) is worst_usd(small, FREE) is None
    assert expected_usd(small, MINI) == Decimal(110) / 1_000_000
    assert worst_usd(small, MINI) == Decimal(410) / 1_000_000
    assert worst_usd(long, MINI) == Decimal(400 + 999) / 1_000_000
    assert worst_usd(many, MINI) == Decimal(400 + 5 * 999) / 1_000_000
    for api in WORDLESS:
        numbers = replace(long, api=api)
        assert (expected_usd(numbers, MINI), worst_usd(numbers, MINI)) == (Decimal("0.0001"), Decimal("0.0004"))


def test_the_table_names_hosted_models_and_cannot_leave_out_the_box() -> None:
    """`local` stands for every local model; those not named come last."""
    assert [model.name for model in by_task(ALL, ("best", "mini"))] == ["best", "mini", "box", "big"]
    assert [model.name for model in by_task(ALL, ("big", "best", "local"))] == ["big", "best", "box"]
    assert [model.name for model in by_task(ALL, ("local", "mini"))] == ["box", "big", "mini"]
    assert by_task([MINI], ("best",)) == []


def test_a_specialised_model_is_reached_by_its_name_or_a_task_s_row() -> None:
    """An adapter made for one kind of work is not `auto`'s nor `local`'s to take, whatever else is down."""
    fleet = Fleet(
        models=(BOX, replace(BIG, specialised=True)),
        states={name: EngineState(readiness=Readiness.READY) for name in ("box", "big")},
    )
    policy = Policy(preference=Preference(tasks={"law": ("big", "box")}))
    public = Verdict(label=Label.PUBLIC)

    def doors(**changes: object) -> list[str]:
        return [route.model for route in dict.fromkeys(decide(ask(**changes), public, fleet, policy).routes)]

    assert doors(model="auto") == doors(model="local") == ["box"]
    assert doors(model="big") == ["big"]
    assert doors(model="auto", task="law") == ["big", "box"]
    assert doors(model="auto", task="other") == ["box"]
    assert doors(model="box", task="law") == ["box"]
    fleet = replace(fleet, models=(BOX, replace(BIG, specialised=True, domains=frozenset({"other"}))))
    assert set(doors(model="auto", task="other")) == {"big", "box"}
    assert doors(model="auto") == ["box"]
