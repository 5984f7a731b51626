"""The ladder: each rung before the next, over every mix of states, and what it means for restricted and other work."""

from itertools import pairwise, product
from math import inf

import pytest

from localfleet.core.ask import Api, Ask, Caller, Priority
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.route import Decision, LocalRoute
from localfleet.core.routing.ladder import climb, stands_open
from localfleet.core.routing.order import Preference

READY, DEGRADED, ASLEEP = Readiness.READY, Readiness.DEGRADED, Readiness.ASLEEP
APIS = frozenset({Api.CHAT})
CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
PRICE = Price(usd_per_mtok_in=1, usd_per_mtok_out=1)  # type: ignore[arg-type]  # whole dollars will do


def local(name: str) -> Model:
    """A model of the box with a line of four."""
    return Model(name=name, tier="local", accepts=None, context_tokens=999, apis=APIS, queue_limit=4)


BIG, SMALL, THIRD = local("big"), local("small"), local("third")
MINI = Model(name="mini", tier="low", accepts=Label.INTERNAL, context_tokens=999, apis=APIS, price=PRICE)

ROOM = EngineState(readiness=READY, in_flight=1)
SHORT = EngineState(readiness=READY, in_flight=2, waiting=1, wait_s=0.5)
LONG = EngineState(readiness=READY, in_flight=2, waiting=1, wait_s=8)
LONGER = EngineState(readiness=DEGRADED, in_flight=2, waiting=1, wait_s=9)
WAKES = EngineState(readiness=ASLEEP, ready_in_s=3)
LOADS = EngineState(readiness=Readiness.LOADING, ready_in_s=5)
SOMETIME = EngineState(readiness=Readiness.WARMING)
FULL = EngineState(readiness=READY, in_flight=2, waiting=2, wait_s=0)
LATE = EngineState(readiness=ASLEEP, ready_in_s=60)
LATER = EngineState(readiness=READY, in_flight=2, waiting=1, wait_s=99)
STALLED = EngineState(readiness=Readiness.STALLED)
DRAINING = EngineState(readiness=Readiness.DRAINING)
RUNGS = [[ROOM, SHORT], [LONG], [LONGER], [WAKES], [LOADS], [SOMETIME], [FULL], [LATE], [LATER], [STALLED, DRAINING]]
"""From the top down, with a patience of 1 s and a deadline of 30 s; states of one rung keep the wanted order."""
EVERY = [(rung, state) for rung, states in enumerate(RUNGS) for state in states]


def fleet(states: dict[str, EngineState], *models: Model) -> Fleet:
    """Models and how they are."""
    return Fleet(models=models, states=states)


def ask(**changes: object) -> Ask:
    """A small public request for `auto`."""
    facts: dict[str, object] = {
        "request_id": "r", "api": Api.CHAT, "model": "auto", "caller": CALLER, "spans": (), "input_tokens": 10,
        "input_bytes": 40,
    }  # fmt: skip
    return Ask(**(facts | changes))  # type: ignore[arg-type]  # a test's keyword bag


def test_each_rung_comes_before_the_next() -> None:
    """Every combination of three states: sorted by rung, in the wanted order within one, none lost and none added."""
    for first, second, third in product(EVERY, repeat=3):
        rungs = {"big": first[0], "small": second[0], "third": third[0]}
        states = {"big": first[1], "small": second[1], "third": third[1]}
        wanted = [BIG, SMALL, THIRD]
        tried = climb(wanted, fleet(states, *wanted), patience_s=1, deadline_s=30)
        assert sorted(model.name for model in tried) == ["big", "small", "third"]
        for one, other in pairwise(tried):
            places = (rungs[one.name], wanted.index(one)), (rungs[other.name], wanted.index(other))
            assert places == tuple(sorted(places))


@pytest.mark.parametrize(("rung", "state"), EVERY)
def test_only_the_first_rung_stands_open(rung: int, state: EngineState) -> None:
    """What may take work from a line is a door that would have worked on it by now."""
    assert stands_open(BIG, fleet({"big": state}, BIG), patience_s=1) is (rung == 0)


def test_without_a_deadline_nothing_is_late() -> None:
    """A sleeper that needs a minute is a sleeper like others."""
    states = {"big": LATE, "small": FULL}
    for deadline_s, first in ((None, "big"), (30.0, "small")):
        tried = climb([SMALL, BIG], fleet(states, BIG, SMALL), patience_s=1, deadline_s=deadline_s)
        assert tried[0].name == first


def decided(states: dict[str, EngineState], *, label: Label = Label.RESTRICTED, **wish: object) -> Decision:
    """What the policy says of one request to a box with two models and a hosted one."""
    prefer = Preference(prefer="local", batch_overflows=bool(wish.pop("batch_overflows", False)))
    models = (BIG, SMALL, MINI)
    everywhere = {"mini": EngineState(readiness=READY)} | states
    return decide(ask(**wish), Verdict(label=label), fleet(everywhere, *models), Policy(preference=prefer))


def tried(decision: Decision) -> list[tuple[str, float]]:
    """The doors in order, each once, with the patience at it."""
    patience = {r.model: r.patience_s if isinstance(r, LocalRoute) else inf for r in decision.routes}
    return list(patience.items())


def test_restricted_work_climbs_down_the_ladder_and_never_out() -> None:
    """The wanted one, a smaller one with room, the lines, a sleeper; a line is left only for an open door."""
    rows = [
        ({"big": ROOM, "small": ROOM}, [("big", 1.0), ("small", inf)]),
        ({"big": LONG, "small": ROOM}, [("small", inf), ("big", inf)]),
        ({"big": SHORT, "small": ROOM}, [("big", 1.0), ("small", inf)]),
        ({"big": LONG, "small": LONGER}, [("big", inf), ("small", inf)]),
        ({"big": LONG, "small": WAKES}, [("big", inf), ("small", inf)]),
        ({"big": FULL, "small": WAKES}, [("small", inf), ("big", inf)]),
        ({"big": STALLED, "small": WAKES}, [("small", inf), ("big", inf)]),
        ({"big": WAKES, "small": LOADS}, [("big", inf), ("small", inf)]),
        ({"big": EngineState(readiness=Readiness.DOWN), "small": FULL}, [("small", inf)]),
    ]
    for states, doors in rows:
        decision = decided(states)
        assert tried(decision) == doors, states
        assert decision.reason is Reason.RESTRICTED_STAYS_LOCAL


def test_a_line_that_does_not_end_before_the_deadline_comes_after_a_sleeper_that_wakes_in_time() -> None:
    """The caller's deadline is part of the order."""
    states = {"big": LONG, "small": WAKES}
    assert tried(decided(states, deadline_ms=5000))[0] == ("small", inf)
    assert tried(decided(states, deadline_ms=20_000))[0] == ("big", inf)
    assert tried(decided({"big": LATE, "small": STALLED}, deadline_ms=5000))[0] == ("big", inf)


def test_other_work_overflows_to_the_doors_that_are_left_open() -> None:
    """A box that is busy beyond the patience comes after an open hosted door; a short line is worth the patience."""
    rows = [
        ({"big": ROOM}, [("big", 1.0), ("mini", inf)], Reason.LOCAL_FIRST),
        ({"big": SHORT}, [("big", 1.0), ("mini", inf)], Reason.LOCAL_FIRST),
        ({"big": LONG}, [("mini", inf), ("big", inf)], Reason.LOCAL_BUSY),
        ({"big": FULL}, [("mini", inf), ("big", inf)], Reason.LOCAL_BUSY),
        ({"big": WAKES}, [("mini", inf), ("big", inf)], Reason.LOCAL_BUSY),
        ({"big": LONG, "mini": LOADS}, [("big", inf), ("mini", inf)], Reason.LOCAL_FIRST),
        ({"big": SHORT, "mini": LOADS}, [("big", inf), ("mini", inf)], Reason.LOCAL_FIRST),
        ({"big": LONG, "small": ROOM}, [("small", 1.0), ("mini", inf), ("big", inf)], Reason.LOCAL_FIRST),
    ]
    for states, doors, reason in rows:
        decision = decided(states, label=Label.INTERNAL)
        assert (tried(decision), decision.reason) == (doors, reason), states
        assert decision.overflows


def test_batch_work_waits_unless_the_operator_says_otherwise() -> None:
    """The hosted door stays behind the box as a way out of failures, and no line sends work there."""
    for state in (LONG, FULL, WAKES, STALLED):
        states = {"big": state, "small": state}
        waits = decided(states, label=Label.PUBLIC, priority=Priority.BATCH)
        assert tried(waits) == [("big", inf), ("small", inf), ("mini", inf)]
        assert (waits.reason, waits.overflows) == (Reason.VOLUME_STAYS_LOCAL, False)
        leaves = decided(states, label=Label.PUBLIC, priority=Priority.BATCH, batch_overflows=True)
        assert (tried(leaves)[0][0], leaves.reason, leaves.overflows) == ("mini", Reason.LOCAL_BUSY, True)
