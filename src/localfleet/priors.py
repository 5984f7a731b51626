"""`routing.prior`: a table of benchmark scores and a `models.yaml` -> what is known of each model beforehand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localfleet.config import HostedModel, LocalModel, Settings
from localfleet.config.routing import Prior as PriorEntry
from localfleet.core.routing.prior import Prior
from localfleet.traces.scores import Score, scores

__all__ = ["Priors", "build_priors", "read_priors"]

OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """`known` is by model and task (`""` is any other); `strange` are names that the file does not have."""

    known: Mapping[str, Mapping[str, Prior]]
    rows: int
    strange_models: tuple[str, ...]
    strange_tasks: tuple[str, ...]
    overruled: tuple[tuple[str, str], ...] = ()
    """Models and tasks whose `quality:` stands in the file: what the operator writes of a model goes first."""


def build_priors(settings: Settings) -> Priors | None:
    """Of the table that the file names, where it names one; raises `BadInput`."""
    entry = settings.routing.prior
    return None if entry is None else read_priors(settings, entry)


def read_priors(settings: Settings, entry: PriorEntry) -> Priors:
    """Of any table; raises `BadInput`."""
    rows = scores(Path(entry.file))
    models = {row.model: tuple(_models(settings, entry, row.model)) for row in rows}
    tasks = {row.task: tuple(_tasks(settings, entry, row.task)) for row in rows}
    kept: dict[str, dict[str, list[Score]]] = {}
    for row in rows:
        for model in models[row.model]:
            for task in tasks[row.task]:
                kept.setdefault(model, {}).setdefault(task, []).append(row)
    own = {(model, task) for model, by_task in kept.items() for task in by_task if _declares(settings, model, task)}
    return Priors(
        known={
            model: {task: _prior(found, entry.weight) for task, found in by_task.items() if (model, task) not in own}
            for model, by_task in kept.items()
        },
        rows=len(rows),
        strange_models=tuple(name for name, found in models.items() if not found),
        strange_tasks=tuple(name for name, found in tasks.items() if not found),
        overruled=tuple(sorted(own)),
    )


def _models(settings: Settings, entry: PriorEntry, name: str) -> Iterator[str]:
    """Models of the file that a row is about: by `prior.models`, their own name, the name they have elsewhere."""
    wanted = entry.models.get(name, name).casefold()
    every: dict[str, LocalModel | HostedModel] = {**settings.local, **settings.hosted}
    for own, model in every.items():
        elsewhere = model.model if isinstance(model, HostedModel) else model.model or model.weights
        if wanted in {own.casefold(), (elsewhere or own).casefold()}:
            yield own
    yield from (adapter for adapter in settings.adapters if wanted == adapter.casefold())


def _tasks(settings: Settings, entry: PriorEntry, name: str) -> Iterator[str]:
    """Tasks of the file that a score speaks of; `""` for any other."""
    wanted = entry.tasks.get(name, (name,))
    for task in wanted:
        if task == OTHER or task in settings.tasks:
            yield "" if task == OTHER else task


def _declares(settings: Settings, model: str, task: str) -> bool:
    entry = settings.local.get(model) or settings.adapters.get(model) or settings.hosted.get(model)
    quality = None if entry is None else entry.quality
    return task in quality or (not task and OTHER in quality) if isinstance(quality, dict) else quality is not None


def _prior(rows: list[Score], weight: float) -> Prior:
    """Of each benchmark the newest row; their mean. It counts for no more outcomes than the scores are made of."""
    newest = {row.task: row for row in sorted(rows, key=lambda row: row.day)}
    used = tuple(newest.values())
    prompts = sum(row.prompts for row in used if row.prompts is not None)
    known = all(row.prompts is not None for row in used)
    return Prior(
        quality=sum(row.score for row in used) / len(used),
        weight=min(weight, prompts) if known else weight,
        source="; ".join(f"{row.task} of {row.source}, {row.day.isoformat()}" for row in used),
    )
