"""Settings and the price map -> the models a decision looks at, and the policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from localfleet.config import (
    FormEntry,
    HostedModel,
    LocalModel,
    ProviderDemand,
    ProviderFacts,
    Search,
    Settings,
    read_headers,
    read_key,
    shown_variable,
)
from localfleet.core.ask import WORDLESS, Api, Ask, Caller, Need, Span
from localfleet.core.classify import classify
from localfleet.core.data_policy import NO_DEMAND, NOTHING_KNOWN, DataPolicy, Demand
from localfleet.core.fleet import Model
from localfleet.core.form import AnswerForm, Form
from localfleet.core.label import Label
from localfleet.core.policy import AUTO, Policy
from localfleet.core.pricing import Price, price_at
from localfleet.core.routing.bid import Bid
from localfleet.core.routing.order import Preference
from localfleet.core.routing.table import Table
from localfleet.errors import ConfigError
from localfleet.price_map import Listed, PriceMap, price_history
from localfleet.providers import base_url_of, dialect_of, host_of, unreachable
from localfleet.rulebook import build_rules, rule_problems
from localfleet.wire.router_prices import read_router_prices
from localfleet.wire.task_model import task_named
from localfleet.wire.yaml_lines import Lines

__all__ = [
    "Checked",
    "anyone",
    "build_demand",
    "build_models",
    "build_policy",
    "check_settings",
    "planned",
    "read_bid",
    "secret_of",
]

SPOKEN = frozenset({Api.CHAT, Api.MESSAGES, Api.RESPONSES})
MOST_TOKENS = 2**31
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
    adapters = (
        replace(_local(name, model), specialised=True, domains=frozenset()) for name, model in settings.adapters.items()
    )
    hosted = (_hosted(name, m, prices.find(m.provider, m.model), today) for name, m in settings.hosted.items())
    searches = (_search(name, one) for name, one in settings.search.items())
    return (*local, *adapters, *hosted, *searches)


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
        form=_form(model.form),
        specialised=bool(model.specialised),
        domains=frozenset(model.specialised),
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
        form=_form(model.form),
        specialised=bool(model.specialised),
        domains=frozenset(model.specialised),
    )


def _search(name: str, one: Search) -> Model:
    """A hosted door that nothing but its name leads to. The length of a question shuts it to nobody: it is cut."""
    usd = one.usd_per_query
    free = Decimal(0)
    return Model(
        name=name,
        tier=one.tier,
        accepts=Label.read(one.accepts),
        context_tokens=MOST_TOKENS,
        apis=frozenset({Api.CHAT}),
        max_output_tokens=0,
        price=None
        if usd is None
        else Price(usd_per_mtok_in=free, usd_per_mtok_out=free, usd_per_request=usd, version="models.yaml"),
        host=host_of(one.url),
        data=_data(one.data_policy),
        specialised=True,
    )


def _form(entry: FormEntry | None) -> Form | None:
    if entry is None:
        return None
    answer = None if entry.answer is None else AnswerForm(**entry.answer.model_dump())
    return Form(before=entry.before or "", after=entry.after or "", answer=answer)


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
    return frozenset({Api(mode)}) if mode in {Api.COMPLETION, *WORDLESS} else SPOKEN


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
        tokens_per_minute=plan.tokens_per_minute,
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
        # A task's alias is read before the law is asked, and then any door of `auto` may be its own.
        aliases={name: AUTO if task_named(to) is not None else to for name, to in settings.aliases.items()},
        fallbacks_per_request=settings.limits.fallbacks_per_request,
        retries_per_door=settings.routing.retries_per_door,
        refusals_go_on=settings.routing.after_refusal == "next",
        providers={Label.read(word): build_demand(asked) for word, asked in settings.privacy.providers.items()},
    )


def check_settings(file: str, settings: Settings, lines: Lines, env: Mapping[str, str], prices: PriceMap) -> None:
    """Raise `ConfigError` for what only the environment, the price map and the detectors can tell is wrong."""
    found = (
        *_secret_problems(settings, env),
        *(problems := tuple(rule_problems(settings))),
        *(() if problems else _form_problems(settings)),
        *_hosted_problems(settings, prices),
        *_sealing_problems(settings, env),
        *_collector_problems(settings, env),
        *_price_file_problems(settings),
    )
    if found:
        raise ConfigError(file, tuple((lines.of(_loc(path)), path, sentence) for path, sentence in found))


def _form_problems(settings: Settings) -> Iterator[Problem]:
    """A hosted model's own words are texts that leave: the rules read them before any request comes."""
    formed = {name: (model, _form(model.form)) for name, model in settings.hosted.items() if model.form is not None}
    rules = build_rules(settings) if formed else None
    for name, (model, form) in formed.items():
        spans = tuple(Span(where="form", text=text) for text in ([] if form is None else form.texts))
        reader = Caller(key_id="file", name="file", default_label=Label.PUBLIC)
        ask = Ask(request_id="", api=Api.CHAT, model=name, caller=reader, spans=spans)
        label = Label.PUBLIC if rules is None else classify(ask, rules).label
        if label > Label.read(model.accepts):
            yield (
                f"hosted.{name}.form",
                f"its words are {label.word}, and it accepts {model.accepts}: change them",
            )


def _price_file_problems(settings: Settings) -> Iterator[Problem]:
    if settings.routing.marginal_prices is None:
        return
    try:
        bid = read_bid(settings.routing.marginal_prices)
    except OSError:
        yield "routing.marginal_prices", "the file cannot be read; `localfleet cost export-router` writes one"
    except ValueError as exc:
        yield "routing.marginal_prices", str(exc)
    else:
        if bid.model not in settings.local:
            yield "routing.marginal_prices", "the file is about a local model that is not in this file; write it anew"


def read_bid(file: str) -> Bid:
    """The bid in a file of `cost export-router`; raises `OSError`, and `ValueError` with what is wrong."""
    with open(file, "rb") as handle:  # noqa: PTH123  # the operator's path, as written
        return read_router_prices(handle.read(), today=datetime.now(UTC).date())


def _loc(path: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in path.split("."))


def _secret_problems(settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    for section, models in (("local", settings.local), ("hosted", settings.hosted), ("search", settings.search)):
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


def _collector_problems(settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    named = None if settings.traces is None else settings.traces.headers_env
    if named is None:
        return
    shown = shown_variable(named)
    try:
        if not read_headers(env.get(named, "")):
            yield "traces.headers_env", f"the variable {shown} is not set; export it as name=value,name=value"
    except ValueError:
        yield "traces.headers_env", f"the variable {shown} holds no headers; write name=value,name=value"


def _fits_a_header(secret: str) -> bool:
    return secret.isascii() and secret.isprintable() and " " not in secret.strip()


def _sealing_problems(settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    batches, people = settings.batches, settings.people
    for section, name in (("batches", None if batches is None else batches.key_env), ("people", people.key_env)):
        if name is None:
            continue
        variable = shown_variable(name)
        try:
            read_key(env.get(name, ""))
        except ValueError:
            sentence = f"the variable {variable} holds no key; export {variable}=$(openssl rand -hex 32), and keep it"
            yield f"{section}.key_env", sentence


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
        if model.provider == "openai" and model.base_url is None and Api.RERANK in (model.apis or ()):
            yield f"hosted.{name}.apis", "OpenAI has no reranking: name a provider that has, with its `base_url:`"


def secret_of(model: HostedModel | LocalModel | Search, env: Mapping[str, str]) -> str | None:
    """The key, from the variable or the file that the entry names."""
    if isinstance(model, HostedModel) and model.api_key_file is not None:
        with open(model.api_key_file, encoding="utf-8") as handle:  # noqa: PTH123  # the operator's path, as written
            return handle.read().strip()
    return env.get(model.api_key_env) if model.api_key_env is not None else None
