"""What `routing:`, `tiers:` and the rows say of each other: names that find nothing, and keys that have no say."""

from collections.abc import Iterator

from localfleet.config.routing import StrategyName
from localfleet.config.settings import Settings, Task

__all__ = ["routing_complaints", "tier_places"]

Complaint = tuple[tuple[str, ...], str]


def routing_complaints(settings: Settings) -> Iterator[Complaint]:
    """Each with the place where it stands."""
    on = frozenset(settings.routing.strategies)
    for name, task in settings.tasks.items():
        yield from _silent_keys(("tasks", name), task, on)
        if (task.words or task.kind) and not settings.routing.infer_task:
            yield ("tasks", name), "its `words:` or `kind:` has no say: set `routing.infer_task: true`"
    kinds = [task.kind for task in settings.tasks.values() if task.kind is not None]
    for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        yield ("tasks",), f"two tasks claim the kind `{kind}`; one can have it"
    grade = None if settings.routing.difficulty is None else settings.routing.difficulty.grade
    if grade is not None and grade.model not in settings.local:
        place = ("routing", "difficulty", "grade", "model")
        yield place, f"`{grade.model}` is no model under `local:`; requests of any label are graded, so it stays here"
    yield from _prior_names(settings)
    known = {"local"} | settings.hosted_tiers | set(settings.tiers)
    for name, plan in settings.plans.items():
        if plan.tiers and "plan" not in on:
            yield ("plans", name, "tiers"), _no_say("plan")
        for tier in plan.tiers:
            if tier not in known:
                yield ("plans", name, "tiers"), f"names `{tier}`, which is no tier here"


def _prior_names(settings: Settings) -> Iterator[Complaint]:
    prior = settings.routing.prior
    if prior is None:
        return
    for name, model in prior.models.items():
        if model not in settings.names:
            yield ("routing", "prior", "models", name), f"names `{model}`, which is no model here"
    for name, tasks in prior.tasks.items():
        for task in tasks:
            if task != "other" and task not in settings.tasks:
                yield (
                    ("routing", "prior", "tasks", name),
                    f"names `{task}`, no task of this file; `other` is any other",
                )


def tier_places(settings: Settings) -> Iterator[tuple[str, ...]]:
    """Every place that limits a hosted tier by its name."""
    yield from (("limits", "usd_per_day", tier) for tier in settings.limits.usd_per_day)
    yield from (("limits", "tier_share", tier) for tier in settings.limits.tier_share)
    for name, task in settings.tasks.items():
        yield from (("tasks", name, "tier_share", tier) for tier in task.tier_share)
    for name, plan in settings.plans.items():
        yield from (("plans", name, "usd_per_day", tier) for tier in plan.usd_per_day)
        yield from (("plans", name, "tier_share", tier) for tier in plan.tier_share)


def _silent_keys(place: tuple[str, ...], task: Task, on: frozenset[StrategyName]) -> Iterator[Complaint]:
    said: tuple[tuple[str, bool, StrategyName], ...] = (
        ("level", task.level is not None, "difficulty"),
        ("quality", task.quality is not None, "quality"),
        ("latency_ms", task.latency_ms is not None, "latency"),
        ("objective", task.objective is not None, "objective"),
        ("volume", task.volume, "volume"),
    )
    for key, there, strategy in said:
        if there and strategy not in on:
            yield (*place, key), _no_say(strategy)


def _no_say(strategy: str) -> str:
    return f"has no say: add `{strategy}` to `routing.order:`, or write `order: standard`"
