"""What is demanded of a provider: unknown counts as the worst, demands only tighten, the policy holds them."""

from dataclasses import fields
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.data_policy import NO_DEMAND, NOTHING_KNOWN, DataPolicy, Demand
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.reason import Reason

WORDS = st.frozensets(st.sampled_from(["DE", "US", "CN"]), max_size=3)
DEMANDS = st.builds(
    Demand,
    regions=st.none() | WORDS,
    jurisdictions=st.none() | WORDS,
    exclude_jurisdictions=WORDS,
    retention_days=st.none() | st.integers(0, 90),
    no_training=st.booleans(),
    zero_data_retention=st.booleans(),
    subprocessors=st.none() | WORDS,
)
FACTS = st.builds(
    DataPolicy,
    region=st.none() | st.sampled_from(["DE", "US", "CN"]),
    jurisdiction=st.none() | st.sampled_from(["DE", "US", "CN"]),
    retention_days=st.none() | st.integers(0, 90),
    trains=st.none() | st.booleans(),
    zero_data_retention=st.none() | st.booleans(),
    subprocessors=st.none() | WORDS,
)
EVERY_DEMAND = {
    "regions": Demand(regions=frozenset({"eu"})),
    "jurisdictions": Demand(jurisdictions=frozenset({"DE"})),
    "exclude_jurisdictions": Demand(exclude_jurisdictions=frozenset({"CN"})),
    "retention_days": Demand(retention_days=30),
    "no_training": Demand(no_training=True),
    "zero_data_retention": Demand(zero_data_retention=True),
    "subprocessors": Demand(subprocessors=frozenset({"A"})),
}
GOOD = DataPolicy(
    region="eu", jurisdiction="DE", retention_days=30, trains=False, zero_data_retention=True,
    subprocessors=frozenset({"A"}),
)  # fmt: skip
BAD = DataPolicy(
    region="us", jurisdiction="CN", retention_days=31, trains=True, zero_data_retention=False,
    subprocessors=frozenset({"A", "B"}),
)  # fmt: skip


def test_every_field_of_a_demand_is_tried_here() -> None:
    """A new field without a row would go untested."""
    assert set(EVERY_DEMAND) == {field.name for field in fields(Demand)}


@pytest.mark.parametrize("name", EVERY_DEMAND)
def test_a_demand_is_met_by_the_good_and_by_nobody_else(name: str) -> None:
    """The good provider meets it, the bad one and the unknown one do not, and the unmet field is named."""
    demand = EVERY_DEMAND[name]
    assert demand.met_by(GOOD)
    assert list(demand.unmet(BAD)) == [name]
    assert list(demand.unmet(NOTHING_KNOWN)) == [name]


@given(demand=DEMANDS, data=FACTS)
def test_to_know_less_never_opens_a_door(demand: Demand, data: DataPolicy) -> None:
    """Whoever meets a demand with nothing known would meet it with anything known."""
    if demand.met_by(NOTHING_KNOWN):
        assert demand.met_by(data)


@given(one=DEMANDS, other=DEMANDS, data=FACTS)
@settings(max_examples=300)
def test_two_demands_in_one_let_pass_what_both_let_pass(one: Demand, other: Demand, data: DataPolicy) -> None:
    """`tightened` is the conjunction, so that neither plan nor request can loosen anything."""
    assert one.tightened(other).met_by(data) == (one.met_by(data) and other.met_by(data))


def _ask(caller: Demand, request: Demand) -> Ask:
    who = Caller(key_id="k", name="k", default_label=Label.PUBLIC, providers=caller)
    return Ask(request_id="r", api=Api.CHAT, model="auto", caller=who, spans=(), providers=request)


def test_the_policy_opens_a_hosted_door_only_where_every_demand_is_met() -> None:
    """By product of label, facts, and who demands what: the operator for either label, the plan, the request."""
    some = (NO_DEMAND, EVERY_DEMAND["zero_data_retention"], EVERY_DEMAND["exclude_jurisdictions"])
    facts = (GOOD, BAD, NOTHING_KNOWN, DataPolicy(jurisdiction="US"), DataPolicy(zero_data_retention=True))
    seen = {True: 0, False: 0}
    for public, internal, plan, request, data, label in product(some, some, some, some, facts, Label):
        mini = Model(
            name="mini", tier="t", accepts=Label.INTERNAL, context_tokens=9, apis=frozenset({Api.CHAT}), data=data
        )
        box = Model(name="box", tier="local", accepts=None, context_tokens=9, apis=frozenset({Api.CHAT}))
        states = {name: EngineState(readiness=Readiness.READY) for name in ("mini", "box")}
        policy = Policy(providers={Label.PUBLIC: public, Label.INTERNAL: internal})
        fleet = Fleet(models=(mini, box), states=states)
        decision = decide(_ask(plan, request), Verdict(label=label), fleet, policy)
        demands = (public, plan, request) if label is Label.PUBLIC else (public, internal, plan, request)
        expected = label is not Label.RESTRICTED and all(demand.met_by(data) for demand in demands)
        doors = {door.model: door for door in decision.doors}
        assert doors["mini"].legal is expected
        assert doors["box"].legal
        if label is not Label.RESTRICTED and not expected:
            assert doors["mini"].why is Reason.PROVIDER_POLICY_FORBIDS
        seen[expected] += 1
    assert min(seen.values()) > 100
