"""`routing:` and `tiers:`, how legal doors are ordered: preference, strategies, what each of them reads."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from localfleet.config.shape import ModelRef, Name, Shape
from localfleet.core.routing.asked import Objective

__all__ = [
    "STANDARD_ORDER",
    "Classifier",
    "Difficulty",
    "Grade",
    "Level",
    "Prior",
    "Quality",
    "Routing",
    "Share",
    "StrategyName",
    "Tier",
]

StrategyName = Literal[
    "plan", "volume", "difficulty", "quality", "session", "task", "budget", "latency", "load", "objective"
]
STANDARD_ORDER: tuple[StrategyName, ...] = (
    "plan", "volume", "difficulty", "quality", "session", "task", "budget", "latency", "load", "objective",
)  # fmt: skip  # one list, strongest first
PartName = Literal["context", "system", "user", "documents", "history", "tools", "tool_results", "output"]
Level = Annotated[int, Field(ge=1, le=5)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Quality = Share | dict[Name, Share]
HARDEST = 5
Tokens = Annotated[int, Field(ge=0)]


def _rising(limits: Mapping[int, float]) -> None:
    figures = [limits[level] for level in sorted(limits)]
    if figures != sorted(figures):
        msg = "a higher level needs a higher figure"
        raise ValueError(msg)


class Classifier(Shape):
    """A file that `localfleet routing train` wrote, and the score from which on each level holds."""

    file: str
    threshold: Literal["calibrated"] | Share | None = None
    """
    The score from which on the level is 5: a number, or the one that `routing calibrate` proved. Where neither it nor
    `levels` is written the proven one counts, if the file holds one.
    """
    levels: dict[Level, Share] = Field(default={3: 0.5, 4: 0.75, 5: 0.9})
    abstains: Level = 4
    """The level of a prompt unlike all that it was trained on: if unsure, route up."""
    deadline_ms: int = Field(default=100, ge=1)
    """What making an embedding may take, where it was trained with some; later than that it abstains."""

    @model_validator(mode="after")
    def _in_order(self) -> "Classifier":
        if self.threshold is not None and "levels" in self.model_fields_set and HARDEST in self.levels:
            msg = "`threshold:` is that of level 5: take 5 out of `levels:`"
            raise ValueError(msg)
        _rising(self.levels)
        return self


class Grade(Shape):
    """A local model that grades each request from 1 to 5 before its doors are fixed."""

    model: ModelRef
    deadline_ms: int = Field(default=1000, ge=1)
    """What takes longer is no opinion; each request waits so long at most."""


class Difficulty(Shape):
    """How hard a request is, 1 to 5: the highest level that any of these says."""

    usual: Level = 2
    """The level of a request of which nothing says more."""
    keywords: dict[Level, tuple[str, ...]] = Field(default_factory=dict)
    """Level -> whole words or phrases in the last user turn, any case."""
    length: dict[Level, Tokens] = Field(default_factory=dict)
    """Level -> tokens of the last user turn from which on it holds."""
    context: dict[PartName, dict[Level, Tokens]] = Field(default_factory=dict)
    """Part of the context -> level -> tokens from which on it holds; `context` is the whole input."""
    classifier: Classifier | None = None
    grade: Grade | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Difficulty":
        for limits in (self.length, *self.context.values()):
            _rising(limits)
        return self


class Tier(Shape):
    """What models of a tier are good for. A model's own `level` and `quality` go before its tier's."""

    role: str | None = None
    """For people: what its money is for."""
    level: Level | None = None
    """The hardest work it is good for; without one, any."""
    quality: Quality | None = None
    """The share of its answers that are right, 0 to 1; or by task, with `other` for any other."""
    latency_ms: int | None = Field(default=None, ge=1)
    """The aim for the first byte, reported as met or missed."""
    objective: Objective | None = None
    """Among its own models: the cheapest, the fastest or the best first."""


class Prior(Shape):
    """A table of benchmark scores: what is taken for a model's quality until callers said enough of its answers."""

    file: str
    """CSV, JSON lines or JSON: model, task (or benchmark), score, source, date; prompts where it is known."""
    weight: float = Field(default=20, gt=0, le=100_000)
    """For how many outcomes of your own a score counts; for no more than the prompts that it is made of."""
    tasks: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    """Benchmark -> the tasks that it speaks of, `other` for any other; a benchmark of a task's name needs no line."""
    models: dict[str, ModelRef] = Field(default_factory=dict)
    """Name in the table -> model of this file; one's own name, and the name it has elsewhere, need no line."""

    @field_validator("tasks", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: (one,) if isinstance(one, str) else one for key, one in value.items()}


class Routing(Shape):
    """Preference among legal doors; the law is not negotiable here."""

    prefer: Literal["hosted", "local"] = "hosted"
    """Where unrestricted `auto` requests go first: the cheapest hosted model that can, or the box."""
    order: Literal["standard"] | tuple[StrategyName, ...] = ()
    """Strategies, the strongest first; `standard`: all of them, in the order of the manual."""
    difficulty: Difficulty | None = None
    prior: Prior | None = None
    objective: Objective = Objective.COST
    """Of doors that are equal to all other strategies: the cheapest, the fastest or the best."""
    marginal_prices: str | None = None
    """A file of `cost export-router`: what a turn at a local model is worth to others, by its line."""
    infer_task: bool = False
    """Whether a request that names no task gets one, by `words` and `kind` of the tasks."""
    session_holds: int = Field(default=3, ge=1, le=100)
    """Easier requests in a row after which the level of a conversation falls by one."""
    keep_features: bool | Literal["restricted"] = False
    """
    Whether features of answered requests (never text) are kept in the state folder, for `routing train --receipts`:
    those of public and internal ones; `restricted`: of all.
    """
    keep_features_mib: int = Field(default=64, ge=1)
    """The most that they may take."""
    volume_per_hour: int | None = Field(default=None, ge=1)
    """Requests of one task within an hour from which on it counts as volume."""
    spare_budget: Share = 0.2
    """The share of a budget that is kept for hard requests."""
    fallback: Literal["order", "chain"] = "order"
    """
    After the first door: as the strategies say, or along the chain of same capability elsewhere, more capable, weaker.
    """
    after_refusal: Literal["tell", "next"] = "tell"
    """Where a provider's safety refuses: tell the caller, or try the next door while nothing has gone out."""
    overhead_ms: float | None = Field(default=None, gt=0)
    """
    The most that classifying and ordering may take of a request (95th percentile of the latest 200). Beyond it an alarm
    rings and the dear signals of difficulty, `classifier` and `grade`, rest; what reads for the law reads on.
    """
    retries_per_door: int = Field(default=1, ge=0, le=5)
    retry_share: float = Field(default=0.1, ge=0, le=1)
    """Of the requests of the last 10 s, how many may be tried again at the door that failed; 10 in any case."""
    patience_ms: int = Field(default=1000, ge=0)
    """A local line that takes longer counts as busy, where another door stands open."""
    batch_overflows: bool = False
    """Whether batch work leaves a busy box for a hosted model."""
    batch_turn_s: float = Field(default=60, ge=0)
    """A batch request that has waited so long in a line counts as live."""

    @model_validator(mode="after")
    def _each_once(self) -> "Routing":
        if len(set(self.strategies)) != len(self.strategies):
            msg = "`order:` names a strategy twice"
            raise ValueError(msg)
        if self.difficulty is not None and "difficulty" not in self.strategies:
            msg = "`difficulty:` has no say: add `difficulty` to `order:`, or write `order: standard`"
            raise ValueError(msg)
        if self.marginal_prices is not None and "objective" not in self.strategies:
            msg = "`marginal_prices:` has no say: add `objective` to `order:`, or write `order: standard`"
            raise ValueError(msg)
        if self.prior is not None and not {"quality", "objective"} & set(self.strategies):
            msg = "`prior:` has no say: add `quality` to `order:`, or write `order: standard`"
            raise ValueError(msg)
        return self

    @property
    def strategies(self) -> tuple[StrategyName, ...]:
        """The order, spelled out."""
        return STANDARD_ORDER if self.order == "standard" else self.order
