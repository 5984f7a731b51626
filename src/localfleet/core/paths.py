"""
The lint: every way by which text of a label could reach a host, as a proof over the finite configuration.

The real policy is asked about every combination of label, caller, task, name and API, with the ledger open, no budget
in the way, and the engines in every state that matters (`questions.py`). A door that can ever be tried is then found,
since the policy shuts doors one by one and beyond that only drops the last ones of the list.
What it opens is held against rules written here a second time, so that a broken policy is caught and not believed.

Where the file lets restricted text leave redacted, the policy is asked once more for each label that the redacted text
may have: as it is and redacted are two ways, and only the second may lead to the street.

An `Outlet` is one thing that can open a connection. What does not exist yet becomes one more `Outlet` when it comes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import product

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.data_policy import Demand
from localfleet.core.fleet import Model
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy
from localfleet.core.questions import Question, effort, thorough, wide
from localfleet.core.redaction.draft import as_if_redacted
from localfleet.core.redaction.proof import Redacted
from localfleet.core.route import Decision, HostedRoute, Route

__all__ = ["MOST_DOORS", "Cargo", "Decide", "Outlet", "Place", "Proof", "Way", "prove_paths"]

Decide = Callable[..., Decision]
"""`decide` of `core/policy.py`: a request, its verdict, the fleet, the policy, and where there is one the redaction."""
REDACTED = "pseudonyms for private values, read again, at most what it accepts"
MOST_DOORS = 300_000
"""Looked at in about a second, which a start can wait."""


class Place(StrEnum):
    """Where a host stands, as far as the configuration says."""

    BOX = "box"
    VOUCHED = "vouched"
    """Beyond this machine, and the operator's word is that it is theirs."""
    STREET = "street"


class Cargo(StrEnum):
    """What of a request travels there."""

    TEXT = "text"
    REDACTED = "redacted"
    """Restricted text with pseudonyms for its private values, read again and found to be less than restricted."""
    ADDRESS = "address"
    """An address that a caller wrote: it can hold text."""
    STRUCTURE = "structure"
    """Values of a closed structure that the operator wrote down beforehand: no word of a request."""
    NOTHING = "nothing"
    """Configuration traffic: no part of any request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One thing that can open a connection: to which host, with what, and why it may."""

    kind: str
    """`model`, `adapter`, `search`, `judge`, `stage`, `shadow`, `media`, `hub`, `head`, `exporter` today."""
    name: str
    """Its place in models.yaml."""
    host: str
    place: Place
    cargo: Cargo
    rule: str
    model: str | None = None
    """Its text comes with requests that this model may get; `None`: with requests of every label."""
    apis: Mapping[str, str] = field(default_factory=dict)
    """API -> how it is spoken there: `native`, `translated`, `litellm`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Text of `label` can reach the outlet's host. `asked_as`, `tasks` and `callers` say in which requests."""

    label: Label
    outlet: Outlet
    asked_as: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()
    forbidden: str = ""
    """Why this may not be; empty where it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Every way there is, what travels without any text, and how many decisions were asked for."""

    ways: tuple[Way, ...]
    without_text: tuple[Outlet, ...]
    decisions: int
    thorough: bool = True
    """False for a file so large that only the wide questions were asked (`core/questions.py`)."""

    @property
    def forbidden(self) -> tuple[Way, ...]:
        """The ways that may not be."""
        return tuple(way for way in self.ways if way.forbidden)


@dataclass(slots=True)
class _Seen:
    """Which requests of one label got a route to one model."""

    asked_as: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    callers: set[str] = field(default_factory=set)
    breaches: set[str] = field(default_factory=set)

    def note(self, ask: Ask) -> None:
        """One more request that got there."""
        self.asked_as.add(ask.model)
        self.tasks.add(ask.task or "")
        self.callers.add(ask.caller.name)


Reached = dict[tuple[Label, str, bool], _Seen]
"""By label of the request, model, and whether it got the redacted form."""
FORMS: tuple[tuple[Label, Redacted | None], ...] = (
    *((label, None) for label in Label),
    *((Label.RESTRICTED, as_if_redacted(label)) for label in Label if label < Label.RESTRICTED),
)
"""The label of a request, and what its redaction may come out as."""


def prove_paths(
    models: tuple[Model, ...],
    policy: Policy,
    callers: tuple[Caller, ...],
    outlets: Iterable[Outlet],
    decide: Decide,
    *,
    redactable: frozenset[Api] = frozenset(),
    most_doors: int = MOST_DOORS,
) -> Proof:
    """
    Ask `decide` about everything, and join its answers with what each engine can connect to.

    `callers` hold one that may use all models, which stands for every key, and one for each plan. Beyond `most_doors`
    to look at, the questions are the wide ones. Requests of `redactable` APIs may leave redacted.
    """
    # A context that nobody knows is no reason to believe that a door stays shut.
    models = tuple(replace(model, context_tokens=max(1, model.context_tokens)) for model in models)
    full = effort(models, policy, callers) <= most_doors
    questions = (thorough if full else wide)(models, policy, callers)
    reached, count = _answers(questions, models, policy, decide, redactable)
    known = tuple(outlets)
    told = {outlet.model for outlet in known}
    lost = tuple(_nowhere(name) for name in sorted({name for _, name, _ in reached} - told))
    carrying = [outlet for outlet in (*known, *lost) if outlet.cargo is not Cargo.NOTHING]
    ways = tuple(way for outlet in carrying for label in Label for way in _ways(label, outlet, reached))
    without = tuple(outlet for outlet in known if outlet.cargo is Cargo.NOTHING)
    return Proof(ways=ways, without_text=without, decisions=count, thorough=full)


def _answers(
    questions: Iterable[Question], models: tuple[Model, ...], policy: Policy, decide: Decide, redactable: frozenset[Api]
) -> tuple[Reached, int]:
    """Who was reached under which label, and how many decisions it took to know."""
    names = {model.name: model for model in models}
    reached: Reached = {}
    count = 0
    for (ask, fleet), (label, redacted) in product(questions, FORMS):
        if redacted is not None and ask.api not in redactable:
            continue
        count += 1
        verdict, more = (Verdict(label=label), ()) if redacted is None else (redacted.was, (redacted,))
        for route in {(one.model, _changes(one)) for one in decide(ask, verdict, fleet, policy, *more).routes}:
            name, changed = route
            seen = reached.setdefault((label, name, changed), _Seen())
            seen.note(ask)
            leaves = redacted.label if redacted is not None and changed else label
            seen.breaches.update(_breaches(ask, leaves, names.get(name), policy))
    return reached, count


def _changes(route: Route) -> bool:
    """Whether what goes there is the redacted form."""
    return isinstance(route, HostedRoute) and route.redacted


def _breaches(ask: Ask, label: Label, model: Model | None, policy: Policy) -> Iterator[str]:
    """The law once more, in other words than the policy's."""
    if model is None:
        yield "a route to a model that is not in the file"
        return
    if ask.caller.models is not None and model.name not in ask.caller.models:
        yield "the plan may not use this model"
    if model.accepts is None:
        return
    if label is Label.RESTRICTED:
        yield "restricted text may go to no hosted model"
    if label > model.accepts:
        yield f"the model accepts {model.accepts.word} at most"
    unmet = sorted({*_demanded(label, ask.caller, policy).unmet(model.data)})
    if unmet:
        yield f"its data policy does not meet what is demanded: {', '.join(unmet)}"


def _demanded(label: Label, caller: Caller, policy: Policy) -> Demand:
    joined = caller.providers
    for low, demand in policy.providers.items():
        joined = joined.tightened(demand) if low <= label else joined
    return joined


def _nowhere(model: str) -> Outlet:
    rule = "nothing is known of where it leads"
    return Outlet(kind="model", name=model, host="?", place=Place.STREET, cargo=Cargo.TEXT, rule=rule, model=model)


def _ways(label: Label, outlet: Outlet, reached: Reached) -> Iterator[Way]:
    """As it is and, where an engine may get that too, redacted."""
    if outlet.model is None:
        yield _way(label, outlet, _Seen())
        return
    if (seen := reached.get((label, outlet.model, False))) is not None:
        yield _way(label, outlet, seen)
    if outlet.cargo is Cargo.TEXT and (seen := reached.get((label, outlet.model, True))) is not None:
        yield _way(label, replace(outlet, cargo=Cargo.REDACTED, rule=f"{outlet.rule}; {REDACTED}"), seen)


def _way(label: Label, outlet: Outlet, seen: _Seen) -> Way:
    way = Way(
        label=label,
        outlet=outlet,
        asked_as=tuple(sorted(seen.asked_as)),
        tasks=tuple(sorted(seen.tasks - {""})),
        callers=tuple(sorted(seen.callers)),
    )
    breaches = sorted(seen.breaches)
    words = outlet.cargo not in {Cargo.STRUCTURE, Cargo.REDACTED}
    if label is Label.RESTRICTED and outlet.place is Place.STREET and words:
        breaches = breaches or ["restricted text may only go to this box, or to a host you vouch for"]
    return replace(way, forbidden="; ".join(breaches))
