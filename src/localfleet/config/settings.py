"""The whole of `models.yaml`, and its smaller sections: tasks, routing, limits, plans."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from localfleet.config.audit import Audit
from localfleet.config.batches import Batches
from localfleet.config.cascade import Cascade
from localfleet.config.data_policy import ProviderDemand
from localfleet.config.experiments import Experiment
from localfleet.config.hardware import Hardware
from localfleet.config.hosted import HostedModel
from localfleet.config.local import LocalModel
from localfleet.config.people import People
from localfleet.config.pipelines import Pipeline
from localfleet.config.privacy import LayerName, Layers, Privacy
from localfleet.config.routing import Level, Routing, Share, Tier
from localfleet.config.search import Search
from localfleet.config.shape import LabelWord, ModelRef, Name, Shape, Usd
from localfleet.config.traces import Traces
from localfleet.core.label import Label
from localfleet.core.routing.asked import Objective
from localfleet.core.routing.kinds import KINDS

__all__ = ["Limits", "Percentiles", "Plan", "Settings", "Task", "TaskAims"]


class Percentiles(Shape):
    """Milliseconds that the middle request, and 95 of a hundred, should not go over."""

    p50: int | None = Field(default=None, ge=1)
    p95: int | None = Field(default=None, ge=1)


class TaskAims(Shape):
    """What `report --by task` holds a task's times against; they order no doors."""

    ttft_ms: Percentiles | None = None
    """Until the first byte."""
    total_ms: Percentiles | None = None
    """Until the last byte."""


class Task(Shape):
    """One row of the routing table."""

    first: str | None = None
    """Without one, every door is considered, in the order that the strategies give."""
    fallback: tuple[str, ...] = ()
    label: LabelWord | None = None
    """Raises every request of this task to at least this label."""
    layers: tuple[LayerName, ...] = ()
    """Layers that read requests of this task beside those that read anyway: whoever names a task takes none away."""
    why: str | None = None
    """For people: why the row is as it is."""
    words: tuple[str, ...] = ()
    """Whole words or phrases in the last user turn that make a request this task, with `routing.infer_task`."""
    kind: str | None = None
    """A kind of the taxonomy; a request that looks like it is this task, with `routing.infer_task`."""
    level: Level | None = None
    """How hard its requests are at least, 1 to 5."""
    quality: Share | Literal["critical", "normal", "tolerant"] | None = None
    """The share of answers that must be right, 0 to 1; the words stand for 0.97, 0.92 and 0.85."""
    latency_ms: int | None = Field(default=None, ge=1)
    """The first byte is wanted within so many milliseconds."""
    aims: TaskAims | None = None
    """Times that `report --by task` says are met or missed."""
    objective: Objective | None = None
    """Of doors that are all good enough: the cheapest, the fastest or the best; default: `routing.objective`."""
    volume: bool = False
    """Work in volume: this box first, and it waits there as batch work does."""
    tier_share: dict[Name, Share] = Field(default_factory=dict)
    """Hosted tier -> the most share of its requests within a day, 0 to 1; goes before `limits.tier_share`."""
    escalate: bool = True
    """Whether difficulty may move its requests to stronger doors than its row says."""
    person: bool = False
    """Whether its requests wait for a person where no door answers."""
    cascade: Cascade | None = None
    """Answers are judged, and where one is not good enough the next door of this row answers."""

    @property
    def doors(self) -> tuple[str, ...]:
        """The doors of the row, in order."""
        return self.fallback if self.first is None else (self.first, *self.fallback)

    @field_validator("kind")
    @classmethod
    def _of_the_taxonomy(cls, value: str | None) -> str | None:
        if value is not None and value not in KINDS:
            msg = f"is one of {', '.join(KINDS)}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fallback_of_something(self) -> "Task":
        if self.first is None and self.fallback:
            msg = "`fallback:` follows `first:`; say which model comes first"
            raise ValueError(msg)
        return self


class Limits(Shape):
    """Hard limits."""

    fallbacks_per_request: int = Field(default=2, ge=0, le=20)
    usd_per_day: dict[Name, Usd] = Field(default_factory=dict)
    """Hosted tier -> most to spend a UTC day."""
    tier_share: dict[Name, Share] = Field(default_factory=dict)
    """Hosted tier -> the most share of the requests of each task within a day, 0 to 1."""
    escalation_alarm: Share = 0.4
    quality_drift: Share = 0.05
    """The share of a task's latest requests that escalate from which on an alarm rings."""
    body_mib: int = Field(default=32, ge=1, le=512)
    in_flight: int = Field(default=1024, ge=1)


class Plan(Shape):
    """What callers of a plan may do."""

    tiers: tuple[Name, ...] = ()
    """Tiers that its requests go to first, in order, `local` among them; the strategy `plan` reads it."""
    models: frozenset[str] | None = None
    usd_per_month: Usd | None = None
    usd_per_day: dict[Name, Usd] = Field(default_factory=dict)
    """Hosted tier -> most that all its keys together spend a UTC day."""
    tier_share: dict[Name, Share] = Field(default_factory=dict)
    """Hosted tier -> the most share of its requests within a day, 0 to 1."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Input and output tokens that each of its keys may use a minute, as counted when answers are there."""
    providers: ProviderDemand | None = None
    """What is demanded of providers for requests of this plan, beyond `privacy.providers`."""
    layers: Layers | None = None
    """Which layers read requests of this plan, in place of `privacy.layers`."""
    weight: float = Field(default=1, gt=0, le=1000)
    """The share of a busy local model, beside keys of other plans."""


class Settings(Shape):
    """The whole of `models.yaml`."""

    version: Literal[1]
    hardware: Hardware = Hardware()
    local: dict[Name, LocalModel] = Field(default_factory=dict)
    hosted: dict[Name, HostedModel] = Field(default_factory=dict)
    aliases: dict[ModelRef, str] = Field(default_factory=dict)
    """Other names clients may use, each for a model or for `auto` or `local`."""
    privacy: Privacy = Privacy()
    tiers: dict[Name, Tier] = Field(default_factory=dict)
    """What models of a tier are good for, `local` among them."""
    tasks: dict[Name, Task] = Field(default_factory=dict)
    experiments: dict[Name, Experiment] = Field(default_factory=dict)
    """Shares of a task's requests by another row of the table."""
    pipelines: dict[Name, Pipeline] = Field(default_factory=dict)
    """Virtual models, asked for as `pipeline/<name>`."""
    search: dict[Name, Search] = Field(default_factory=dict)
    """Search endpoints that stages of pipelines ask."""
    routing: Routing = Routing()
    limits: Limits = Limits()
    plans: dict[Name, Plan] = Field(default_factory=dict)
    people: People = People()
    audit: Audit = Audit()
    traces: Traces | None = None
    """Without it no spans are made."""
    batches: Batches | None = None
    """Without it there are no files and no batches."""

    @property
    def adapters(self) -> dict[str, LocalModel]:
        """Every LoRA adapter by the name that clients use, with the entry it belongs to."""
        return {adapter: model for model in self.local.values() for adapter in model.lora}

    @property
    def names(self) -> frozenset[str]:
        """Every model name: local ones, their adapters, hosted ones."""
        return frozenset(self.local) | frozenset(self.adapters) | frozenset(self.hosted)

    @property
    def hosted_tiers(self) -> frozenset[str]:
        """Every tier that money is spent in: of hosted models, of search endpoints."""
        return frozenset(one.tier for one in self.hosted.values()) | {one.tier for one in self.search.values()}

    @property
    def default_label(self) -> Label:
        """`privacy.default` as a label."""
        return Label.read(self.privacy.default)
