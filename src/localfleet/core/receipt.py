"""What happened to one request, without its words. Written on success, failure and disconnect alike."""

from decimal import Decimal

from localfleet.core.ask import Api
from localfleet.core.label import Finding, Label
from localfleet.core.reason import Reason
from localfleet.core.route import Door
from localfleet.core.routing.parts import Parts
from localfleet.core.usage import Usage
from localfleet.core.value import value

__all__ = ["Attempt", "Intent", "Part", "Receipt"]


@value
class Intent:
    """Law 7: this is on disk before the first byte leaves to a hosted door. One per hosted attempt."""

    request_id: str
    attempt: int
    at: float
    """Unix time, seconds."""
    key_id: str
    model: str
    tier: str
    label: Label
    findings: tuple[Finding, ...]
    because: tuple[str, ...]
    worst_usd: Decimal | None
    host: str = ""
    """Who gets the text, as configured at that moment: host, and port where one is named."""


@value
class Attempt:
    """One door tried: how it ended, and how long it took."""

    model: str
    tier: str
    reason: Reason
    status: int | None
    duration_ms: float
    host: str = ""
    """Who got the text; empty for an engine that is a process of ours."""


@value
class Part:
    """
    One call of an action that takes several: a draft, a judge, a stage. It has a receipt of its own, `request_id`.

    `verdict` is what was said of its answer, in a word of this code base; `score` from 0 to 1 where there is one.
    """

    request_id: str
    role: str
    model: str | None
    tier: str | None
    label: Label
    reason: Reason
    outcome: Reason
    cost_usd: Decimal | None
    verdict: str = ""
    score: float | None = None
    aspect: str = "quality"
    """What `score` is of: `quality`, or what a judge looked at."""


@value
class Receipt:
    """
    The record of one request. Every string comes from the configuration or from this code base.

    `task` is a task declared in `models.yaml`, or `None`; `session` a keyed hash, in hex. `outcome` says how it ended,
    `reason` why the answering door was chosen. Times are milliseconds; `first_byte_ms` and `total_ms` count from
    arrival.
    """

    request_id: str
    at: float
    api: Api
    key_id: str
    plan: str | None
    task: str | None
    session: str | None
    label: Label
    findings: tuple[Finding, ...]
    because: tuple[str, ...]
    wanted: str
    """The model asked for, if it is a name of the configuration; else `unknown`."""
    model: str | None
    tier: str | None
    reason: Reason
    outcome: Reason
    status: int
    stream: bool
    doors: tuple[Door, ...]
    attempts: tuple[Attempt, ...]
    usage: Usage | None
    cost_usd: Decimal | None
    """
    Marginal money spent on hosted doors; 0 for local ones; `None` where the price is unknown, or the answer of a hosted
    door was not waited for.
    """
    price_version: str | None
    queue_ms: float
    first_byte_ms: float | None
    total_ms: float
    reserved_usd: Decimal | None = None
    """What hosted doors that were asked and not heard (timed out, caller left) may cost at most, beside `cost_usd`."""
    action: str | None = None
    """
    Of a part: the request id of the action that it belongs to, whose own receipt lists it among its `parts`. Of a
    shadow: that of the request which it is the shadow of.
    """
    role: str | None = None
    """Of a part: `draft`, `sample`, `judge`, `shadow`, or `stage:` and its name. `shadow` too of a shadow itself."""
    caller_action: str | None = None
    """The piece of work that the caller counts it to: a keyed hash of the caller's name for it, in hex."""
    arm: str | None = None
    """Where an experiment had a say: its name and which side, such as `newer:trial`."""
    parts: tuple[Part, ...] = ()
    """Of an action that took several calls: each of them. Its own `cost_usd` is then zero; the parts hold the money."""
    classify_ms: float | None = None
    """What it took to label it; `None` where it was not labelled by itself."""
    route_ms: float | None = None
    """What it took to order its doors, with what strategies waited for; `None` likewise."""
    level: int | None = None
    """How hard the request was taken to be, 1 to 5; `None` where no strategy asks."""
    context: Parts | None = None
    """Its tokens by part; `None` where no strategy asks."""
