"""Settings and the price map -> the models a decision looks at, the rules, the policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import re2

from localfleet.config import (
    HostedModel,
    Layers,
    LocalModel,
    Plan,
    ProviderDemand,
    ProviderFacts,
    Rule,
    Settings,
    shown_variable,
)
from localfleet.core.ask import Api, Caller, Need
from localfleet.core.classify import FieldRule, Rules, TextRule
from localfleet.core.data_policy import NO_DEMAND, NOTHING_KNOWN, DataPolicy, Demand
from localfleet.core.detectors import KINDS
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.layers import LAYERS, layer_of
from localfleet.core.meaning import Meaning
from localfleet.core.policy import Policy
from localfleet.core.pricing import price_at
from localfleet.core.reading import Reading
from localfleet.core.routing.order import Preference
from localfleet.core.routing.table import Table
from localfleet.core.winnow import Documents
from localfleet.errors import ConfigError
from localfleet.price_map import Listed, PriceMap, price_history
from localfleet.providers import base_url_of, dialect_of, host_of, unreachable
from localfleet.secret_rules import read_secret_rules
from localfleet.wire.yaml_lines import Lines

__all__ = [
    "Checked",
    "anyone",
    "build_demand",
    "build_models",
    "build_policy",
    "build_reading",
    "build_rules",
    "check_settings",
    "field_names",
    "layers_ever",
    "layers_on",
    "matcher_of",
    "plan_layers",
    "planned",
    "secret_of",
]

SPOKEN = frozenset({Api.CHAT, Api.MESSAGES, Api.RESPONSES})
Problem = tuple[str, str]
"""The dotted path of a key, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A `models.yaml` without any problem on this machine: what a router is built from."""

    settings: Settings
    prices: PriceMap
    sha256: str
    """Of the file's bytes, in hex."""


def build_models(settings: Settings, prices: PriceMap, today: date) -> tuple[Model, ...]:
    """Every model of the file, local ones first."""
    local = (_local(name, model) for name, model in settings.local.items())
    adapters = (replace(_local(name, model), specialised=True) for name, model in settings.adapters.items())
    hosted = (_hosted(name, m, prices.find(m.provider, m.model), today) for name, m in settings.hosted.items())
    return (*local, *adapters, *hosted)


def _local(name: str, model: LocalModel) -> Model:
    return Model(
        name=name,
        tier="local",
        accepts=None,
        context_tokens=model.context_tokens,
        apis=model.apis,
        can=model.can,
        max_output_tokens=model.max_output_tokens,
        queue_limit=model.limit,
        host=host_of(model.url or ""),
    )


def _hosted(name: str, model: HostedModel, listed: Listed | None, today: date) -> Model:
    return Model(
        name=name,
        tier=model.tier,
        accepts=Label.read(model.accepts),
        context_tokens=model.context_tokens or (listed.context_tokens if listed else None) or 0,
        apis=model.apis or _usual_apis(listed),
        can=_usual_needs(model, listed) if model.can is None else model.can,
        max_output_tokens=model.max_output_tokens or (listed.max_output_tokens if listed else None),
        price=price_at(price_history(model, listed), today),
        host=host_of(base_url_of(model.provider, model.base_url)),
        data=_data(model.data_policy),
    )


def _data(facts: ProviderFacts | None) -> DataPolicy:
    if facts is None:
        return NOTHING_KNOWN
    return DataPolicy(
        region=facts.region,
        jurisdiction=facts.jurisdiction,
        retention_days=facts.retention_days,
        trains=facts.trains,
        zero_data_retention=facts.zero_data_retention,
        subprocessors=_names(facts.subprocessors),
    )


def build_demand(asked: ProviderDemand) -> Demand:
    """What the file demands of providers, as the policy reads it."""
    demand = Demand(
        regions=_names(asked.regions),
        jurisdictions=_names(asked.jurisdictions),
        exclude_jurisdictions=frozenset(asked.exclude_jurisdictions),
        retention_days=asked.retention_days,
        no_training=asked.no_training,
        zero_data_retention=asked.zero_data_retention,
        subprocessors=_names(asked.subprocessors),
    )
    return NO_DEMAND if demand == NO_DEMAND else demand


def _names(listed: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if listed is None else frozenset(listed)


def _usual_apis(listed: Listed | None) -> frozenset[Api]:
    mode = listed.mode if listed else "chat"
    return {"embedding": frozenset({Api.EMBEDDING}), "completion": frozenset({Api.COMPLETION})}.get(mode, SPOKEN)


def _usual_needs(model: HostedModel, listed: Listed | None) -> frozenset[Need]:
    known = listed.can if listed else frozenset()
    # The price map does not say who returns logprobs; OpenAI documents it for its chat models.
    return known | {Need.LOGPROBS} if model.provider == "openai" else known


def anyone(settings: Settings) -> Caller:
    """The caller of a router without keys."""
    return Caller(key_id="anyone", name="anyone", default_label=settings.default_label)


def planned(caller: Caller, settings: Settings) -> Caller:
    """The caller with its plan's limits where the key sets none of its own, and with what the plan demands."""
    plan = settings.plans.get(caller.plan or "")
    if plan is None:
        return caller
    return replace(
        caller,
        models=plan.models if caller.models is None else caller.models,
        usd_per_month=plan.usd_per_month if caller.usd_per_month is None else caller.usd_per_month,
        requests_per_minute=(
            plan.requests_per_minute if caller.requests_per_minute is None else caller.requests_per_minute
        ),
        weight=plan.weight,
        providers=NO_DEMAND if plan.providers is None else build_demand(plan.providers),
    )


def build_policy(settings: Settings, table: Table | None = None) -> Policy:
    """The routing table and the limits."""
    tasks = {name: task.doors for name, task in settings.tasks.items() if task.doors}
    return Policy(
        preference=Preference(
            tasks=tasks,
            prefer=settings.routing.prefer,
            patience_s=settings.routing.patience_ms / 1000,
            batch_overflows=settings.routing.batch_overflows,
            table=table,
            chain=settings.routing.fallback == "chain",
        ),
        aliases=settings.aliases,
        fallbacks_per_request=settings.limits.fallbacks_per_request,
        retries_per_door=settings.routing.retries_per_door,
        providers={Label.read(word): build_demand(asked) for word, asked in settings.privacy.providers.items()},
    )


@dataclass(frozen=True, slots=True)
class Re2Matcher:
    """RE2: linear in the text, whatever an operator writes."""

    pattern: re2._Regexp

    def count(self, text: str) -> int:
        """How many matches."""
        return sum(1 for _ in self.pattern.finditer(text))


def matcher_of(pattern: str) -> Re2Matcher:
    """An operator's pattern, compiled; raises `ValueError` for one that RE2 does not know."""
    options = re2.Options()
    options.log_errors = False
    try:
        return Re2Matcher(re2.compile(pattern, options=options))
    except re2.error:
        raise ValueError("is no valid RE2 expression (no look-around, no back-references)") from None


def build_rules(
    settings: Settings,
    layers: frozenset[str] | None = None,
    meaning: Meaning | None = None,
    documents: Documents | None = None,
) -> Rules:
    """
    Compile the operator's rules; `check_settings` has found the bad ones before.

    `layers` names the only layers that read, to measure them alone; `None` means those that the settings name.
    `meaning` is what topics and names need; without it these two are off. `documents` are those that were registered.
    """
    on = layers_on(settings) if layers is None else layers
    own = settings.privacy.rules if "own" in on else ()
    return Rules(
        kinds=_kinds(settings, on),
        documents=documents if "own" in on else None,
        topics=meaning if "topics" in on else None,
        names=meaning if "names" in on else None,
        texts=(*(_text_rule(rule) for rule in own if rule.field is None), *_secret_rules(settings, on)),
        fields=tuple(_field_rule(rule) for rule in own if rule.field is not None),
        tasks={name: Label.read(task.label) for name, task in settings.tasks.items() if task.label is not None},
    )


def layers_ever(settings: Settings) -> frozenset[str]:
    """The layers that read anything: somebody's requests, a task's, answers."""
    usual = layers_on(settings)
    plans = (plan_layers(plan, usual) for plan in settings.plans.values())
    tasks = (frozenset(task.layers) for task in settings.tasks.values())
    return frozenset().union(usual, settings.privacy.output_layers, *plans, *tasks)


def plan_layers(plan: Plan, usual: frozenset[str]) -> frozenset[str]:
    """The layers that read requests of a plan."""
    return usual if plan.layers is None else _layers(plan.layers)


def build_reading(settings: Settings, meaning: Meaning, documents: Documents | None = None) -> Reading:
    """Which layers read whose requests, and answers."""
    usual = layers_on(settings)
    plans = {name: _layers(plan.layers) for name, plan in settings.plans.items() if plan.layers is not None}
    tasks = {name: frozenset(task.layers) for name, task in settings.tasks.items() if task.layers}
    output = frozenset(settings.privacy.output_layers)
    if not plans and not tasks and not output:
        return Reading(full=build_rules(settings, None, meaning, documents), usual=usual)
    full = build_rules(settings, frozenset(LAYERS), meaning, documents)
    return Reading.of(full, usual, plans=plans, tasks=tasks, output=output)


def _layers(listed: Layers) -> frozenset[str]:
    return frozenset(LAYERS) if listed == "all" else frozenset(listed)


def _secret_rules(settings: Settings, on: frozenset[str]) -> tuple[TextRule, ...]:
    file = settings.privacy.secret_rules
    return read_secret_rules(file).rules if file is not None and "own" in on else ()


def layers_on(settings: Settings) -> frozenset[str]:
    """The layers that the settings name."""
    return _layers(settings.privacy.layers)


def _kinds(settings: Settings, on: frozenset[str]) -> frozenset[str] | None:
    named = KINDS if settings.privacy.detectors == "all" else settings.privacy.detectors
    kinds = frozenset(kind for kind in named if layer_of(kind) in on)
    return None if kinds == frozenset(KINDS) else kinds


def _text_rule(rule: Rule) -> TextRule:
    return TextRule(name=rule.name, label=Label.read(rule.label), matcher=Re2Matcher(_compiled(rule)))


def _field_rule(rule: Rule) -> FieldRule:
    assert rule.field is not None
    values = frozenset(value.strip().casefold() for value in rule.equals)
    return FieldRule(name=rule.name, label=Label.read(rule.label), where=rule.field, values=values)


def _compiled(rule: Rule) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    if rule.pattern is not None:
        return re2.compile(rule.pattern, options=options)
    options.case_sensitive = False
    # A phrase counts across any white space: a line may break in it.
    words = "|".join(r"\s+".join(map(re2.escape, word.split())) for word in rule.words)
    # RE2's \b knows ASCII letters only; whole words of any script need it spelled out.
    return re2.compile(rf"(?:^|[^\pL\pN_])(?:{words})(?:$|[^\pL\pN_])", options=options)


def field_names(settings: Settings) -> frozenset[str]:
    """The names in field rules, kept readable in paths: `metadata.cost_center` -> `metadata`, `cost_center`."""
    paths = (rule.field for rule in settings.privacy.rules if rule.field is not None)
    return frozenset(part.rstrip("[]") for path in paths for part in path.split("."))


def check_settings(file: str, settings: Settings, lines: Lines, env: Mapping[str, str], prices: PriceMap) -> None:
    """Raise `ConfigError` for what only the environment, the price map and the detectors can tell is wrong."""
    found = (
        *_secret_problems(settings, env),
        *_rule_problems(settings),
        *_hosted_problems(settings, prices),
    )
    if found:
        raise ConfigError(file, tuple((lines.of(_loc(path)), path, sentence) for path, sentence in found))


def _loc(path: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in path.split("."))


def _secret_problems(settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    for section, models in (("local", settings.local), ("hosted", settings.hosted)):
        for name, model in models.items():
            variable = model.api_key_env
            shown = shown_variable(variable or "")
            if variable is not None and not env.get(variable):
                sentence = f"the variable {shown} is not set; export it, or comment this model out"
                yield f"{section}.{name}.api_key_env", sentence
            elif variable is not None and not _fits_a_header(env[variable]):
                sentence = f"the variable {shown} holds spaces or control characters, which no key has"
                yield f"{section}.{name}.api_key_env", sentence
    for name, hosted in settings.hosted.items():
        if hosted.api_key_file is not None:
            try:
                secret = secret_of(hosted, env)
            except (OSError, UnicodeDecodeError):
                yield f"hosted.{name}.api_key_file", "the file cannot be read; check its path and permissions"
            else:
                if not secret or not _fits_a_header(secret):
                    yield f"hosted.{name}.api_key_file", "the file holds no key: one line, without spaces"


def _fits_a_header(secret: str) -> bool:
    return secret.isascii() and secret.isprintable() and " " not in secret.strip()


def _rule_problems(settings: Settings) -> Iterator[Problem]:
    for i, rule in enumerate(settings.privacy.rules):
        if rule.field is None:
            try:
                _compiled(rule)
            except re2.error:
                yield f"privacy.rules.{i}.pattern", "is no valid RE2 expression (no look-around, no back-references)"
    if settings.privacy.secret_rules is not None:
        yield from _secret_file_problems(settings.privacy.secret_rules)
    if settings.privacy.detectors != "all":
        for kind in sorted(frozenset(settings.privacy.detectors) - frozenset(KINDS)):
            yield "privacy.detectors", f"`{kind}` is no detector; docs/concepts/privacy-law.md lists them"


def _secret_file_problems(file: str) -> Iterator[Problem]:
    try:
        found = read_secret_rules(file)
    except (OSError, ValueError):
        yield "privacy.secret_rules", "the file cannot be read as rules in gitleaks' TOML format"
        return
    if found.refused:
        names = ", ".join(found.refused[:5]) + (" and more" if len(found.refused) > 5 else "")
        yield "privacy.secret_rules", f"RE2 cannot take the rules {names} (no look-around); mend or remove them"


def _hosted_problems(settings: Settings, prices: PriceMap) -> Iterator[Problem]:
    for name, model in settings.hosted.items():
        listed = prices.find(model.provider, model.model)
        if model.context_tokens is None and (listed is None or listed.context_tokens is None):
            yield f"hosted.{name}", "the price map does not know this model: say its `context_tokens:`"
        reach = unreachable(model.provider, model.base_url)
        if reach is not None:
            yield f"hosted.{name}.provider", reach
        unspoken = (model.apis or SPOKEN) - SPOKEN
        if dialect_of(model.provider) != "openai" and unspoken:
            yield f"hosted.{name}.apis", f"this provider serves chat, messages and responses, not {min(unspoken)}"


def secret_of(model: HostedModel | LocalModel, env: Mapping[str, str]) -> str | None:
    """The key, from the variable or the file that the entry names."""
    if isinstance(model, HostedModel) and model.api_key_file is not None:
        with open(model.api_key_file, encoding="utf-8") as handle:  # noqa: PTH123  # the operator's path, as written
            return handle.read().strip()
    return env.get(model.api_key_env) if model.api_key_env is not None else None
