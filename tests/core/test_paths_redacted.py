"""`check --paths` with redaction, judges, stages, shadows: each form of a text, and just what the policy opens."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from itertools import chain, combinations, product
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_paths import NO_PRICES, files

from localfleet.catalogue import build_models, build_policy
from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.paths import Cargo, Place
from localfleet.core.policy import Policy, decide
from localfleet.core.redaction.draft import as_if_redacted
from localfleet.core.redaction.proof import NO_TEXT_BACK
from localfleet.core.route import Decision, HostedRoute
from localfleet.errors import ConfigError
from localfleet.reach import prove

FILE = """
version: 1
local:
  small: {weights: w}
hosted:
  mini: {provider: openai, model: m, tier: low, accepts: internal, api_key_env: K, context_tokens: 9999}
  best: {provider: anthropic, model: m, tier: top, accepts: public, api_key_env: K, context_tokens: 9999}
privacy: {on_restricted: redact}
tasks:
  graded: {first: small, fallback: [mini], cascade: {judge: {model: {model: mini}}}}
experiments:
  seen: {task: graded, first: best, shadow: {usd_per_day: 1, requests_per_hour: 9}}
pipelines:
  private:
    stages:
      - {name: facts, model: local, prompt: "Read {input}", release: true, fields: {age: integer}}
      - {name: advice, model: mini, prompt: "Advise on {facts}"}
"""
Form = tuple[Label, str, bool]


def _read(text: str) -> tuple[Settings, tuple[Model, ...]]:
    read = parse_settings(text.encode())
    return read, build_models(read, NO_PRICES, date(2026, 1, 1))


def test_each_form_of_restricted_text_is_a_way_of_its_own() -> None:
    """Model, judge, stage and shadow: restricted text reaches the street redacted or as a structure, never as it is."""
    proof = prove(*_read(FILE))
    assert not proof.forbidden
    ways = {
        (way.outlet.kind, way.outlet.model or "mini", way.outlet.cargo)
        for way in proof.ways
        if way.label is Label.RESTRICTED and way.outlet.place is Place.STREET
    }
    assert ways == {
        ("model", "mini", Cargo.REDACTED),
        ("model", "best", Cargo.REDACTED),
        ("judge", "mini", Cargo.REDACTED),
        ("shadow", "best", Cargo.REDACTED),
        ("stage", "mini", Cargo.REDACTED),
        ("stage", "mini", Cargo.STRUCTURE),
    }
    at_home = {way.outlet.cargo for way in proof.ways if way.outlet.place is Place.BOX}
    assert at_home == {Cargo.TEXT}


def test_without_redaction_there_is_no_redacted_way() -> None:
    """The switch is in the file; without it only the structure that the operator wrote down goes out."""
    proof = prove(*_read(FILE.replace("{on_restricted: redact}", "{on_restricted: local_only}")))
    ways = {
        way.outlet.cargo for way in proof.ways if way.label is Label.RESTRICTED and way.outlet.place is Place.STREET
    }
    assert ways == {Cargo.STRUCTURE}


def _sends_it_as_it_was(*args: Any) -> Decision:
    """A policy that opens doors by the redaction and forgets to say that they are for the redacted form."""
    decision = decide(*args)
    routes = tuple(
        HostedRoute(model=one.model, label=one.label, worst_usd=one.worst_usd) if isinstance(one, HostedRoute) else one
        for one in decision.routes
    )
    return replace(decision, routes=routes)


def _takes_any_redaction(ask: Ask, verdict: Verdict, fleet: Fleet, policy: Policy, *redacted: object) -> Decision:
    """A policy that takes every redacted text for a public one."""
    public = as_if_redacted(Label.PUBLIC)
    return decide(ask, public.was if redacted else verdict, fleet, policy, public if redacted else None)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (_sends_it_as_it_was, "restricted text may go to no hosted model"),
        (_takes_any_redaction, "the model accepts public at most"),
    ],
)
def test_a_policy_that_is_wrong_about_redaction_is_caught(broken: Callable[..., Decision], said: str) -> None:
    """Each of the two mistakes that a door for redacted text can make."""
    proof = prove(*_read(FILE), broken)
    assert any(said in way.forbidden for way in proof.forbidden)


def _moments(models: tuple[Model, ...]) -> Iterator[Fleet]:
    """Every set of models that are up."""
    names = [model.name for model in models]
    for up in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)):
        states = {name: EngineState(readiness=Readiness.READY if name in up else Readiness.DOWN) for name in names}
        yield Fleet(models=models, states=states)


def _reachable(read: Settings, models: tuple[Model, ...]) -> set[Form]:
    """What the policy opens in any moment of any request: label, model, and whether it gets the redacted form."""
    policy = build_policy(read)
    redacts = read.privacy.on_restricted == "redact"
    forms = [(label, None) for label in Label] + [
        (Label.RESTRICTED, as_if_redacted(label)) for label in (Label.PUBLIC, Label.INTERNAL) if redacts
    ]
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    names = ("auto", "local", "X", *(model.name for model in models))
    found: set[Form] = set()
    for fleet, name, task, api, (label, redacted) in product([*_moments(models)], names, (None, "t"), Api, forms):
        if redacted is not None and api in NO_TEXT_BACK:
            continue
        ask = Ask(request_id="r", api=api, model=name, caller=caller, spans=(), task=task)
        verdict = Verdict(label=label) if redacted is None else redacted.was
        for route in decide(ask, verdict, fleet, policy, redacted).routes:
            found.add((label, route.model, isinstance(route, HostedRoute) and route.redacted))
    return found


@pytest.mark.slow
@given(text=files(), redact=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_is_listed_is_exactly_what_is_reachable(text: str, redact: bool) -> None:
    """Over all names, tasks, APIs, labels, redactions and sets of models that are up: no way too few, none too many."""
    content = yaml.safe_load(text)
    content["privacy"]["on_restricted"] = "redact" if redact else "local_only"
    try:
        read, models = _read(yaml.safe_dump(content))
    except ConfigError:
        return
    listed = {
        (way.label, way.outlet.model, way.outlet.cargo is Cargo.REDACTED)
        for way in prove(read, models).ways
        if way.outlet.kind == "model"
    }
    assert listed == _reachable(read, models)
