"""
How many boxes: as few as keep every class's promise in a replay, then the spare ones.

Sizing is on peak work, never on the mean. Without a trace there is only the busiest window: `replicas_for_peak`. The
formulas of queueing theory at the end are a cross-check for steady streams; a real one bursts more than they know.
"""

from dataclasses import dataclass
from math import ceil

from localfleet.core.cost.replay import ClassReplay, ReplayResult, replay
from localfleet.core.cost.traffic import Floats, Late, Requests

__all__ = ["FleetSize", "erlang_c", "kimura_wait_s", "replicas_for_peak", "size_fleet"]

MOST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSize:
    """
    `needed` replicas keep the promise, `spare` stand by for a failure (1 is N+1). `seen` is the replay with `needed`.

    `kept` is false where not even `replicas` at the search's end kept it; `because` says which class asks for the most.
    """

    needed: int
    spare: int
    seen: ReplayResult
    because: str
    kept: bool = True

    @property
    def replicas(self) -> int:
        """What to pay for."""
        return self.needed + self.spare


def size_fleet(
    trace: Requests, seconds: Floats, *, gone_share: float = 0.01, spare: int = 0, most: int = MOST
) -> FleetSize:
    """
    The least replicas with which each class keeps its promise.

    Classes that spill or are shed: at most `gone_share` of their requests. Classes that queue, so all restricted work
    that is not shed: the 99th percentile of the wait is within the budget.
    """
    if not 0 <= gone_share < 1:
        raise ValueError("gone_share: must be from 0 to below 1")
    if spare < 0:
        raise ValueError("spare: must be at least 0")
    low, high = 0, 1
    seen = replay(trace, seconds, replicas=high)
    while _broken(trace, seen, gone_share) and high < most:
        low, high = high, min(2 * high, most)
        seen = replay(trace, seconds, replicas=high)
    if _broken(trace, seen, gone_share):
        return FleetSize(needed=high, spare=spare, seen=seen, because=_broken(trace, seen, gone_share), kept=False)
    while high - low > 1:
        middle = (low + high) // 2
        tried = replay(trace, seconds, replicas=middle)
        if _broken(trace, tried, gone_share):
            low = middle
        else:
            high, seen = middle, tried
    fewer = _broken(trace, replay(trace, seconds, replicas=low), gone_share) if low else "one is enough"
    return FleetSize(needed=high, spare=spare, seen=seen, because=fewer)


def replicas_for_peak(*, requests_per_s_peak: float, seconds_per_request: float, busy_limit: float = 0.85) -> int:
    """Replicas for the busiest window, which should be about as short as a request may wait, not an hour."""
    if not (requests_per_s_peak >= 0 and seconds_per_request > 0 and 0 < busy_limit <= 1):
        raise ValueError("requests_per_s_peak, seconds_per_request, busy_limit: must be positive, the limit at most 1")
    return ceil(requests_per_s_peak * seconds_per_request / busy_limit - 1e-9)


def erlang_c(servers: int, offered: float) -> float:
    """The chance that a request of a Poisson stream has to wait; `offered` is busy servers on average."""
    if servers < 1 or not offered >= 0:
        raise ValueError("servers: must be at least 1, and offered at least 0")
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    busy = offered / servers
    return blocked / (1 - busy + busy * blocked)


def kimura_wait_s(servers: int, *, requests_per_s: float, seconds_per_request: float, ca2: float, cs2: float) -> float:
    """Mean wait with arrivals and work of squared variation `ca2` and `cs2`; without end where the load is too much."""
    offered = requests_per_s * seconds_per_request
    if offered >= servers:
        return float("inf")
    return erlang_c(servers, offered) / (servers / seconds_per_request - requests_per_s) * (ca2 + cs2) / 2


def _broken(trace: Requests, seen: ReplayResult, gone_share: float) -> str:
    """Which promise is not kept; empty where all are."""
    for rule, result in zip(trace.classes, seen.classes, strict=True):
        gone = (result.spilled + result.shed) / result.requests if result.requests else 0.0
        if rule.late is not Late.QUEUE and gone > gone_share:
            return f"{rule.name}: {gone:.2%} would leave with {seen.replicas}, over {gone_share:.2%}"
        if rule.late is Late.QUEUE and result.wait_p99_s > rule.wait_budget_s:
            return _waits(result, rule.wait_budget_s, seen.replicas)
    return ""


def _waits(result: ClassReplay, budget_s: float, replicas: int) -> str:
    return f"{result.name}: 1 of 100 would wait {result.wait_p99_s:.2f} s with {replicas}, over {budget_s:g} s"
