"""
The law: which doors are legal for one request. The only place that builds a `HostedRoute` (law 3).

Every rule below shuts doors; none opens one that another has shut. What is left is ordered by `core.routing`, which may
drop doors and never adds one. The result is fixed before dispatch (law 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from localfleet.core.ask import Ask
from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.core.fleet import Fleet, Model, Readiness
from localfleet.core.label import RESTRICTED, Label, Verdict
from localfleet.core.reason import Reason
from localfleet.core.redaction.proof import Redacted
from localfleet.core.route import Decision, Door, HostedRoute, LocalRoute, Route
from localfleet.core.routing.ladder import stands_open
from localfleet.core.routing.order import Preference, order
from localfleet.core.routing.overflow import outgrown, with_larger
from localfleet.core.routing.price import expected_usd, worst_usd

__all__ = ["AUTO", "LOCAL", "Policy", "decide", "resolve"]

DOWN = Readiness.DOWN
NEXT_IN_LINE, VOLUME_STAYS_LOCAL = Reason.NEXT_IN_LINE, Reason.VOLUME_STAYS_LOCAL
CONTEXT_TOO_LONG = Reason.CONTEXT_TOO_LONG
_NOBODY_DEMANDS = (NO_DEMAND, NO_DEMAND)
_SAID_ALREADY = frozenset({VOLUME_STAYS_LOCAL, Reason.BEYOND_LOCAL})
"""Reasons that say more than that another door was too small."""
AUTO = "auto"
LOCAL = "local"
ANY_MODEL = frozenset({AUTO, LOCAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator decided: names, preference, how many doors a request may try, how often each."""

    preference: Preference = field(default_factory=Preference)
    aliases: Mapping[str, str] = field(default_factory=dict)
    fallbacks_per_request: int = 2
    retries_per_door: int = 1
    refusals_go_on: bool = False
    """Whether a request that a provider's safety refused is tried at the next door."""
    providers: Mapping[Label, Demand] = field(default_factory=dict)
    """What is demanded of providers for text of a label; what is demanded for a lower label counts as well."""


def resolve(wanted: str, policy: Policy, fleet: Fleet) -> str | None:
    """`auto`, `local`, or a model's name; `None` for a name nobody knows."""
    name = policy.aliases.get(wanted, wanted)
    known = name in ANY_MODEL or any(model.name == name for model in fleet.models)
    return name if known else None


def decide(ask: Ask, verdict: Verdict, fleet: Fleet, policy: Policy, redacted: Redacted | None = None) -> Decision:
    """
    The ordered list of doors this request may try, with the reason.

    `ask.model` must be resolvable (see `resolve`). Pure: the same arguments give the same decision. `redacted` is the
    proof that the text with its private values replaced is less than restricted: hosted doors then open by its label,
    and for it alone. Raises `ValueError` where it was made for another verdict.
    """
    if redacted is not None and redacted.was is not verdict:
        raise ValueError("a proof of redaction holds for the verdict that it was made for")
    label = verdict.label if redacted is None else redacted.label
    wanted = policy.aliases.get(ask.model, ask.model)
    row = policy.preference.tasks.get(ask.task or "", ())
    legal: list[Model] = []
    closed: list[tuple[Model, Reason]] = []
    for model in fleet.models:
        if _wanted(model, wanted, row, ask.task):
            why = _shut(ask, label, model, fleet, policy)
            if why is None:
                legal.append(model)
            else:
                closed.append((model, why))
    shut = [_door(ask, model, why, legal=False) for model, why in closed]
    ranked, reason = _rank(ask, label, legal, fleet, policy)
    if redacted is not None and ranked and not ranked[0].local:
        reason = Reason.REDACTED
    elif label < RESTRICTED and wanted == AUTO and reason not in _SAID_ALREADY:
        crowded = [model for model, why in closed if why is CONTEXT_TOO_LONG]
        reason = CONTEXT_TOO_LONG if legal and outgrown(ask, legal, crowded, fleet, policy.preference) else reason
    tried, beyond = with_larger(
        ask, ranked[: 1 + policy.fallbacks_per_request], ranked[1 + policy.fallbacks_per_request :]
    )
    doors = [_door(ask, model, NEXT_IN_LINE if i else reason, legal=True) for i, model in enumerate(tried)]
    doors += [_door(ask, model, Reason.FALLBACK_LIMIT, legal=False) for model in beyond]
    if len(ranked) < len(legal):
        doors += [_door(ask, model, Reason.NOT_IN_TASK, legal=False) for model in legal if model not in ranked]
    overflows = reason is not VOLUME_STAYS_LOCAL or policy.preference.batch_overflows
    routes: list[Route] = []
    for i, model in enumerate(tried):
        patience_s = _patience_s(tried[i + 1 :], fleet, policy, overflows=overflows) if model.local else inf
        to = _route(ask, label, model, patience_s, redacted=redacted is not None)
        routes += [to] * (1 + policy.retries_per_door)
    return Decision(
        label=verdict.label, reason=reason, routes=tuple(routes), doors=(*doors, *shut), overflows=overflows
    )


def _wanted(model: Model, wanted: str, row: tuple[str, ...], task: str | None) -> bool:
    if model.specialised and model.name not in {wanted, *row} and task not in model.domains:
        return False
    return wanted in {AUTO, model.name} or (wanted == LOCAL and model.local)


def _shut(ask: Ask, label: Label, model: Model, fleet: Fleet, policy: Policy) -> Reason | None:
    """Why this door is shut; the law comes first, so that `explain` names it first."""
    return (
        _by_law(ask, label, model, policy)
        or _by_ability(ask, model)
        or _by_state(model, fleet)
        or (None if model.local else _by_money(ask, model, fleet))
    )


def _by_law(ask: Ask, label: Label, model: Model, policy: Policy) -> Reason | None:
    # accepts can be at most INTERNAL (law 6), so RESTRICTED passes no hosted door.
    if model.accepts is not None and (label > model.accepts or label >= RESTRICTED):
        return Reason.PRIVACY_FORBIDS
    if not model.local and not _provider_may(ask, label, model, policy):
        return Reason.PROVIDER_POLICY_FORBIDS
    if ask.caller.models is not None and model.name not in ask.caller.models:
        return Reason.NOT_PERMITTED
    return None


def _provider_may(ask: Ask, label: Label, model: Model, policy: Policy) -> bool:
    """Every demand counts: the operator's for this label and the lower ones, the plan's, the request's own."""
    asked = (ask.caller.providers, ask.providers)
    if not policy.providers and asked == _NOBODY_DEMANDS:
        return True
    demands = (*(policy.providers[low] for low in policy.providers if low <= label), *asked)
    return all(demand is NO_DEMAND or demand.met_by(model.data) for demand in demands)


def _by_ability(ask: Ask, model: Model) -> Reason | None:
    if ask.api not in model.apis:
        return Reason.CANNOT_SERVE_API
    if not ask.needs <= model.can:
        return Reason.LACKS_CAPABILITY
    if ask.longest_tokens + _own_tokens(model) >= model.context_tokens:
        return CONTEXT_TOO_LONG
    return None


def _own_tokens(model: Model) -> int:
    return 0 if model.form is None else model.form.input_tokens


def _by_state(model: Model, fleet: Fleet) -> Reason | None:
    if not model.local and not fleet.ledger_open:
        return Reason.LEDGER_CLOSED
    if fleet.state(model.name).readiness is DOWN:
        return Reason.ENGINE_DOWN
    return None


def _by_money(ask: Ask, model: Model, fleet: Fleet) -> Reason | None:
    if model.tier in fleet.full_tiers:
        return Reason.TIER_SHARE
    tier_left = fleet.usd_left_by_tier.get(model.tier)
    limits = [left for left in (fleet.usd_left_for_key, tier_left) if left is not None]
    if not limits and ask.max_cost_usd is None:
        return None
    worst = worst_usd(ask, model)
    if worst is None:
        return Reason.PRICE_UNKNOWN
    if ask.max_cost_usd is not None and worst > ask.max_cost_usd:
        return Reason.OVER_MAX_COST
    return Reason.OVER_BUDGET if limits and worst > min(limits) else None


def _rank(ask: Ask, label: Label, legal: list[Model], fleet: Fleet, policy: Policy) -> tuple[list[Model], Reason]:
    if not legal:
        return [], Reason.NO_LEGAL_DOOR
    ranked, reason = order(ask, legal, fleet, policy.preference)
    if label >= RESTRICTED:
        return ranked, Reason.RESTRICTED_STAYS_LOCAL
    if policy.aliases.get(ask.model, ask.model) == AUTO:
        return ranked, reason
    return ranked, Reason.PINNED_LOCAL if legal[0].local else Reason.PINNED_HOSTED


def _patience_s(later: list[Model], fleet: Fleet, policy: Policy, *, overflows: bool) -> float:
    """How long to stand in a line, given the doors behind it: for ever where none of them stands open."""
    patience_s = policy.preference.patience_s
    open_ = (stands_open(model, fleet, patience_s=patience_s) for model in later if overflows or model.local)
    return patience_s if any(open_) else inf


def _route(ask: Ask, label: Label, model: Model, patience_s: float, *, redacted: bool) -> Route:
    if model.local:
        return LocalRoute(model=model.name, patience_s=patience_s)
    return HostedRoute(model=model.name, label=label, worst_usd=worst_usd(ask, model), redacted=redacted)


def _door(ask: Ask, model: Model, why: Reason, *, legal: bool) -> Door:
    return Door(model=model.name, tier=model.tier, legal=legal, why=why, cost_usd=expected_usd(ask, model))
