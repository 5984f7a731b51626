"""
What a steady stream of the same mean would need: the answer of textbooks and calculators, to hold a replay against.

Poisson arrivals, exponential work, Erlang's formula. Real traffic bursts more than it knows: the gap is the point.
"""

from math import exp

__all__ = ["erlang_c", "steady_replicas"]

MOST = 10_000


def erlang_c(servers: int, offered: float) -> float:
    """The chance that a request has to wait; `offered` is the servers that are busy on average."""
    if servers < 1 or not offered >= 0:
        raise ValueError("servers: must be at least 1, and offered at least 0")
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    busy = offered / servers
    return blocked / (1 - busy + busy * blocked)


def steady_replicas(
    *, requests_per_s: float, seconds_per_request: float, wait_s: float, late_share: float
) -> int | None:
    """The least replicas of which at most `late_share` of the requests wait over `wait_s`; `None` beyond 10,000."""
    if not (requests_per_s >= 0 and seconds_per_request > 0 and wait_s >= 0 and 0 <= late_share <= 1):
        raise ValueError("requests_per_s, seconds_per_request, wait_s, late_share: must be from 0 up, the share to 1")
    offered = requests_per_s * seconds_per_request
    for servers in range(max(1, int(offered)), MOST + 1):
        drain = servers / seconds_per_request - requests_per_s
        if drain > 0 and erlang_c(servers, offered) * exp(-drain * wait_s) <= late_share:
            return servers
    return None
