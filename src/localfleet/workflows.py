"""What `models.yaml` declares beyond plain requests, built: cascades with their judges."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pkgutil import resolve_name
from typing import Any

from localfleet.actions.bench import Bench
from localfleet.actions.cascade import Cascades
from localfleet.actions.front import Actions
from localfleet.actions.pipeline import Pipelines
from localfleet.actions.shadow import Shadows
from localfleet.actions.split import Splits
from localfleet.config import Cascade as CascadeShape
from localfleet.config import Judges, Settings
from localfleet.config.experiments import Experiment as ExperimentShape
from localfleet.config.pipelines import Pipeline as PipelineShape
from localfleet.config.pipelines import Stage as StageShape
from localfleet.core.cascade import Cascade
from localfleet.core.judges.confidence import Confidence
from localfleet.core.judges.consistency import Consistency
from localfleet.core.judges.grade import INSTRUCTIONS, Grader
from localfleet.core.judges.spoken import Check
from localfleet.core.judges.validators import (
    Json,
    Language,
    Length,
    NotCutOff,
    Pattern,
    Refusal,
    Repetition,
    ToolCalls,
)
from localfleet.core.judges.verdict_of_call import Judged
from localfleet.core.pipeline import Pipeline, Stage
from localfleet.core.shadow import Hours, Shadow
from localfleet.errors import ConfigError
from localfleet.experiments import build_experiment, mirrored, running
from localfleet.gateway import Gateway
from localfleet.rulebook import field_names, matcher_of
from localfleet.wire.yaml_lines import Lines

__all__ = ["build_actions", "build_cascade", "build_pipeline", "build_shadow", "build_shadows", "check_workflows"]

Problem = tuple[str, str]
PLAIN = (
    "name", "model", "prompt", "system", "max_tokens", "each", "most_items", "distinct", "fields", "release",
)  # fmt: skip


def build_actions(
    settings: Settings, gateway: Gateway, states: Mapping[str, str] | None = None, hours: Hours | None = None
) -> Actions | None:
    """
    The front door of all that is no plain request; `None` where there is nothing such.

    `states` are those of experiments, `hours` how many shadows began already.
    """
    shapes = {name: task.cascade for name, task in settings.tasks.items() if task.cascade is not None}
    if not (shapes or settings.pipelines or settings.experiments):
        return None
    shadows = build_shadows(settings, states or {})
    named = {shape.judge.callable for shape in shapes.values() if shape.judge.callable is not None}
    named |= {one.cascade.call for ones in shadows.values() for one in ones if one.cascade.call is not None}
    bench = Bench(gateway=gateway, callables={name: resolved(name) for name in named})
    by_task = {name: build_cascade(shape) for name, shape in shapes.items()}
    pipelines = {
        name: build_pipeline(name, shape, frozenset(settings.search)) for name, shape in settings.pipelines.items()
    }
    return Actions(
        gateway=gateway,
        cascades=Cascades(gateway=gateway, bench=bench, by_task=by_task),
        pipelines=Pipelines(gateway=gateway, bench=bench, by_name=pipelines, fields=field_names(settings)),
        splits=Splits(gateway=gateway, by_task=running(settings, states or {})),
        shadows=Shadows(gateway=gateway, bench=bench, by_task=shadows, hours=hours or Hours()),
        aliases=settings.aliases,
    )


def build_shadows(settings: Settings, states: Mapping[str, str]) -> dict[str, tuple[Shadow, ...]]:
    """Every shadow that still goes along, by task, in the file's order; `states` are those of experiments."""
    found: dict[str, tuple[Shadow, ...]] = {}
    for name, shape in mirrored(settings, states).items():
        found[shape.task] = (*found.get(shape.task, ()), build_shadow(name, shape))
    return found


def build_shadow(name: str, shape: ExperimentShape) -> Shadow:
    """One experiment that mirrors; raises `ValueError` for a pattern that RE2 does not know."""
    assert shape.shadow is not None, "the caller looked"
    return Shadow(
        experiment=build_experiment(name, shape),
        usd_per_day=shape.shadow.usd_per_day,
        requests_per_hour=shape.shadow.requests_per_hour,
        cascade=build_cascade(CascadeShape(judge=shape.shadow.judge)),
    )


def build_pipeline(name: str, shape: PipelineShape, searches: frozenset[str] = frozenset()) -> Pipeline:
    """One pipeline; `searches` are names of search endpoints. `ValueError` for a pattern that RE2 does not know."""
    return Pipeline(name=name, stages=tuple(_stage(stage, searches) for stage in shape.stages))


def _stage(shape: StageShape, searches: frozenset[str]) -> Stage:
    enough = None if shape.enough is None else build_cascade(CascadeShape(judge=shape.enough))
    plain = {name: getattr(shape, name) for name in PLAIN}
    return Stage(enough=enough, search=shape.model in searches, **plain)


def build_cascade(shape: CascadeShape) -> Cascade:
    """One task's cascade; raises `ValueError` for a pattern that RE2 does not know."""
    judge = shape.judge
    again, model, sure = judge.consistency, judge.model, judge.confidence
    return Cascade(
        checks=tuple(_checks(judge)),
        consistency=None
        if again is None
        else Consistency(samples=again.samples, least=again.least, temperature=again.temperature),
        grader=None
        if model is None
        else Grader(
            model=model.model,
            least=model.least,
            instruction=model.instruction or INSTRUCTIONS[model.looks_at],
            aspect=model.looks_at,
        ),
        call=judge.callable,
        least_score=judge.least_score,
        buffer=shape.buffer,
        logprobs=sure is not None,
    )


def _checks(judge: Judges) -> Iterator[Check]:
    yield Length(least_chars=judge.least_chars, most_chars=judge.most_chars)
    if judge.refusal:
        yield Refusal()
    if judge.cut_off:
        yield NotCutOff()
    if judge.repetition is not None:
        yield Repetition(most=judge.repetition)
    if judge.tool_calls:
        yield ToolCalls()
    yield Json(always=judge.valid_json, schema=judge.json_schema)
    if judge.pattern is not None:
        yield Pattern(matcher=matcher_of(judge.pattern))
    if judge.language is not None:
        yield Language(wanted=judge.language)
    if judge.confidence is not None:
        sure = judge.confidence
        yield Confidence(
            least_logprob=sure.least_logprob, least_margin=sure.least_margin, most_entropy=sure.most_entropy
        )


def resolved(name: str) -> Callable[[Judged], Any]:
    """The operator's function; raises `ValueError` where it is not there or cannot be called."""
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError, SyntaxError):
        raise ValueError("cannot be imported; is its module installed beside localfleet, or on PYTHONPATH?") from None
    if not callable(found):
        raise ValueError("is no function")  # noqa: TRY004  # callers catch what a bad value raises
    return found  # type: ignore[no-any-return]  # an operator's code has no types here


def check_workflows(file: str, settings: Settings, lines: Lines) -> None:
    """Raise `ConfigError` for what only RE2, the import system and the models can tell is wrong."""
    found = tuple(_problems(settings))
    if found:
        raise ConfigError(file, tuple((lines.of(tuple(path.split("."))), path, said) for path, said in found))


def _problems(settings: Settings) -> Iterator[Problem]:
    for name, task in settings.tasks.items():
        if task.cascade is None:
            continue
        judge, at = task.cascade.judge, f"tasks.{name}.cascade.judge"
        yield from _unusable(judge, at)
        if judge.confidence is not None and not _tells_logprobs(settings, task.first):
            yield (
                f"{at}.confidence",
                "the task's first model does not list `logprobs` in its `can:`, so none is ever sure",
            )

    for name, experiment in settings.experiments.items():
        if experiment.shadow is not None:
            yield from _unusable(experiment.shadow.judge, f"experiments.{name}.shadow.judge")


def _unusable(judge: Judges, at: str) -> Iterator[Problem]:
    if judge.pattern is not None:
        yield from _tried(f"{at}.pattern", partial(matcher_of, judge.pattern))
    if judge.callable is not None:
        yield from _tried(f"{at}.callable", partial(resolved, judge.callable))


def _tried(path: str, work: Callable[[], object]) -> Iterator[Problem]:
    try:
        work()
    except ValueError as exc:
        yield path, str(exc)


def _tells_logprobs(settings: Settings, first: str | None) -> bool:
    if first is None:
        return True
    if first == "local":
        return any("logprobs" in model.can for model in settings.local.values())
    local = settings.local.get(first) or settings.adapters.get(first)
    if local is not None:
        return "logprobs" in local.can
    hosted = settings.hosted.get(first)
    return hosted is None or hosted.can is None or "logprobs" in hosted.can
