"""Who can serve and how they are: a snapshot that someone else took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from localfleet.core.ask import Api, Need
from localfleet.core.data_policy import NOTHING_KNOWN, DataPolicy
from localfleet.core.form import Form
from localfleet.core.label import Label
from localfleet.core.pricing import Price
from localfleet.core.routing.moment import Moment
from localfleet.core.value import value

__all__ = ["EngineState", "Fleet", "Model", "Readiness"]


class Readiness(StrEnum):
    """
    How far an engine is from answering. Work goes at once to `ready` and `degraded`; `down` will not come without help.

    `loading` and `warming` come by themselves; `asleep` comes when somebody asks; `stalled` does not get on and is
    about to be started again; `draining` finishes what it has. A hosted engine is `ready` unless its breaker is open
    (`loading`: it half-opens soon) or it has no key (`down`).
    """

    DOWN = "down"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    DEGRADED = "degraded"
    STALLED = "stalled"
    ASLEEP = "asleep"
    DRAINING = "draining"

    @property
    def takes_work(self) -> bool:
        """Whether a request sent now is worked on now."""
        return self in TAKES_WORK


TAKES_WORK = frozenset({Readiness.READY, Readiness.DEGRADED})
OPEN = TAKES_WORK | {Readiness.ASLEEP}


@value
class EngineState:
    """How one engine is right now."""

    readiness: Readiness
    in_flight: int = 0
    """Requests that the engine works on for us."""
    waiting: int = 0
    """Requests that wait here for their turn at it."""
    wait_s: float = 0.0
    """Seconds until one that joins them now has its turn, as learned; 0 while there is room."""
    oldest_wait_s: float = 0.0
    """How long the first of them has waited."""
    ready_in_s: float | None = None
    """Seconds until it takes work, as learned from earlier starts or wakes; `None` where nobody knows."""
    why: str = ""
    """A fixed sentence for people (`/readyz`, `doctor`), never text from an engine."""


NOT_STARTED = EngineState(readiness=Readiness.DOWN, why="not started")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of `models.yaml`, ready for a decision. `accepts` is `None` exactly for local models."""

    name: str
    tier: str
    accepts: Label | None
    context_tokens: int
    apis: frozenset[Api]
    can: frozenset[Need] = frozenset()
    max_output_tokens: int | None = None
    price: Price | None = None
    """Hosted list price; `None` is *unknown*, never zero. Local models have none: their marginal price is zero here."""
    queue_limit: int | None = None
    """Requests in flight beyond which a local model counts as busy."""
    host: str = ""
    """Who gets the text: host, and port where one is named; empty for an engine that is a process of ours."""
    data: DataPolicy = NOTHING_KNOWN
    """What its provider does with text; means nothing for local models."""
    form: Form | None = None
    """What this model needs said around system prompts, and how its answers are made alike."""
    specialised: bool = False
    """Made for one kind of work (a fine-tune, an adapter): `auto` and `local` do not mean it; name or row does."""
    domains: frozenset[str] = frozenset()
    """Tasks that it is for, whatever their rows say."""

    local: bool = field(init=False, repr=False, compare=False)
    """True for a model that runs on this box (or on an endpoint the operator declared local)."""

    def __post_init__(self) -> None:
        """Note once what is asked two dozen times for each request."""
        object.__setattr__(self, "local", self.accepts is None)


@value
class Fleet:
    """All models with their states, the ledger's health and the money left: everything a decision may look at."""

    models: tuple[Model, ...]
    states: Mapping[str, EngineState] = field(default_factory=dict)
    ledger_open: bool = True
    usd_left_for_key: Decimal | None = None
    """Budget left for this caller after reservations; `None` means no budget was set."""
    usd_left_by_tier: Mapping[str, Decimal] = field(default_factory=dict)
    full_tiers: frozenset[str] = frozenset()
    """Hosted tiers that have had their share of requests like this one."""
    moment: Moment | None = None
    """What routing strategies look at beside; `None` where the file declares none."""

    @property
    def has_open_door(self) -> bool:
        """
        Whether a request that comes now would be answered; hosted models need the ledger.

        A sleeper is an open door: a box whose models all sleep must get the request that wakes one.
        """
        return any(
            self.state(model.name).readiness in OPEN and (model.local or self.ledger_open) for model in self.models
        )

    def state(self, name: str) -> EngineState:
        """The state of a model; one never reported is down."""
        return self.states.get(name, NOT_STARTED)
