"""The lint is a proof: it finds what any request can reach, and a policy that is broken on purpose does not pass it."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.catalogue import build_models, build_policy
from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api, Ask, Caller, Priority
from localfleet.core.data_policy import NO_DEMAND, NOTHING_KNOWN, Demand
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.paths import Cargo, Outlet, Place, prove_paths
from localfleet.core.policy import Policy, decide
from localfleet.core.route import Decision, LocalRoute
from localfleet.errors import ConfigError
from localfleet.price_map import PriceMap
from localfleet.reach import prove, refuse_forbidden

NO_PRICES = PriceMap(entries={}, version="test")
FILE = """
version: 1
local:
  small: {weights: w}
  big: {engine: endpoint, url: "http://10.0.0.12:8000/v1", on_premises: true}
  qwen:
    engine: vllm
    weights: Qwen/Qwen3-8B
    vllm: {lora: {legal: /srv/x}, pull: true, allowed_media_domains: [img.example.com], media_on_premises: true}
hosted:
  mini:
    {provider: openai, model: m, tier: low, accepts: internal, api_key_env: K, context_tokens: 9999, apis: [chat],
     data_policy: {jurisdiction: US, zero_data_retention: true, source: example, checked: 2026-01-01}}
  lax: {provider: mistral, model: m, tier: low, accepts: internal, api_key_env: K, context_tokens: 9999}
  best: {provider: anthropic, model: m, tier: top, accepts: public, api_key_env: K, context_tokens: 9999}
aliases: {gpt-4o: auto}
privacy: {providers: {internal: {zero_data_retention: true}}}
tasks: {sum: {first: mini, fallback: [local]}, top: {first: best}}
limits: {fallbacks_per_request: 0}
plans: {boxed: {models: [small]}, strict: {providers: {exclude_jurisdictions: [US]}}}
"""


def _read(text: str) -> tuple[Settings, tuple[Model, ...]]:
    read = parse_settings(text.encode())
    return read, build_models(read, NO_PRICES, date(2026, 1, 1))


def test_every_way_of_a_file_is_listed_with_host_and_rule() -> None:
    """Local ones for all labels, hosted ones as far as they accept and their data policy goes, no way forgotten."""
    proof = prove(*_read(FILE))
    ways = {(way.label.word, way.outlet.host, way.outlet.kind, way.outlet.place.value) for way in proof.ways}
    labels = ("public", "internal", "restricted")
    assert ways == {
        *((label, "this box", kind, "box") for label in labels for kind in ("model", "adapter")),
        *((label, "10.0.0.12:8000", "model", "vouched") for label in labels),
        *((label, "img.example.com", "media", "vouched") for label in labels),
        ("public", "api.openai.com", "model", "street"),
        ("internal", "api.openai.com", "model", "street"),
        ("public", "api.mistral.ai", "model", "street"),
        ("public", "api.anthropic.com", "model", "street"),
    }
    assert [(outlet.kind, outlet.host) for outlet in proof.without_text] == [("hub", "huggingface.co")]
    assert not proof.forbidden
    assert proof.decisions > 1000


def test_a_way_says_in_which_requests() -> None:
    """Names, tasks and callers; a plan that may not, or demands more, is not among them."""
    proof = prove(*_read(FILE))
    (best,) = (way for way in proof.ways if way.outlet.model == "best")
    assert best.asked_as == ("auto", "best", "gpt-4o")
    assert best.tasks == ("sum", "top")
    assert best.callers == ("any key",)
    assert best.outlet.apis == {"chat": "litellm", "messages": "native", "responses": "litellm"}


def test_the_last_door_of_a_list_is_found_though_no_fallback_is_allowed() -> None:
    """Without fallbacks the dearer model answers `auto` only when the others are down; it is listed too."""
    proof = prove(*_read(FILE.replace("privacy:", "#")))
    (lax,) = (way for way in proof.ways if way.outlet.model == "lax" and way.label is Label.INTERNAL)
    assert "auto" in lax.asked_as


def test_a_model_of_unknown_context_is_listed_all_the_same() -> None:
    """Neither file nor price map says its context; `check` refuses that, and the proof does not look away."""
    proof = prove(*_read(FILE.replace("api_key_env: K, context_tokens: 9999}\n  best", "api_key_env: K}\n  best")))
    assert "lax" in {way.outlet.model for way in proof.ways}


def _opened(change: Callable[[Ask, Verdict, Policy], tuple[Ask, Verdict, Policy]]) -> Callable[..., Decision]:
    """The real policy, asked about something else than what it was asked."""

    def broken(ask: Ask, verdict: Verdict, fleet: Fleet, policy: Policy) -> Decision:
        asked, judged, lax = change(ask, verdict, policy)
        return decide(asked, judged, fleet, lax)

    return broken


def _lowers_labels(ask: Ask, verdict: Verdict, policy: Policy) -> tuple[Ask, Verdict, Policy]:
    return ask, replace(verdict, label=Label.PUBLIC), policy


def _forgets_plans(ask: Ask, verdict: Verdict, policy: Policy) -> tuple[Ask, Verdict, Policy]:
    return replace(ask, caller=replace(ask.caller, models=None)), verdict, policy


def _forgets_demands(ask: Ask, verdict: Verdict, policy: Policy) -> tuple[Ask, Verdict, Policy]:
    return ask, verdict, replace(policy, providers={})


def _fails_over_anywhere(ask: Ask, verdict: Verdict, fleet: Fleet, policy: Policy) -> Decision:
    """The classic: where nothing is left, take any model that is up."""
    decision = decide(ask, verdict, fleet, policy)
    if decision.routes:
        return decision
    up = [model.name for model in fleet.models if fleet.state(model.name).readiness is Readiness.READY]
    return replace(decision, routes=tuple(LocalRoute(model=name) for name in up))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (_opened(_lowers_labels), "restricted text may go to no hosted model"),
        (_opened(_forgets_plans), "the plan may not use this model"),
        (_opened(_forgets_demands), "does not meet what is demanded: zero_data_retention"),
        (_fails_over_anywhere, "restricted text may go to no hosted model"),
    ],
)
def test_a_broken_policy_is_caught(broken: Callable[..., Decision], said: str) -> None:
    """A real function with one of the classic mistakes does not pass, and the sentence says which."""
    proof = prove(*_read(FILE), broken)
    assert any(said in way.forbidden for way in proof.forbidden)


def test_a_route_to_a_model_that_is_nowhere_is_forbidden() -> None:
    """A door that no outlet explains leads to an unknown host, and that is the street."""

    def invents(ask: Ask, verdict: Verdict, fleet: Fleet, policy: Policy) -> Decision:
        return replace(decide(ask, verdict, fleet, policy), routes=(LocalRoute(model="elsewhere"),))

    proof = prove(*_read(FILE), invents)
    assert {way.outlet.host for way in proof.forbidden} == {"?"}


def test_an_outlet_that_no_decision_governs_is_forbidden_for_restricted_text() -> None:
    """What is to come, such as an exporter: with text for the street it stops the start, without text it does not."""
    models = build_models(parse_settings(FILE.encode()), NO_PRICES, date(2026, 1, 1))
    anyone = Caller(key_id="k", name="any key", default_label=Label.PUBLIC)
    for cargo, found in ((Cargo.TEXT, 1), (Cargo.ADDRESS, 1), (Cargo.NOTHING, 0)):
        exporter = Outlet(kind="exporter", name="x", host="logs.example.com", place=Place.STREET, cargo=cargo, rule="r")
        known = [
            Outlet(kind="model", name=m.name, host="h", place=Place.BOX, cargo=cargo, rule="", model=m.name)
            for m in models
        ]
        proof = prove_paths(models, Policy(), (anyone,), (*known, exporter), decide)
        assert len([way for way in proof.forbidden if way.outlet is exporter]) == found


def test_a_start_is_refused_with_the_way_named() -> None:
    """An entry that nobody vouched for cannot be parsed; if it ever were, nothing would start."""
    read, models = _read(FILE)
    street = read.local["big"].model_copy(update={"on_premises": False})
    open_ = read.model_copy(update={"local": {**read.local, "big": street}})
    refuse_forbidden("models.yaml", read, models)
    with pytest.raises(ConfigError, match=r"local\.big: restricted text could reach 10\.0\.0\.12:8000"):
        refuse_forbidden("models.yaml", open_, models)


@pytest.mark.parametrize(
    "cut", [", on_premises: true", ", media_on_premises: true"], ids=["an endpoint", "hosts that vLLM fetches from"]
)
def test_a_host_that_nobody_vouches_for_is_refused_when_the_file_is_read(cut: str) -> None:
    """The mistake is named where it stands, long before a start."""
    with pytest.raises(ConfigError, match=cut.strip(", ").partition(":")[0]):
        parse_settings(FILE.replace(cut, "").encode())


NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Some file: local models of every kind, hosted ones that accept anything, tasks, aliases, plans, demands."""
    names = draw(NAMES)
    local, hosted = {}, {}
    for name in names:
        kind = draw(st.sampled_from(["llamacpp", "endpoint", "vllm", "hosted", "hosted"]))
        url = draw(st.sampled_from(["http://127.0.0.1:1/v1", "http://10.0.0.1/v1", "https://api.example.com/v1"]))
        vouched = draw(st.booleans())
        media = draw(st.sampled_from([[], ["img.example.com"]]))
        if kind == "hosted":
            accepts = draw(st.sampled_from(["public", "internal", "restricted"]))
            zdr = draw(st.sampled_from([None, True, False]))
            facts = {"zero_data_retention": zdr, "source": "example", "checked": "2026-01-01"}
            hosted[name] = {
                "provider": draw(st.sampled_from(["openai", "anthropic", "bedrock"])), "model": "m", "tier": "t",
                "accepts": accepts, "api_key_env": "K", "base_url": "https://llm.example.com", "context_tokens": 999,
                "data_policy": facts,
            }  # fmt: skip
        elif kind == "endpoint":
            local[name] = {"engine": kind, "url": url, "on_premises": vouched}
        elif kind == "vllm":
            vllm = {"allowed_media_domains": media, "media_on_premises": vouched}
            local[name] = {"engine": kind, "weights": "a/b", "vllm": vllm}
        else:
            local[name] = {"weights": "w"}
    row = {"first": draw(st.sampled_from([*names, "local"])), "fallback": draw(st.lists(st.sampled_from(names)))}
    demand = {"zero_data_retention": draw(st.booleans())}
    content = {
        "version": 1, "local": local, "hosted": hosted, "tasks": {"t": row},
        "aliases": {"X": draw(st.sampled_from([*names, "auto", "local"]))},
        "privacy": {"default": draw(st.sampled_from(["public", "restricted"])), "providers": {"internal": demand}},
        "plans": {"p": {"models": draw(st.lists(st.sampled_from(names)))}},
        "limits": {"fallbacks_per_request": draw(st.integers(0, 3))},
        "routing": {"prefer": draw(st.sampled_from(["hosted", "local"]))},
    }  # fmt: skip
    return yaml.safe_dump(content)


@given(text=files())
@settings(max_examples=120, deadline=None)
def test_no_file_that_parses_has_a_forbidden_way(text: str) -> None:
    """Whatever an operator writes: it is refused when read, or nothing forbidden can happen under it."""
    try:
        read, models = _read(text)
    except ConfigError:
        return
    proof = prove(read, models)
    assert not proof.forbidden
    street = {(way.label, way.outlet.place) for way in proof.ways}
    assert (Label.RESTRICTED, Place.STREET) not in street


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, dict[str, EngineState], Label, Api, Priority]:
    """A file and a moment of its life."""
    text = draw(files())
    states = {
        name: EngineState(
            readiness=draw(st.sampled_from([*Readiness])),
            waiting=draw(st.integers(0, 40)),
            wait_s=draw(st.floats(0, 9)),
        )
        for name in "abcdefgh"
    }
    return (
        text,
        states,
        draw(st.sampled_from([*Label])),
        draw(st.sampled_from([*Api])),
        draw(st.sampled_from([*Priority])),
    )


@pytest.mark.slow
@given(moment=moments(), data=st.data())
@settings(max_examples=120, deadline=None)
def test_what_any_moment_reaches_is_in_the_proof(
    moment: tuple[str, dict[str, EngineState], Label, Api, Priority], data: st.DataObject
) -> None:
    """The proof asks about few states and callers; no other state, line, priority, key or demand reaches more."""
    text, states, label, api, priority = moment
    try:
        read, models = _read(text)
    except ConfigError:
        return
    wanted = data.draw(st.sampled_from(["auto", "local", "X", *(model.name for model in models)]))
    task = data.draw(st.sampled_from([None, "t"]))
    named = st.frozensets(st.sampled_from([model.name for model in models]))
    demand = data.draw(st.sampled_from([NO_DEMAND, Demand(zero_data_retention=True)]))
    plan = Caller(key_id="k", name="k", default_label=Label.PUBLIC, models=data.draw(st.none() | named))
    caller = replace(plan, providers=demand)
    ask = Ask(request_id="r", api=api, model=wanted, caller=caller, spans=(), task=task, priority=priority)
    decision = decide(ask, Verdict(label=label), Fleet(models=models, states=states), build_policy(read))
    listed = {way.outlet.model for way in prove(read, models).ways if way.label is label}
    assert {route.model for route in decision.routes} <= listed


@pytest.mark.slow
@given(text=files())
@settings(max_examples=120, deadline=None)
def test_the_wide_questions_find_what_the_thorough_ones_find(text: str) -> None:
    """For files too large for the full product: the same labels reach the same models, by the same names."""
    try:
        read, models = _read(text)
    except ConfigError:
        return
    full, wide = prove(read, models), prove(read, models, most_doors=0)
    assert (full.thorough, wide.thorough) == (True, False)
    found = [{(way.label, way.outlet.model, way.asked_as) for way in proof.ways} for proof in (full, wide)]
    assert found[0] == found[1]
    assert wide.decisions <= full.decisions


@pytest.mark.parametrize(
    "broken", [_opened(_lowers_labels), _opened(_forgets_plans), _opened(_forgets_demands), _fails_over_anywhere]
)
def test_the_wide_questions_catch_a_broken_policy_too(broken: Callable[..., Decision]) -> None:
    """Each of the classic mistakes."""
    assert prove(*_read(FILE), broken, most_doors=0).forbidden


def test_a_very_large_file_does_not_hold_up_a_start() -> None:
    """Two hundred models and sixty tasks: seconds of one core, not minutes."""
    hosted = "".join(
        f"  m{i}: {{provider: openai, model: m, tier: t, accepts: internal, api_key_env: K, context_tokens: 999}}\n"
        for i in range(200)
    )
    tasks = "".join(f"  t{i}: {{first: m{i}, fallback: [m{i + 60}]}}\n" for i in range(60))
    read, models = _read(f"version: 1\nhosted:\n{hosted}tasks:\n{tasks}")
    started = time.process_time()
    proof = prove(read, models)
    assert time.process_time() - started < 10
    assert not proof.thorough
    assert {(way.label, way.outlet.model) for way in proof.ways} == {
        (label, f"m{i}") for label in (Label.PUBLIC, Label.INTERNAL) for i in range(200)
    }


def test_hosted_facts_are_unknown_until_somebody_states_them() -> None:
    """Localfleet ships no guess about any provider."""
    _, models = _read(FILE)
    assert {model.name for model in models if model.data != NOTHING_KNOWN} == {"mini"}
