"""
A file -> checked settings, or every problem in it: file, line, what is wrong, how to mend it.

Refuses rather than guesses: unknown keys, duplicate names and references that find nothing stop the start.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from localfleet.config.experiments import Experiment
from localfleet.config.pipelines import Stage
from localfleet.config.said import routing_complaints, tier_places
from localfleet.config.settings import Settings
from localfleet.config.shape import RESERVED
from localfleet.core.pipeline import places
from localfleet.errors import ConfigError
from localfleet.wire.yaml_lines import Lines, problems_of, read_yaml

__all__ = ["load_settings", "parse_settings", "parse_with_lines", "read_settings", "read_text"]


def load_settings(file: str) -> Settings:
    """Read and check `file`; raise `ConfigError` with every problem found."""
    return read_settings(file)[0]


def read_settings(file: str) -> tuple[Settings, Lines]:
    """The settings, and where each stood, for problems that only the environment can tell."""
    return parse_with_lines(read_text(file), file)


def read_text(file: str) -> bytes:
    """The file as it is; raise `ConfigError` where it cannot be read."""
    try:
        with open(file, "rb") as handle:  # noqa: PTH123  # a path from the command line, kept as it was typed
            return handle.read()
    except OSError as exc:
        sentence = f"cannot be read ({exc.strerror}); `localfleet init` writes one"
        raise ConfigError(file, ((None, "", sentence),)) from exc


def parse_settings(text: bytes, file: str = "models.yaml") -> Settings:
    """Check the text of a `models.yaml`; raise `ConfigError` with every problem found."""
    return parse_with_lines(text, file)[0]


def parse_with_lines(text: bytes, file: str) -> tuple[Settings, Lines]:
    """The settings of a text, and where each stood; raise `ConfigError` with every problem found."""
    data, lines, problems = read_yaml(text)
    if problems:
        raise ConfigError(file, tuple((line, "", sentence) for line, sentence in problems))
    try:
        settings = Settings.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(file, problems_of(errors, lines)) from exc
    crossed = _cross_checks(settings, lines)
    if crossed:
        raise ConfigError(file, crossed)
    return settings, lines


def _cross_checks(settings: Settings, lines: Lines) -> tuple[tuple[int | None, str, str], ...]:
    """Checks between sections: every name means one thing and every reference finds it."""
    complaints = (*_name_complaints(settings), *_reference_complaints(settings))
    return tuple((lines.of(loc), ".".join(map(str, loc)), sentence) for loc, sentence in complaints)


Complaint = tuple[tuple[str | int, ...], str]


def _name_complaints(settings: Settings) -> Iterator[Complaint]:
    if not settings.names:
        yield (), "no models: add one under `local:` or `hosted:`"
    for name in sorted(frozenset(settings.local) & frozenset(settings.hosted)):
        yield ("hosted", name), "is also the name of a local model; names are unique"
    for name in sorted(frozenset(settings.search) & settings.names):
        yield ("search", name), "is also the name of a model; names are unique"
    for section in ("local", "hosted", "search"):
        for name in sorted(RESERVED & frozenset(getattr(settings, section))):
            yield (section, name), f"`{name}` is a reserved name; choose another"
    yield from _adapter_complaints(settings)
    for alias in sorted(frozenset(settings.aliases) & (settings.names | frozenset(settings.search) | RESERVED)):
        yield ("aliases", alias), "is already a model's name"
    tiers = [("hosted", name, model.tier) for name, model in settings.hosted.items()]
    tiers += [("search", name, one.tier) for name, one in settings.search.items()]
    for section, name, tier in tiers:
        if tier == "local":
            yield (section, name, "tier"), "`local` is the privacy tier; name the hosted tier otherwise"
    if len({rule.name for rule in settings.privacy.rules}) != len(settings.privacy.rules):
        yield ("privacy", "rules"), "two rules have one name; names are unique"


def _adapter_complaints(settings: Settings) -> Iterator[Complaint]:
    """An adapter is a model to clients, so its name is no other model's."""
    taken = set(RESERVED) | set(settings.local) | set(settings.hosted)
    for name, model in settings.local.items():
        for adapter in model.lora:
            if adapter in taken:
                yield ("local", name, "vllm", "lora", adapter), "is a model's name already; names are unique"
            taken.add(adapter)


def _reference_complaints(settings: Settings) -> Iterator[Complaint]:
    virtual = {f"pipeline/{name}" for name in settings.pipelines}
    virtual |= {prefix + name for name in settings.tasks for prefix in ("task/", "task:")}
    for alias, target in settings.aliases.items():
        if target not in settings.names | RESERVED | virtual:
            yield ("aliases", alias), f"points to `{target}`, which is no model here"
    for name, task in settings.tasks.items():
        for wanted in task.doors:
            if wanted not in settings.names | {"local"}:
                yield ("tasks", name), f"names `{wanted}`, which is no model here"
    yield from _cascade_complaints(settings)
    yield from _pipeline_complaints(settings)
    yield from _experiment_complaints(settings)
    for name, plan in settings.plans.items():
        for wanted in sorted((plan.models or frozenset()) - settings.names - frozenset(settings.search)):
            yield ("plans", name), f"names `{wanted}`, which is no model here"
    yield from routing_complaints(settings)
    for place in tier_places(settings):
        if place[-1] not in settings.hosted_tiers:
            yield place, "is no tier of any hosted model"


def _cascade_complaints(settings: Settings) -> Iterator[Complaint]:
    for name, task in settings.tasks.items():
        grader = None if task.cascade is None else task.cascade.judge.model
        if grader is not None and grader.model not in settings.names | {"local"}:
            yield ("tasks", name, "cascade", "judge", "model"), f"names `{grader.model}`, which is no model here"
        if task.cascade is not None and not task.fallback:
            yield ("tasks", name, "cascade"), "has nowhere to go on to: name a stronger model in `fallback:`"


def _pipeline_complaints(settings: Settings) -> Iterator[Complaint]:
    """Every place in a prompt is filled, every name is one thing, every judge and model is there."""
    for name, pipeline in settings.pipelines.items():
        known = {"input", "documents"}
        for number, stage in enumerate(pipeline.stages):
            at = ("pipelines", name, "stages", number)
            yield from ((at, sentence) for sentence in _stage_complaints(stage, known, settings))
            known.add(stage.name)
        last = pipeline.stages[-1]
        if last.each is not None or last.fields or last.enough is not None:
            sentence = "answers the client: `each`, `fields` and `enough` belong to earlier stages"
            yield ("pipelines", name, "stages", len(pipeline.stages) - 1), sentence
        if last.model in settings.search:
            sentence = "finds documents and answers nobody: let a later stage read them"
            yield ("pipelines", name, "stages", len(pipeline.stages) - 1), sentence


def _stage_complaints(stage: Stage, known: set[str], settings: Settings) -> Iterator[str]:
    wanted = places(stage.prompt + (stage.system or ""))
    if "item" in wanted and stage.each is None:
        yield "has a place for `{item}`: say what it is asked about in `each:`"
    reads = (wanted - {"item"}) | ({stage.each} if stage.each is not None else set())
    for place in sorted(reads - known):
        yield f"reads `{place}`, which is no earlier stage; `input` and `documents` are the caller's"
    if stage.name in known | {"item"}:
        yield f"the name `{stage.name}` is taken; a stage has one of its own"
    graders = () if stage.enough is None or stage.enough.model is None else (stage.enough.model.model,)
    for model in {stage.model, *graders} - settings.names - RESERVED:
        if model != stage.model or model not in settings.search:
            yield f"names `{model}`, which is no model here"
    if stage.model in settings.search and (stage.system or stage.max_tokens or stage.fields or stage.enough):
        yield "searches: it has a prompt, `each`, `most_items` and `distinct`, and nothing else"


def _experiment_complaints(settings: Settings) -> Iterator[Complaint]:
    taken: set[tuple[str, str]] = set()
    for name, experiment in settings.experiments.items():
        at, kind = ("experiments", name), (experiment.task, "" if experiment.shadow is None else experiment.first)
        if experiment.task not in settings.tasks:
            yield at, f"`{experiment.task}` is no task here"
        if kind in taken:
            what = f"a shadow of {experiment.first}" if experiment.shadow is not None else "an experiment"
            yield at, f"`{experiment.task}` has {what} already: one at a time"
        taken.add(kind)
        for wanted in (experiment.first, *experiment.fallback):
            if wanted not in settings.names | {"local"}:
                yield at, f"names `{wanted}`, which is no model here"
        if experiment.shadow is not None:
            yield from (((*at, *place), said) for place, said in _shadow_complaints(experiment, settings))
        elif experiment.by == "request":
            yield (*at, "by"), "`request` is for a shadow: the sides of a split keep their sessions or keys"


def _shadow_complaints(experiment: Experiment, settings: Settings) -> Iterator[Complaint]:
    """One model, tried once, judged here."""
    assert experiment.shadow is not None, "the caller looked"
    judge = experiment.shadow.judge
    if experiment.first == "local":
        yield ("first",), "a shadow is of one model: name it"
    if experiment.fallback:
        yield ("fallback",), "a shadow is tried once: take it out"
    grader = None if judge.model is None else judge.model.model
    if grader is not None and (grader not in (*settings.local, *settings.adapters, "local") or not settings.local):
        yield ("shadow", "judge", "model"), f"`{grader}` is no model under `local:`; shadows are judged on this box"
    if judge.consistency is not None or judge.confidence is not None:
        yield ("shadow", "judge"), "`consistency` and `confidence` ask the model again; a shadow is asked once"
