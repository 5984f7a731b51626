"""Doors, routes and the decision: the ordered list of doors one request may try, fixed before dispatch."""

from dataclasses import dataclass
from decimal import Decimal
from math import inf

from localfleet.core.label import RESTRICTED, Label
from localfleet.core.reason import Reason
from localfleet.core.value import value

__all__ = ["Decision", "Door", "HostedRoute", "LocalRoute", "Route"]


@value
class LocalRoute:
    """A way to a model on this box."""

    model: str
    patience_s: float = inf
    """How long to stand in its line: not for ever where a later door of the list stands open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedRoute:
    """
    A way out of the box. Only `core/policy.py` builds one (law 3; `tests/test_house.py` holds it).

    Refuses to exist for restricted text, whoever asks.
    """

    model: str
    label: Label
    worst_usd: Decimal | None
    """What this door can cost at most; `None` where the price is unknown and nothing limits it."""
    redacted: bool = False
    """The text may only go there with its private values replaced; `label` is that of the replaced text."""

    def __post_init__(self) -> None:
        """Law 1 and 6, once more, at the last possible place."""
        if self.label >= RESTRICTED:
            msg = "restricted text has no hosted route"
            raise ValueError(msg)


Route = LocalRoute | HostedRoute


@value
class Door:
    """One model as considered for one request: open or shut, and why; what it would cost, where known."""

    model: str
    tier: str
    legal: bool
    why: Reason
    cost_usd: Decimal | None


@value
class Decision:
    """
    The answer of `core.policy.decide`.

    `routes` are walked in order and never extended (law 4); a door worth a retry stands there twice in a row.
    `doors` are all doors considered, open ones first in the order of `routes`. `reason` says why the first is first,
    or, with no route, why there is none. `overflows` says whether a local line that is too long may send the request to
    a hosted door of the list; a failure may in any case.
    """

    label: Label
    reason: Reason
    routes: tuple[Route, ...]
    doors: tuple[Door, ...]
    overflows: bool = True
