"""
What can open a connection, read from models.yaml: the outlets that the lint (`core/paths.py`) looks at.

Whatever gets a way to send something out gets its line here, in the same change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from localfleet.catalogue import anyone, build_policy, planned
from localfleet.config import Audit, HostedModel, LocalModel, Search, Settings, Traces, Vllm, is_loopback
from localfleet.core.ask import Api, Caller
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.paths import MOST_DOORS, Cargo, Decide, Outlet, Place, Proof, prove_paths
from localfleet.core.pipeline import places
from localfleet.core.policy import decide
from localfleet.core.redaction.proof import NO_TEXT_BACK
from localfleet.errors import ConfigError
from localfleet.providers import base_url_of, dialect_of, host_of

__all__ = ["outlets", "prove", "refuse_forbidden"]

HUB = "huggingface.co"
OURS = "this box"
PLAIN = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING, Api.RERANK})


def prove(
    settings: Settings, models: tuple[Model, ...], decided_by: Decide = decide, *, most_doors: int = MOST_DOORS
) -> Proof:
    """Every way of this file, and which of them may not be; beyond `most_doors` by the wide questions."""
    found, policy = outlets(settings, models), build_policy(settings)
    redactable = frozenset(Api) - NO_TEXT_BACK if settings.privacy.on_restricted == "redact" else frozenset[Api]()
    return prove_paths(
        models, policy, _callers(settings), found, decided_by, redactable=redactable, most_doors=most_doors
    )


def refuse_forbidden(file: str, settings: Settings, models: tuple[Model, ...]) -> None:
    """Raise `ConfigError` if any way may not be."""
    forbidden = prove(settings, models).forbidden
    if forbidden:
        problems = [
            (None, way.outlet.name, f"{way.label.word} text could reach {way.outlet.host}: {way.forbidden}")
            for way in forbidden
        ]
        raise ConfigError(file, tuple(problems))


def _callers(settings: Settings) -> tuple[Caller, ...]:
    """
    Who may use all stands for every key: a key's own list of models can only shut doors. Then one for each plan that
    the policy can tell from others; it looks at the models and the demand of a caller, and at nothing else of it.
    """
    nobody = Caller(key_id="lint", name="any key", default_label=anyone(settings).default_label)
    plans = (Caller(key_id="lint", name=f"plan {n}", default_label=Label.PUBLIC, plan=n) for n in settings.plans)
    callers = (nobody, *(planned(caller, settings) for caller in plans))
    return tuple({(caller.models, caller.providers): caller for caller in reversed(callers)}.values())[::-1]


def outlets(settings: Settings, models: tuple[Model, ...]) -> Iterator[Outlet]:
    """Everything in the file that can connect to a host; `models` say which APIs each answers."""
    apis = {model.name: model.apis for model in models}
    for name, local in settings.local.items():
        yield from _local(name, local)
    for name, hosted in settings.hosted.items():
        yield _hosted(name, hosted, apis[name])
    for name, search in settings.search.items():
        yield _search(name, search)
    yield from _judges(settings, models)
    yield from _stages(settings, models)
    yield from _shadows(settings, models)
    yield from _heads(settings.audit)
    if settings.traces is not None:
        yield _spans(settings.traces)


def _local(name: str, model: LocalModel) -> Iterator[Outlet]:
    place, rule = _where(model)
    host = host_of(model.url or "") or OURS
    apis = {str(api): "native" if api in PLAIN else "translated" for api in sorted(model.apis)}
    for kind, served in (("model", name), *(("adapter", adapter) for adapter in model.lora)):
        at = f"local.{name}" if kind == "model" else f"local.{name}.vllm.lora.{served}"
        yield Outlet(kind=kind, name=at, host=host, place=place, cargo=Cargo.TEXT, rule=rule, model=served, apis=apis)
    if model.vllm is not None:
        yield from _vllm(name, model, model.vllm)


def _where(model: LocalModel) -> tuple[Place, str]:
    if model.url is None:
        return Place.BOX, "a process of ours, on a socket that only this user can reach"
    if is_loopback(model.url):
        return Place.BOX, "`url:` is a loopback address"
    if model.on_premises:
        return Place.VOUCHED, "`on_premises: true` vouches for it"
    return Place.STREET, "nobody vouches for it"


def _vllm(name: str, model: LocalModel, asked: Vllm) -> Iterator[Outlet]:
    at = f"local.{name}.vllm"
    place = Place.VOUCHED if asked.media_on_premises else Place.STREET
    for domain, served in ((d, s) for d in asked.allowed_media_domains for s in (name, *model.lora)):
        yield Outlet(
            kind="media",
            name=f"{at}.allowed_media_domains",
            host=domain,
            place=place,
            cargo=Cargo.ADDRESS,
            rule="vLLM fetches what a caller names; `media_on_premises: true` vouches for the host",
            model=served,
        )
    if asked.pull:
        yield Outlet(
            kind="hub", name=f"{at}.pull", host=HUB, place=Place.STREET, cargo=Cargo.NOTHING,
            rule="vLLM asks for weights when it starts; no part of a request",
        )  # fmt: skip


def _judges(settings: Settings, models: tuple[Model, ...]) -> Iterator[Outlet]:
    """
    Who judges answers: text at least as sensitive as the request, so the law shuts the same doors to it.

    A model that judges is asked as any model, by its name: what the policy lets through there is what reaches it here.
    """
    for name, task in settings.tasks.items():
        judge = None if task.cascade is None else task.cascade.judge
        if judge is not None and judge.model is not None:
            for model in _meant(judge.model.model, models):
                yield _asked_by_us("judge", f"tasks.{name}.cascade.judge.model", settings, model)
        if judge is not None and judge.callable is not None:
            yield Outlet(
                kind="judge", name=f"tasks.{name}.cascade.judge.callable", host=OURS, place=Place.BOX, cargo=Cargo.TEXT,
                rule="your own function, in this process: what it sends on, nobody here can see",
            )  # fmt: skip


def _stages(settings: Settings, models: tuple[Model, ...]) -> Iterator[Outlet]:
    """
    Every stage of every pipeline, and who judges one: the law decides by the label of what the stage reads.

    A stage that reads released structures alone gets those of requests of every label, and no words of theirs.
    """
    for name, pipeline in settings.pipelines.items():
        lowered: set[str] = set()
        for number, stage in enumerate(pipeline.stages):
            at = f"pipelines.{name}.stages.{number}"
            reads = places(f"{stage.prompt}{stage.system or ''}") - {"item"} | ({stage.each} if stage.each else set())
            clean = bool(reads) and reads <= lowered
            for model in _meant(stage.model, models):
                outlet = _asked_by_us("stage", at, settings, model)
                yield outlet
                if clean and outlet.place is Place.STREET:
                    rule = f"closed structures of {', '.join(sorted(reads))}: the operator's words and short numbers"
                    yield replace(outlet, cargo=Cargo.STRUCTURE, rule=rule, model=None)
            if stage.enough is not None and stage.enough.model is not None:
                for model in _meant(stage.enough.model.model, models):
                    yield _asked_by_us("judge", f"{at}.enough.model", settings, model)
            if stage.release:
                lowered.add(stage.name)


def _shadows(settings: Settings, models: tuple[Model, ...]) -> Iterator[Outlet]:
    """Who gets a request as well as the model that answers it: as if its caller had asked for it by name."""
    for name, experiment in settings.experiments.items():
        if experiment.shadow is None:
            continue
        for model in _meant(experiment.first, models):
            yield _asked_by_us("shadow", f"experiments.{name}.first", settings, model)
        judge = experiment.shadow.judge.model
        for model in () if judge is None else _meant(judge.model, models):
            if model.local:
                yield _asked_by_us("judge", f"experiments.{name}.shadow.judge.model", settings, model)


def _meant(wanted: str, models: tuple[Model, ...]) -> Iterator[Model]:
    """The models that a name means."""
    for model in models:
        every = not model.specialised and (wanted == "auto" or (wanted == "local" and model.local))
        if every or model.name == wanted:
            yield model


def _asked_by_us(kind: str, at: str, settings: Settings, model: Model) -> Outlet:
    """A model that the router asks itself, on behalf of a request."""
    entry = settings.local.get(model.name) or settings.adapters.get(model.name)
    if entry is not None:
        place, rule = _where(entry)
        host = host_of(entry.url or "") or OURS
    else:
        place, host = Place.STREET, model.host or "?"
        entries: dict[str, HostedModel | Search] = {**settings.hosted, **settings.search}
        rule = f"`accepts: {entries[model.name].accepts}`, and at least the label of the request"
    return Outlet(kind=kind, name=at, host=host, place=place, cargo=Cargo.TEXT, rule=rule, model=model.name)


def _heads(audit: Audit) -> Iterator[Outlet]:
    """Heads of the ledger are two hashes, a number and a time."""
    network = ((key, host_of(url)) for key, url in (("syslog", audit.syslog), ("webhook", audit.webhook)) if url)
    files = ((key, OURS) for key, path in (("file", audit.file), ("checkpoint", audit.checkpoint)) if path)
    for key, host in (*network, *files):
        yield Outlet(
            kind="head",
            name=f"audit.{key}",
            host=host or OURS,
            place=Place.STREET if host and host != OURS else Place.BOX,
            cargo=Cargo.NOTHING,
            rule="the head of the ledger: a number, a time, hashes; no part of a request",
        )


def _spans(traces: Traces) -> Outlet:
    """Spans are made of receipts, which hold no text."""
    left_out = "nothing" if traces.restricted == "omit" else "counts alone"
    return Outlet(
        kind="exporter",
        name="traces.url",
        host=host_of(traces.url) or "?",
        place=Place.BOX if is_loopback(traces.url) else Place.STREET,
        cargo=Cargo.NOTHING,
        rule=f"one span a request: names of the file, counts and times; of restricted requests {left_out}; no text",
    )


def _hosted(name: str, model: HostedModel, apis: frozenset[Api]) -> Outlet:
    return Outlet(
        kind="model",
        name=f"hosted.{name}",
        host=host_of(base_url_of(model.provider, model.base_url)) or "?",
        place=Place.STREET,
        cargo=Cargo.TEXT,
        rule=f"`accepts: {model.accepts}`",
        model=name,
        apis=_spoken(model, apis),
    )


def _search(name: str, search: Search) -> Outlet:
    """Also on this box: it passes queries on to engines that nobody here knows."""
    return Outlet(
        kind="search",
        name=f"search.{name}",
        host=host_of(search.url) or "?",
        place=Place.STREET,
        cargo=Cargo.TEXT,
        rule=f"`accepts: {search.accepts}`, the query of a stage",
        model=name,
        apis={str(Api.CHAT): "translated"},
    )


def _spoken(model: HostedModel, apis: frozenset[Api]) -> Mapping[str, str]:
    """Which of its APIs go out as they came in; the others are translated by us, or by litellm."""
    ours = PLAIN | ({Api.RESPONSES} if model.provider == "openai" else set())
    native, other = {
        "litellm": (frozenset[Api](), "litellm"),
        "anthropic": (frozenset({Api.MESSAGES}), "litellm"),
        "openai": (ours, "translated"),
    }[dialect_of(model.provider)]
    return {str(api): "native" if api in native else other for api in sorted(apis)}
