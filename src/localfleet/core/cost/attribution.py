"""
Whose time was it? The seconds in which a box works, shared among the requests that it works on at each moment.

Processor sharing: while n requests run, each takes 1/n of the box. Long prompts and long answers run longer and so take
more; where a fitted token work is known, that is the better weight. Requests come in the order of their start, and
leave in the order of their end: a month of them takes the memory of those that run at once.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Run", "Share", "share_time"]

T = TypeVar("T")
NS = 1000


class Run(NamedTuple, Generic[T]):
    """A request on the box from one moment to another, microseconds of one clock."""

    item: T
    start_us: int
    end_us: int


class Share(NamedTuple, Generic[T]):
    """`work_ns` of the box's time were this request's; up to its end the box had been busy for `busy_us` in all."""

    item: T
    work_ns: int
    busy_us: int


def share_time(runs: Iterable[Run[T]]) -> Iterator[Share[T]]:
    """Share the box's time; raises `ValueError` for a run that ends before it starts, or starts before the last one."""
    running: list[tuple[int, int, float, T]] = []
    now, busy, clock = 0, 0, 0.0
    for number, (item, start, end) in enumerate(runs):
        if end < start:
            msg = f"end_us: request {number + 1} ends before it starts"
            raise ValueError(msg)
        while running and running[0][0] <= start:
            stop, _, began, done = heapq.heappop(running)
            clock += (stop - now) / (len(running) + 1)
            busy += stop - now
            now = stop
            yield Share(done, round((clock - began) * NS), busy)
        if number and start < now:
            msg = f"start_us: the clock goes backwards at request {number + 1}; sort by start"
            raise ValueError(msg)
        if running:
            clock += (start - now) / len(running)
            busy += start - now
        now = start
        heapq.heappush(running, (end, number, clock, item))
    while running:
        stop, _, began, done = heapq.heappop(running)
        clock += (stop - now) / (len(running) + 1)
        busy += stop - now
        now = stop
        yield Share(done, round((clock - began) * NS), busy)
