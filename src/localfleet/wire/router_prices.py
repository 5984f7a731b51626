"""The file that `cost export-router` writes -> the bids that routing looks at. Bytes in, values out."""

from math import isfinite
from typing import Any

import orjson

from localfleet.core.routing.bid import Bid

__all__ = ["FORMAT", "read_router_prices"]

FORMAT = "localfleet-router-prices-1"
LARGEST = 2**20


def read_router_prices(data: bytes) -> Bid:
    """The bid in a file; `ValueError` names what is wrong with it."""
    try:
        read: Any = orjson.loads(data) if len(data) <= LARGEST else None
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        raise ValueError("is no file of `localfleet cost export-router`; write one with -o FILE")
    model = read.get("model")
    if not isinstance(model, str) or not model:
        raise ValueError("names no `model`; write the file anew")
    return Bid(
        model=model,
        seconds_per_request=_number(read, "seconds_per_request"),
        usd_per_replica_s_highest=_number(read, "usd_per_replica_s_highest"),
        wait_budget_s=_number(read, "wait_budget_s"),
    )


def _number(read: dict[str, Any], field: str) -> float:
    value = read.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        msg = f"`{field}` must be a number from 0 up; write the file anew"
        raise ValueError(msg)
    return float(value)
