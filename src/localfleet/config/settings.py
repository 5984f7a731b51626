"""The whole of `models.yaml`, and its smaller sections: tasks, routing, limits, plans."""

from typing import Literal

from pydantic import Field

from localfleet.config.audit import Audit
from localfleet.config.cascade import Cascade
from localfleet.config.data_policy import ProviderDemand
from localfleet.config.hardware import Hardware
from localfleet.config.hosted import HostedModel
from localfleet.config.local import LocalModel
from localfleet.config.pipelines import Pipeline
from localfleet.config.privacy import LayerName, Layers, Privacy
from localfleet.config.shape import LabelWord, ModelRef, Name, Shape, Usd
from localfleet.core.label import Label

__all__ = ["Limits", "Plan", "Routing", "Settings", "Task"]


class Task(Shape):
    """One row of the routing table."""

    first: str
    fallback: tuple[str, ...] = ()
    label: LabelWord | None = None
    """Raises every request of this task to at least this label."""
    layers: tuple[LayerName, ...] = ()
    """Layers that read requests of this task beside those that read anyway: whoever names a task takes none away."""
    cascade: Cascade | None = None
    """Answers are judged, and where one is not good enough the next door of this row answers."""


class Routing(Shape):
    """Preference among legal doors; the law is not negotiable here."""

    prefer: Literal["hosted", "local"] = "hosted"
    """Where unrestricted `auto` requests go first: the cheapest hosted model that can, or the box."""
    retries_per_door: int = Field(default=1, ge=0, le=5)
    retry_share: float = Field(default=0.1, ge=0, le=1)
    """Of the requests of the last 10 s, how many may be tried again at the door that failed; 10 in any case."""
    patience_ms: int = Field(default=1000, ge=0)
    """A local line that takes longer counts as busy, where another door stands open."""
    batch_overflows: bool = False
    """Whether batch work leaves a busy box for a hosted model."""
    batch_turn_s: float = Field(default=60, ge=0)
    """A batch request that has waited so long in a line counts as live."""


class Limits(Shape):
    """Hard limits."""

    fallbacks_per_request: int = Field(default=2, ge=0, le=20)
    usd_per_day: dict[Name, Usd] = Field(default_factory=dict)
    """Hosted tier -> most to spend a UTC day."""
    body_mib: int = Field(default=32, ge=1, le=512)
    in_flight: int = Field(default=1024, ge=1)


class Plan(Shape):
    """What callers of a plan may do."""

    models: frozenset[str] | None = None
    usd_per_month: Usd | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
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
    tasks: dict[Name, Task] = Field(default_factory=dict)
    pipelines: dict[Name, Pipeline] = Field(default_factory=dict)
    """Virtual models, asked for as `pipeline/<name>`."""
    routing: Routing = Routing()
    limits: Limits = Limits()
    plans: dict[Name, Plan] = Field(default_factory=dict)
    audit: Audit = Audit()

    @property
    def adapters(self) -> dict[str, LocalModel]:
        """Every LoRA adapter by the name that clients use, with the entry it belongs to."""
        return {adapter: model for model in self.local.values() for adapter in model.lora}

    @property
    def names(self) -> frozenset[str]:
        """Every model name: local ones, their adapters, hosted ones."""
        return frozenset(self.local) | frozenset(self.adapters) | frozenset(self.hosted)

    @property
    def default_label(self) -> Label:
        """`privacy.default` as a label."""
        return Label.read(self.privacy.default)
