"""The laws of the house, each with a test of its name; finite inputs by exhaustive product, not by example."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import product
from math import inf

import pytest

from localfleet.config import parse_settings
from localfleet.core.ask import Api, Ask, Caller, Need, Priority, Span
from localfleet.core.classify import FieldRule, Rules, classify
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Finding, Label, Verdict, highest
from localfleet.core.policy import Policy, decide
from localfleet.core.pricing import Price
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute
from localfleet.core.routing.order import Preference
from localfleet.errors import ConfigError

CHEAP = Price(usd_per_mtok_in=Decimal("0.15"), usd_per_mtok_out=Decimal("0.60"))
DEAR = Price(usd_per_mtok_in=Decimal(5), usd_per_mtok_out=Decimal(25))
SPOKEN = frozenset({Api.CHAT})
SMALL = Model(name="small", tier="local", accepts=None, context_tokens=4096, apis=SPOKEN, queue_limit=2)
MINI = Model(
    name="mini", tier="low_cost", accepts=Label.INTERNAL, context_tokens=128_000, apis=SPOKEN, price=CHEAP,
    max_output_tokens=1000,
)  # fmt: skip
BEST = Model(
    name="best", tier="premium", accepts=Label.PUBLIC, context_tokens=128_000, apis=SPOKEN, price=DEAR,
    max_output_tokens=1000,
)  # fmt: skip
MODELS = (SMALL, MINI, BEST)
LABELS = (None, *Label)
READY = EngineState(readiness=Readiness.READY)


def caller(**changes: object) -> Caller:
    """A caller whose default is public, so that only what a test adds can raise the label."""
    return Caller(**{"key_id": "k", "name": "k", "default_label": Label.PUBLIC, **changes})  # type: ignore[arg-type]  # a test's keyword bag


def ask(**changes: object) -> Ask:
    """A small public chat request for `auto`."""
    facts: dict[str, object] = {
        "request_id": "r", "api": Api.CHAT, "model": "auto", "caller": caller(),
        "spans": (Span(where="messages[].content", text="hello"),), "input_tokens": 10, "input_bytes": 40,
    }  # fmt: skip
    return Ask(**(facts | changes))  # type: ignore[arg-type]  # a test's keyword bag


def test_labels_only_go_up() -> None:
    """Law 1: over every combination of sources, the verdict is the highest that any of them said."""
    rules = Rules(
        tasks={"t0": Label.PUBLIC, "t1": Label.INTERNAL, "t2": Label.RESTRICTED},
        fields=tuple(
            FieldRule(name=label.word, label=label, where="user", values=frozenset({label.word})) for label in Label
        ),
    )
    for default, declared, task, remembered, ruled in product(Label, LABELS, LABELS, LABELS, LABELS):
        spans = () if ruled is None else (Span(where="user", text=ruled.word),)
        asked = ask(
            caller=caller(default_label=default), declared=declared, spans=spans,
            task=None if task is None else f"t{task.value}",
        )  # fmt: skip
        verdict = classify(asked, rules, remembered)
        expected = max(label for label in (default, declared, task, remembered, ruled) if label is not None)
        assert verdict.label is expected
        assert verdict.because


@pytest.mark.parametrize("kind", ["image", "audio", "file", "unknown", "encrypted", "reference"])
def test_unknown_is_restricted(kind: str) -> None:
    """Law 2: a part that nothing can read restricts the request, and nothing said at all is restricted."""
    assert classify(ask(unreadable=(kind,)), Rules()).label is Label.RESTRICTED
    assert highest() is Label.RESTRICTED
    assert highest(None, None) is Label.RESTRICTED


def every_local_state() -> Iterator[EngineState]:
    """Every word of readiness; one that takes work with room, with a long line, and with a full one."""
    for readiness in Readiness:
        yield EngineState(readiness=readiness, ready_in_s=20)
        if readiness.takes_work:
            yield EngineState(readiness=readiness, in_flight=1, wait_s=9, waiting=0)
            yield EngineState(readiness=readiness, in_flight=1, waiting=4)


def every_fleet() -> Iterator[tuple[Fleet, dict[str, Readiness]]]:
    """Every state of a local engine and its line, of a hosted one, what another can be, the ledger, the money."""
    money: tuple[tuple[bool, Decimal | None, dict[str, Decimal]], ...] = (
        (True, None, {}),
        (False, None, {}),
        (True, Decimal(0), {}),
        (True, Decimal(100), {"low_cost": Decimal(0)}),
    )
    usual = (Readiness.READY, Readiness.LOADING, Readiness.DOWN)
    for small, mini, best in product(every_local_state(), Readiness, usual):
        states = {"small": small, "mini": EngineState(readiness=mini), "best": EngineState(readiness=best)}
        for ledger_open, key_left, tier_left in money:
            fleet = Fleet(
                models=MODELS,
                states=states,
                ledger_open=ledger_open,
                usd_left_for_key=key_left,
                usd_left_by_tier=tier_left,
            )
            yield fleet, {name: state.readiness for name, state in states.items()}


ASKS = [
    ask(model=model, task=task, priority=priority, caller=caller(models=models))
    for model, task, priority, models in product(
        ("auto", "local", "small", "mini", "best", "gpt-x"),
        (None, "hosted_first", "premium_only"),
        Priority,
        (None, frozenset({"mini"})),
    )
]
TASKS = {"hosted_first": ("mini", "local"), "premium_only": ("best",)}
POLICIES = [
    Policy(preference=Preference(tasks=TASKS, prefer="hosted"), aliases={"gpt-x": "auto"}, fallbacks_per_request=2),
    Policy(preference=Preference(tasks=TASKS, prefer="local"), aliases={"gpt-x": "auto"}, fallbacks_per_request=0),
]


def test_no_combination_opens_a_door_that_the_law_shuts() -> None:
    """Laws 1, 3, 4, 6, 7 and 9 over every combination of label, wish, permission, engines, ledger, budget and table."""
    seen = 0
    for fleet, states in every_fleet():
        for asked, policy, label in product(ASKS, POLICIES, Label):
            seen += 1
            decision = decide(asked, Verdict(label=label), fleet, policy)
            for route in decision.routes:
                model = next(m for m in MODELS if m.name == route.model)
                assert states[model.name] is not Readiness.DOWN
                assert asked.caller.models is None or model.name in asked.caller.models
                assert asked.model in {"auto", "gpt-x", model.name} or (asked.model == "local" and model.local)
                if isinstance(route, HostedRoute):
                    assert model.accepts is not None
                    assert label <= model.accepts < Label.RESTRICTED
                    assert fleet.ledger_open
                    assert fleet.usd_left_for_key is None or route.worst_usd <= fleet.usd_left_for_key  # type: ignore[operator]  # a budget makes the price known
                    assert fleet.usd_left_by_tier.get(model.tier, Decimal(1)) > 0
                else:
                    assert model.local
            assert len({route.model for route in decision.routes}) <= 1 + policy.fallbacks_per_request
            legal = [door.model for door in decision.doors if door.legal]
            assert list(dict.fromkeys(route.model for route in decision.routes)) == legal
    assert seen > 450_000


def test_whatever_is_asked_the_law_is_the_same() -> None:
    """For every API, label and model's declaration: a door opens to those that declare it, and to no other label."""
    for api, declared, label in product(Api, Api, Label):
        models = tuple(replace(model, apis=frozenset({declared})) for model in MODELS)
        fleet = Fleet(models=models, states={model.name: READY for model in models})
        policy = Policy(preference=Preference(), fallbacks_per_request=2)
        opened = {route.model for route in decide(ask(api=api), Verdict(label=label), fleet, policy).routes}
        may = {model.name for model in models if model.accepts is None or label <= model.accepts}
        assert opened == (may if api is declared else set())


@pytest.mark.slow
def test_restricted_goes_to_the_box_or_nowhere() -> None:
    """A restricted request gets exactly the local doors that are up, whatever the table prefers."""
    for fleet, states in every_fleet():
        for asked, policy in product(ASKS, POLICIES):
            decision = decide(asked, Verdict(label=Label.RESTRICTED), fleet, policy)
            may = asked.caller.models is None and asked.model in {"auto", "gpt-x", "local", "small"}
            expected = {"small"} if may and states["small"] is not Readiness.DOWN else set()
            assert {route.model for route in decision.routes} == expected
            assert all(isinstance(route, LocalRoute) and route.patience_s == inf for route in decision.routes)


def test_restricted_climbs_the_ladder_and_never_out() -> None:
    """Over every pair of local engines and their lines: all that are up are doors, and no hosted one is."""
    other = Model(name="other", tier="local", accepts=None, context_tokens=4096, apis=SPOKEN, queue_limit=2)
    ready = EngineState(readiness=Readiness.READY)
    for one, two in product(every_local_state(), repeat=2):
        states = {"small": one, "other": two, "mini": ready, "best": ready}
        fleet = Fleet(models=(*MODELS, other), states=states)
        up = {name for name in ("small", "other") if states[name].readiness is not Readiness.DOWN}
        for asked, policy in product(ASKS, POLICIES[:1]):
            decision = decide(asked, Verdict(label=Label.RESTRICTED), fleet, policy)
            assert all(isinstance(route, LocalRoute) for route in decision.routes)
            if asked.caller.models is None and asked.model in {"auto", "local", "gpt-x"}:
                assert {route.model for route in decision.routes} == up
                last = decision.routes[-1] if decision.routes else None
                assert last is None or (isinstance(last, LocalRoute) and last.patience_s == inf)


def test_restricted_text_has_no_hosted_route() -> None:
    """Law 3: the type itself refuses, should anybody but the policy ever build one."""
    with pytest.raises(ValueError, match="restricted text has no hosted route"):
        HostedRoute(model="mini", label=Label.RESTRICTED, worst_usd=None)


@pytest.mark.parametrize(
    ("accepts", "fine"), [("public", True), ("internal", True), ("restricted", False), (None, False)]
)
def test_every_hosted_model_declares_what_it_accepts(accepts: str | None, *, fine: bool) -> None:
    """Law 6: `accepts` must be there and can never be restricted."""
    said = "" if accepts is None else f", accepts: {accepts}"
    text = f"version: 1\nhosted:\n  mini: {{provider: openai, model: m, tier: t, api_key_env: K{said}}}\n".encode()
    if fine:
        assert parse_settings(text).hosted["mini"].accepts == accepts
    else:
        with pytest.raises(ConfigError, match=r"models\.yaml:3: hosted\.mini\.accepts"):
            parse_settings(text)


def test_the_first_reason_says_why() -> None:
    """Each way of choosing the first door has its own reason."""
    ready = Fleet(models=MODELS, states={m.name: EngineState(readiness=Readiness.READY) for m in MODELS})
    public, restricted = Verdict(label=Label.PUBLIC), Verdict(label=Label.RESTRICTED)
    hosted, local = POLICIES[0], Policy(preference=Preference(prefer="local"))
    rows = [
        (ask(), public, hosted, "mini", Reason.CHEAPEST_HOSTED),
        (ask(), public, local, "small", Reason.LOCAL_FIRST),
        (ask(), restricted, hosted, "small", Reason.RESTRICTED_STAYS_LOCAL),
        (ask(model="small"), public, hosted, "small", Reason.PINNED_LOCAL),
        (ask(model="best"), public, hosted, "best", Reason.PINNED_HOSTED),
        (ask(task="hosted_first"), public, hosted, "mini", Reason.TASK_RULE),
        (ask(priority=Priority.BATCH), public, hosted, "small", Reason.VOLUME_STAYS_LOCAL),
        (ask(input_tokens=5000), public, local, "mini", Reason.BEYOND_LOCAL),
        (ask(needs=frozenset({Need.TOOLS})), public, hosted, None, Reason.NO_LEGAL_DOOR),
        (ask(max_cost_usd=Decimal(0)), public, hosted, "small", Reason.ONLY_LOCAL),
    ]
    for asked, verdict, policy, first, reason in rows:
        decision = decide(asked, verdict, ready, policy)
        assert (decision.routes[0].model if decision.routes else None, decision.reason) == (first, reason)


def test_a_busy_box_sends_unrestricted_work_on_and_keeps_the_rest() -> None:
    """Overflow: over its queue limit a local model comes second, but never for restricted work."""
    busy = Fleet(models=MODELS, states={m.name: EngineState(readiness=Readiness.READY, in_flight=2) for m in MODELS})
    policy = Policy(preference=Preference(prefer="local"))
    overflow = decide(ask(), Verdict(label=Label.INTERNAL), busy, policy)
    assert (overflow.routes[0].model, overflow.reason) == ("mini", Reason.LOCAL_BUSY)
    kept = decide(ask(), Verdict(label=Label.RESTRICTED), busy, policy)
    assert (kept.routes[0].model, kept.reason) == ("small", Reason.RESTRICTED_STAYS_LOCAL)


def test_an_unknown_price_is_never_zero() -> None:
    """A model without a price is refused where any money limit applies, and comes last where none does."""
    unpriced = Model(name="new", tier="low_cost", accepts=Label.INTERNAL, context_tokens=9999, apis=SPOKEN)
    models = (unpriced, MINI)
    states = {m.name: EngineState(readiness=Readiness.READY) for m in models}
    free = decide(ask(), Verdict(label=Label.PUBLIC), Fleet(models=models, states=states), POLICIES[0])
    assert [door.model for door in free.doors] == ["mini", "new"]
    assert free.doors[1].cost_usd is None
    capped = Fleet(models=models, states=states, usd_left_for_key=Decimal(100))
    shut = decide(ask(), Verdict(label=Label.PUBLIC), capped, POLICIES[0]).doors[-1]
    assert (shut.model, shut.why) == ("new", Reason.PRICE_UNKNOWN)


def test_findings_carry_no_text() -> None:
    """A verdict can be logged whole: nothing in it is the caller's."""
    secret = "4111 1111 1111 1111"
    verdict = classify(ask(spans=(Span(where="user", text=f"card {secret}"),)), Rules())
    assert verdict.label is Label.RESTRICTED
    assert verdict.findings
    assert all(isinstance(found, Finding) for found in verdict.findings)
    assert "4111" not in repr(verdict)
