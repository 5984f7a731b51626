"""The file that `cost export-router` writes -> the bids that routing looks at. Bytes in, values out."""

from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Any

import orjson

from localfleet.core.routing.bid import HOURS_PER_WEEK, Bid

__all__ = ["FORMAT", "read_router_prices"]

FORMAT = "localfleet-router-prices-2"
LARGEST = 2**20
DAY_S = 86_400


def read_router_prices(data: bytes, *, today: date) -> Bid:
    """The bid in a file, with the end of its last day; `ValueError` names what is wrong with it."""
    try:
        read: Any = orjson.loads(data) if len(data) <= LARGEST else None
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        raise ValueError("is no file of `localfleet cost export-router` of this release; write one with -o FILE")
    model = read.get("model")
    if not isinstance(model, str) or not model:
        raise ValueError("names no `model`; write the file anew")
    until = _checked(read, today)
    return Bid(
        model=model,
        seconds_per_request=_number(read, "seconds_per_request"),
        usd_per_replica_s_highest=_number(read, "usd_per_replica_s_highest"),
        wait_budget_s=_number(read, "wait_budget_s"),
        usd_per_replica_s_by_hour=_hours(read),
        until_s=datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp() + DAY_S,
    )


def _hours(read: dict[str, Any]) -> tuple[float, ...]:
    listed = read.get("usd_per_replica_s_shadow")
    if not isinstance(listed, list) or len(listed) != HOURS_PER_WEEK:
        raise ValueError("`usd_per_replica_s_shadow` must have 168 numbers, one an hour; write the file anew")
    return tuple(_number({"usd_per_replica_s_shadow": each}, "usd_per_replica_s_shadow") for each in listed)


def _checked(read: dict[str, Any], today: date) -> date:
    """The last day on which it holds."""
    made, until = (_date(read, field) for field in ("made", "valid_until"))
    if made > today + timedelta(days=1):
        msg = f"was `made` on {made.isoformat()}, which is to come: look at the clocks, or write it anew"
        raise ValueError(msg)
    return until


def _date(read: dict[str, Any], field: str) -> date:
    try:
        return date.fromisoformat(read.get(field, ""))
    except (TypeError, ValueError):
        msg = f"`{field}` must be a date such as 2026-11-26; write the file anew"
        raise ValueError(msg) from None


def _number(read: dict[str, Any], field: str) -> float:
    value = read.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        msg = f"`{field}` must be a number from 0 up; write the file anew"
        raise ValueError(msg)
    return float(value)
