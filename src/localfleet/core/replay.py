"""
A changed routing table over requests that happened: what would go where, at what cost, how well (S81).

The real policy decides each recorded request anew, with every engine ready and no budget in the way. What a request
needed beyond its facts (tools, a longer context) is known by the doors that were shut to it: they stay shut. Quality is
what was observed of the same model at the same task; where nothing was, it is anything from 0 to 1, and the interval
says so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import sqrt

from localfleet.core.ask import Api, Ask, Caller, Priority
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide, resolve
from localfleet.core.pricing import usd_for_mean
from localfleet.core.reason import Reason

__all__ = ["Choice", "Estimate", "Past", "Seen", "Totals", "chosen", "estimated", "observed", "totalled"]

READY = EngineState(readiness=Readiness.READY)
STAYS_SHUT = frozenset(
    {Reason.LACKS_CAPABILITY, Reason.CANNOT_SERVE_API, Reason.CONTEXT_TOO_LONG, Reason.NOT_PERMITTED}
)
"""What shut a door for reasons of the request itself, which another table does not change."""
Z = 1.959964
"""Of the normal distribution: 95 %."""
HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One recorded request. `quality` from 0 to 1, where somebody or a judge said something; `usd` of all its calls."""

    at: float
    api: Api
    wanted: str
    label: Label
    task: str | None
    plan: str | None
    model: str | None
    tier: str | None
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    quality: float | None
    shut: Mapping[str, Reason] = field(default_factory=dict)
    arm: str | None = None
    """The experiment and the side that it was on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a table sends one request first, and what that costs; `None`: nowhere, or at an unknown price."""

    model: str | None
    tier: str | None
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Qualities observed of one model at one task."""

    count: int
    mean: float

    def interval(self) -> tuple[float, float]:
        """Wilson's score interval at 95 %, the mean taken as a share: for scores in between it is too wide."""
        n, p = self.count, self.mean
        middle, half = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        scale = 1 + Z**2 / n
        return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Expected quality with its 95 % interval, and the share of requests of which nothing is known."""

    mean: float | None
    low: float
    high: float
    unknown_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a table makes of all requests. `busiest` are requests of the busiest hour, by model."""

    requests: int
    by_model: Mapping[str, int]
    by_tier: Mapping[str, int]
    usd: Decimal
    usd_unknown: int
    busiest: Mapping[str, int]
    usd_by_tier_and_day: Mapping[tuple[str, int], Decimal]
    quality: Estimate


Cell = tuple[str | None, str | None]
"""A task and a model."""


def chosen(past: Past, models: Sequence[Model], policy: Policy, caller: Caller) -> Choice | None:
    """What the policy makes of a recorded request; `None` where its name means nothing to this table."""
    open_ = tuple(model for model in models if past.shut.get(model.name) not in STAYS_SHUT)
    fleet = Fleet(models=open_, states={model.name: READY for model in open_})
    if resolve(past.wanted, policy, fleet) is None:
        return None
    ask = Ask(
        request_id="replay",
        api=past.api,
        model=past.wanted,
        caller=caller,
        spans=(),
        task=past.task,
        input_tokens=past.input_tokens,
        input_bytes=past.input_tokens,
        max_output_tokens=past.output_tokens or None,
        priority=Priority.LIVE,
    )
    decision = decide(ask, Verdict(label=past.label), fleet, policy)
    if not decision.routes:
        return Choice(model=None, tier=None, usd=Decimal(0))
    model = next(one for one in open_ if one.name == decision.routes[0].model)
    return Choice(model=model.name, tier=model.tier, usd=_usd(past, model))


def _usd(past: Past, model: Model) -> Decimal | None:
    if model.local:
        return Decimal(0)
    if model.price is None:
        return None
    return usd_for_mean(model.price, input_tokens=past.input_tokens, output_tokens=past.output_tokens)


def observed(pasts: Iterable[Past]) -> dict[Cell, Seen]:
    """What is known of each model at each task."""
    found: defaultdict[Cell, list[float]] = defaultdict(list)
    for past in pasts:
        if past.quality is not None and past.model is not None:
            found[past.task, past.model].append(past.quality)
    return {cell: Seen(count=len(said), mean=sum(said) / len(said)) for cell, said in found.items()}


def totalled(pasts: Sequence[Past], choices: Sequence[Choice], seen: Mapping[Cell, Seen]) -> Totals:
    """Add up; `choices` are those of `pasts`, in their order."""
    by_model, by_tier = Counter[str](), Counter[str]()
    hours: defaultdict[str, Counter[int]] = defaultdict(Counter)
    days: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
    usd, unknown = Decimal(0), 0
    for past, choice in zip(pasts, choices, strict=True):
        name, tier = choice.model or "none", choice.tier or "none"
        by_model[name] += 1
        by_tier[tier] += 1
        hours[name][int(past.at // HOUR_S)] += 1
        if choice.usd is None:
            unknown += 1
        else:
            usd += choice.usd
            days[tier, int(past.at // (24 * HOUR_S))] += choice.usd
    cells = Counter((past.task, choice.model) for past, choice in zip(pasts, choices, strict=True))
    return Totals(
        requests=len(pasts),
        by_model=dict(by_model.most_common()),
        by_tier=dict(by_tier.most_common()),
        usd=usd,
        usd_unknown=unknown,
        busiest={name: max(counts.values()) for name, counts in hours.items()},
        usd_by_tier_and_day=dict(days),
        quality=estimated(cells, seen),
    )


def estimated(cells: Mapping[Cell, int], seen: Mapping[Cell, Seen]) -> Estimate:
    """
    The mean over all requests of what is known of their cells.

    The interval adds the cells' own squared half-widths (MOVER, Zou and Donner 2008); a cell that nobody said anything
    about counts from 0 to 1, and not at all in the mean.
    """
    total = sum(cells.values())
    if not total:
        return Estimate(mean=None, low=0.0, high=1.0, unknown_share=1.0)
    known = {cell: count / total for cell, count in cells.items() if cell in seen}
    share = sum(known.values())
    mean = sum(weight * seen[cell].mean for cell, weight in known.items())
    down = up = 0.0
    for cell, weight in known.items():
        low, high = seen[cell].interval()
        down += (weight * (seen[cell].mean - low)) ** 2
        up += (weight * (high - seen[cell].mean)) ** 2
    return Estimate(
        mean=mean / share if share else None,
        low=max(mean - sqrt(down), 0.0),
        high=min(mean + sqrt(up) + (1 - share), 1.0),
        unknown_share=1 - share,
    )
