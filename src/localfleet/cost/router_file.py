"""
The file of `cost export-router`: what a second of the box is worth, each figure with its basis in its name.

`docs/guides/calibrate.md` tells the fields. What the router reads of it is in `wire/router_prices.py`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from localfleet.core.cost.shadow import HOURS_PER_WEEK, Movable, ShadowPrices
from localfleet.core.pricing import Price
from localfleet.price_map import price_warning
from localfleet.wire.router_prices import FORMAT

__all__ = ["Exported", "Listed", "doubts", "router_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A hosted model with its list price."""

    model: str
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exported:
    """What is written, and what to say about it. Times are Unix seconds of the traffic's first and last request."""

    movable: tuple[Movable, ...]
    prices: ShadowPrices
    seconds_per_request: float
    hours_seen: int
    unpriced: tuple[str, ...]
    usd_per_replica_s_marginal: float
    since_s: float
    until_s: float
    cheapest: Mapping[str, Listed] = field(default_factory=dict)
    """By class: the hosted model that it is held against."""


def router_file(
    found: Exported, name: str, *, wait_budget_s: float, made: date, valid_days: int, calibration: str
) -> Mapping[str, Any]:
    """The file as plain values, sealed with the SHA-256 of all else in it."""
    values = [each.usd_per_replica_s_value for each in found.movable]
    shadow = [float(each) for each in found.prices.usd_per_replica_s_shadow]
    body = {
        "format": FORMAT,
        "made": made.isoformat(),
        "valid_until": (made + timedelta(days=valid_days)).isoformat(),
        "model": name,
        "calibration": calibration,
        "traffic": {"since": _moment(found.since_s), "until": _moment(found.until_s)},
        "replicas": found.prices.replicas,
        "wait_budget_s": wait_budget_s,
        "seconds_per_request": found.seconds_per_request,
        "usd_per_request_marginal": found.usd_per_replica_s_marginal * found.seconds_per_request,
        "usd_per_replica_s_marginal": found.usd_per_replica_s_marginal,
        "usd_per_replica_s_highest": max([0.0, *values]),
        "classes": {each.name: _class(each, found.cheapest[each.name]) for each in found.movable},
        "first_hour": "Monday 0:00 UTC",
        "hours_seen": found.hours_seen,
        "usd_per_replica_s_shadow": shadow,
        "usd_per_request_marginal_and_shadow": [
            found.seconds_per_request * (found.usd_per_replica_s_marginal + each) for each in shadow
        ],
        "hours_too_short_for_what_must_stay": list(found.prices.short),
    }
    return {**body, "sha256": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


def doubts(found: Exported, today: date) -> list[str]:
    """What is old or missing about the inputs, a sentence each."""
    priced = {listed.model: price_warning(listed.price, today) for listed in found.cheapest.values()}
    told = [f"the price of {model} is {warning}" for model, warning in priced.items() if warning]
    if found.hours_seen < HOURS_PER_WEEK:
        told.append(f"{HOURS_PER_WEEK - found.hours_seen} hours of the week were not seen and are taken for the mean")
    return told


def _class(each: Movable, listed: Listed) -> dict[str, Any]:
    since = listed.price.since
    return {
        "usd_per_replica_s_value": each.usd_per_replica_s_value,
        "seconds_per_request": each.seconds,
        "usd_per_request_hosted": each.usd_hosted,
        "usd_per_request_marginal": each.usd_marginal,
        "hosted_model": listed.model,
        "hosted_price_since": None if since is None else since.isoformat(),
        "hosted_price_source": listed.price.source or listed.price.version,
    }


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
