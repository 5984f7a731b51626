"""A trace's demand by hour of the week, each class apart: what came in an hour, shared out as it came."""

import numpy as np

from localfleet.core.cost.shadow import HOURS_PER_WEEK, demand_by_hour
from localfleet.core.cost.traffic import Floats, Requests

__all__ = ["demand_by_class", "work_by_hour"]


def demand_by_class(trace: Requests, *, first_hour_of_week: float) -> tuple[dict[str, Floats], int]:
    """
    Mean requests of each class in each of the 168 hours, and how many of these the trace has seen.

    Together they are what `demand_by_hour` says of all; in an hour without requests each class has its usual share.
    """
    everything, seen = demand_by_hour(trace, first_hour_of_week=first_hour_of_week)
    slots = np.floor(trace.at_s / 3600 + first_hour_of_week).astype(np.int64) % HOURS_PER_WEEK
    total = np.bincount(slots, minlength=HOURS_PER_WEEK)
    found = {}
    for place, each in enumerate(trace.classes):
        mine = trace.kind == place
        came = np.bincount(slots[mine], minlength=HOURS_PER_WEEK)
        usual = np.full(HOURS_PER_WEEK, mine.mean())
        found[each.name] = everything * np.divide(came, total, out=usual, where=total > 0)
    return found, seen


def work_by_hour(demand: dict[str, Floats], seconds: dict[str, float]) -> Floats:
    """Replica-seconds in each hour of these classes; `seconds` are of one request."""
    total: Floats = np.zeros(HOURS_PER_WEEK)
    for name, hours in demand.items():
        total = total + hours * seconds[name]
    return total
