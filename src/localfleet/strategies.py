"""`routing:`, `tiers:` and the tasks' rows of a file -> the routing table, compiled once for all requests."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from localfleet.config import Difficulty, HostedModel, LocalModel, Quality, Settings, Task
from localfleet.config.routing import Classifier
from localfleet.core.routing.asked import Finder, Row, Strategy, Trait
from localfleet.core.routing.caps import Caps
from localfleet.core.routing.context import Context
from localfleet.core.routing.difficulty import Difficulty as ByDifficulty
from localfleet.core.routing.difficulty import Signal, Thresholds
from localfleet.core.routing.graded import Graded
from localfleet.core.routing.keywords import Keywords
from localfleet.core.routing.latency import LatencyAim
from localfleet.core.routing.left import BudgetLeft
from localfleet.core.routing.length import Length
from localfleet.core.routing.load import Load
from localfleet.core.routing.marginal import Aim
from localfleet.core.routing.plan import PlanTiers
from localfleet.core.routing.promise import stands
from localfleet.core.routing.quality import QualityBar
from localfleet.core.routing.row import TaskRow
from localfleet.core.routing.scored import HARDEST, Scored
from localfleet.core.routing.scorer import Scorer, load
from localfleet.core.routing.session import SameDoor
from localfleet.core.routing.shares import Shares
from localfleet.core.routing.table import Table
from localfleet.core.routing.tier import TierAim
from localfleet.core.routing.volume import Volume
from localfleet.errors import BadInput, ConfigError
from localfleet.priors import Priors, build_priors
from localfleet.rulebook import matcher_of
from localfleet.steering import TaskFinder
from localfleet.wire.yaml_lines import Lines

__all__ = ["build_caps", "build_finder", "build_table", "check_strategies", "threshold_of"]

BARS = {"critical": 0.97, "normal": 0.92, "tolerant": 0.85}
OTHER = "other"


def build_table(settings: Settings) -> Table | None:
    """
    The table; `None` where the file names no strategy.

    Raises `ValueError` for a classifier that cannot be read, `BadInput` for a table of scores that cannot.
    """
    routing = settings.routing
    if not routing.strategies:
        return None
    shape = routing.difficulty
    return Table(
        strategies=tuple(_strategies(settings)),
        signals=() if shape is None else tuple(_signals(shape)),
        rows={name: _row(task) for name, task in settings.tasks.items()},
        traits=_traits(settings, build_priors(settings)),
        usual_level=2 if shape is None else shape.usual,
        sticky=routing.session_holds if "session" in routing.strategies else 0,
    )


def build_keywords(shape: Difficulty) -> Keywords | None:
    """The operator's words for levels, the hardest first; `None` where the file declares none."""
    levels = sorted(shape.keywords, reverse=True)
    return Keywords(finders=tuple((level, _words(shape.keywords[level])) for level in levels)) if levels else None


def build_finder(settings: Settings) -> TaskFinder | None:
    """By which words, and by which kinds, a request that names no task gets one; `None` where none does."""
    if not settings.routing.infer_task:
        return None
    words = tuple((name, _words(task.words)) for name, task in settings.tasks.items() if task.words)
    kinds = {task.kind: name for name, task in settings.tasks.items() if task.kind is not None}
    return TaskFinder(words=words, kinds=kinds)


def build_caps(settings: Settings, shares: Shares) -> Caps | None:
    """Shares of tiers and money of plans; `None` where the file limits neither."""
    caps = Caps(
        shares=shares,
        each_task=settings.limits.tier_share,
        tasks={name: task.tier_share for name, task in settings.tasks.items()},
        plans={name: plan.tier_share for name, plan in settings.plans.items() if plan.tier_share},
        usd_per_day={name: plan.usd_per_day for name, plan in settings.plans.items() if plan.usd_per_day},
    )
    limits = (caps.each_task, *caps.tasks.values(), caps.plans, caps.usd_per_day)
    return caps if any(limits) else None


def check_strategies(file: str, settings: Settings, lines: Lines) -> None:
    """Raise `ConfigError` for what only the disk can tell is wrong: a classifier or scores that cannot be read."""
    try:
        build_table(settings)
    except ValueError as exc:
        path, said = "routing.difficulty.classifier.file", str(exc)
        raise ConfigError(file, ((lines.of(tuple(path.split("."))), path, said),)) from exc
    except BadInput as exc:
        path, said = "routing.prior.file", exc.message
        raise ConfigError(file, ((lines.of(tuple(path.split("."))), path, said),)) from exc


def _strategies(settings: Settings) -> Iterator[Strategy]:
    routing = settings.routing
    made: Mapping[str, Strategy] = {
        "plan": PlanTiers(tiers={name: plan.tiers for name, plan in settings.plans.items() if plan.tiers}),
        "volume": Volume(an_hour=routing.volume_per_hour),
        "difficulty": ByDifficulty(),
        "quality": QualityBar(),
        "session": SameDoor(),
        "task": TaskRow(),
        "budget": BudgetLeft(spare=Decimal(str(routing.spare_budget)), usd_per_day=dict(settings.limits.usd_per_day)),
        "latency": LatencyAim(),
        "load": Load(),
        "objective": Aim(usual=routing.objective),
    }
    for name in routing.strategies:
        yield made[name]
        if name == "objective" and any(tier.objective for tier in settings.tiers.values()):
            yield TierAim()


def _signals(shape: Difficulty) -> Iterator[Signal]:
    if words := build_keywords(shape):
        yield words
    if shape.length:
        yield Length(tokens=_thresholds(shape.length))
    if shape.context:
        yield Context(tokens={part: _thresholds(limits) for part, limits in shape.context.items()})
    if shape.classifier is not None:
        yield _scored(shape.classifier)
    if shape.grade is not None:
        yield Graded()


def _scored(shape: Classifier) -> Scored:
    """
    By which threshold the classifier routes: the operator's number or levels, else the one that was proven.

    With one threshold there are two kinds of doors, and level 5 means the strong one; so does an abstention then, since
    the proof takes prompts of an unknown kind to go there.
    """
    scorer, wanted = _scorer(shape.file), shape.threshold
    if wanted is None and "levels" not in shape.model_fields_set and stands(scorer.claim):
        wanted = "calibrated"
    if wanted is None:
        own = "levels" in shape.model_fields_set
        return Scored(scorer=scorer, scores=_thresholds(shape.levels), abstains=shape.abstains, written=own)
    claim = scorer.claim if wanted == "calibrated" else None
    if wanted == "calibrated" and claim is None:
        raise ValueError("holds no calibrated threshold; `localfleet routing calibrate DATA` proves one")
    abstains = shape.abstains if "abstains" in shape.model_fields_set else HARDEST
    least = float(wanted) if claim is None else claim.threshold
    levels = shape.levels if "levels" in shape.model_fields_set else {}
    return Scored(scorer=scorer, scores=_thresholds({**levels, HARDEST: least}), abstains=abstains, claim=claim)


def threshold_of(table: Table | None) -> Scored | None:
    """The classifier's signal in a table, where it has one."""
    return next((one for one in (() if table is None else table.signals) if isinstance(one, Scored)), None)


def _scorer(file: str) -> Scorer:
    try:
        with open(file, "rb") as handle:  # noqa: PTH123  # the operator's path, as written
            raw = handle.read()
    except OSError as exc:
        raise ValueError(f"cannot be read ({exc.strerror}); `localfleet routing train` writes one") from exc
    try:
        return load(raw)
    except ValueError as exc:
        raise ValueError(f"cannot be used ({exc}); `localfleet routing train` writes one") from exc


def _thresholds(limits: Mapping[int, float]) -> Thresholds:
    return Thresholds(tuple(sorted(limits.items())))


def _row(task: Task) -> Row:
    return Row(
        quality=BARS[task.quality] if isinstance(task.quality, str) else task.quality,
        latency_ms=task.latency_ms,
        objective=task.objective,
        volume=task.volume,
        level=task.level,
        escalates=task.escalate,
        doors=task.doors,
    )


def _traits(settings: Settings, priors: Priors | None) -> dict[str, Trait]:
    tiers = dict.fromkeys((*settings.local, *settings.adapters), "local")
    tiers |= {name: model.tier for name, model in settings.hosted.items()}
    models: Mapping[str, LocalModel | HostedModel] = {**settings.local, **settings.adapters, **settings.hosted}
    found = {}
    for name, model in models.items():
        tier = settings.tiers.get(tiers[name])
        level = model.level or (tier.level if tier is not None else None)
        quality = model.quality if model.quality is not None else (tier.quality if tier is not None else None)
        found[name] = Trait(
            level=level or 5,
            quality=_by_task(quality),
            latency_ms=None if tier is None else tier.latency_ms,
            objective=None if tier is None else tier.objective,
            priors={} if priors is None else priors.known.get(name, {}),
        )
    return found


def _by_task(quality: Quality | None) -> dict[str, float]:
    if quality is None:
        return {}
    if isinstance(quality, float | int):
        return {"": float(quality)}
    return {("" if task == OTHER else task): share for task, share in quality.items()}


def _words(words: tuple[str, ...]) -> Finder:
    """Whole words or phrases, any case; a phrase counts across any white space."""
    spelled = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
    return matcher_of(rf"(?i)(?:^|[^\pL\pN_])(?:{spelled})(?:$|[^\pL\pN_])")
