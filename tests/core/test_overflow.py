"""What is too long for a door: larger legal doors are looked for, and none is added or tried in vain."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.reason import Reason
from localfleet.core.routing.order import Preference
from localfleet.core.routing.overflow import useless_after

CHAT = frozenset({Api.CHAT})
SIZES = (1000, 1000, 2000, 8000, 4000)
TIERS = ("local", "low", "low", "top", "local")
MODELS = tuple(
    Model(name=f"m{n}", tier=tier, accepts=None if tier == "local" else Label.INTERNAL, context_tokens=size, apis=CHAT)
    for n, (size, tier) in enumerate(zip(SIZES, TIERS, strict=True))
)
STATES = {model.name: EngineState(readiness=Readiness.READY) for model in MODELS}


def decided(
    tokens: int, label: Label = Label.INTERNAL, fallbacks: int = 1, **policy: object
) -> tuple[Reason, list[str]]:
    """The reason, and the models that would be tried."""
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    ask = Ask(
        request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=(), input_tokens=tokens, input_bytes=4 * tokens
    )
    fleet = Fleet(models=MODELS, states=STATES)
    rules = Policy(preference=Preference(**policy), fallbacks_per_request=fallbacks)  # type: ignore[arg-type]  # a test's keyword bag
    found = decide(ask, Verdict(label=label), fleet, rules)
    return found.reason, list(dict.fromkeys(route.model for route in found.routes))


@pytest.mark.parametrize(
    ("tokens", "reason", "tried"),
    [
        (100, Reason.CHEAPEST_HOSTED, ["m1", "m2"]),
        (600, Reason.CHEAPEST_HOSTED, ["m1", "m2"]),
        (1500, Reason.CONTEXT_TOO_LONG, ["m2", "m3"]),
        (3000, Reason.CONTEXT_TOO_LONG, ["m3", "m4"]),
    ],
)
def test_the_reason_says_that_the_first_choice_was_too_small(tokens: int, reason: Reason, tried: list[str]) -> None:
    """Of doors that are equal but for their window the file's first is taken, while it is large enough."""
    assert decided(tokens) == (reason, tried)


def test_near_the_window_the_last_fallback_is_a_larger_door() -> None:
    """The row names two small doors first; far from their window they stay, near it the larger one is among the two."""
    assert decided(100, fallbacks=1, prefer="local") == (Reason.LOCAL_FIRST, ["m0", "m4"])
    models = (MODELS[0], replace(MODELS[0], name="m9"), MODELS[4])
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    for tokens, second in ((400, "m9"), (600, "m4")):
        ask = Ask(
            request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=(), input_tokens=tokens, input_bytes=1
        )
        fleet = Fleet(models=models, states={model.name: STATES["m0"] for model in models})
        found = decide(ask, Verdict(label=Label.PUBLIC), fleet, Policy(fallbacks_per_request=1))
        assert list(dict.fromkeys(route.model for route in found.routes)) == ["m0", second]
        assert {door.model for door in found.doors} == {"m0", "m9", "m4"}


def test_a_larger_door_is_looked_for_and_none_is_added() -> None:
    """Exhaustive: for any length, label and limit only legal doors stand in the list, and no more than the limit."""
    for tokens, label, fallbacks, prefer in product(range(0, 9000, 250), Label, range(4), ("local", "hosted")):
        reason, tried = decided(tokens, label, fallbacks, prefer=prefer)
        open_ = [
            model for model in MODELS if model.context_tokens > tokens and (model.local or label < Label.RESTRICTED)
        ]
        assert set(tried) <= {model.name for model in open_}
        assert len(tried) == min(len(open_), 1 + fallbacks)
        if label is Label.RESTRICTED and tried:
            assert reason is Reason.RESTRICTED_STAYS_LOCAL


@given(st.sampled_from(MODELS), st.sampled_from([Reason.CONTEXT_TOO_LONG, Reason.TIMED_OUT]))
def test_what_need_not_be_tried_after_a_failure(failed: Model, reason: Reason) -> None:
    """A door that was too small makes the smaller ones useless; any other failure is its own."""
    useless = useless_after(reason, failed.name, {model.name: model for model in MODELS})
    smaller = {model.name for model in MODELS if model.context_tokens <= failed.context_tokens}
    assert useless == (smaller if reason is Reason.CONTEXT_TOO_LONG else {failed.name})
