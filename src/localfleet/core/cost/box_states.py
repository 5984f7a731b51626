"""
When the box was loading models, when all of them slept, from the changes that the router saw: nobody states it.

The box is awake while any model takes work, waking while none does and one loads, asleep while all that are left sleep.
While requests run, it is busy, whatever else happens. Before the first change, and while every model is down, nothing
is known or nobody could ask: that time is idle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from localfleet.core.fleet import Readiness

__all__ = ["Change", "Quiet", "Span", "Unused", "box_spans", "wakes"]

US = 1_000_000


class Quiet(StrEnum):
    """Why the box does no work though it is there."""

    WAKING = "waking"
    ASLEEP = "asleep"


class Change(NamedTuple):
    """A model's new state at a time (Unix seconds)."""

    at: float
    model: str
    state: Readiness


class Span(NamedTuple):
    """From one moment to another, microseconds since 1970."""

    quiet: Quiet
    start_us: int
    end_us: int


def box_spans(changes: Iterable[Change], *, since_s: float, until_s: float) -> list[Span]:
    """Where the box was waking or asleep, cut to the period; `changes` in any order. Spans are disjoint and sorted."""
    begin, end = round(since_s * US), round(until_s * US)
    states: dict[str, Readiness] = {}
    spans: list[Span] = []
    quiet, started = None, begin
    for at, model, state in sorted(changes, key=lambda change: change.at):
        moment = min(max(round(at * US), begin), end)
        states[model] = state
        now = _quiet(states.values())
        if now is not quiet:
            if quiet is not None and moment > started:
                spans.append(Span(quiet, started, moment))
            quiet, started = now, moment
    if quiet is not None and end > started:
        spans.append(Span(quiet, started, end))
    return spans


def wakes(spans: Sequence[Span]) -> list[float]:
    """Seconds of each waking."""
    return [(span.end_us - span.start_us) / US for span in spans if span.quiet is Quiet.WAKING]


def _quiet(states: Iterable[Readiness]) -> Quiet | None:
    found = set(states)
    if any(state.takes_work or state in {Readiness.STALLED, Readiness.DRAINING} for state in found):
        return None
    if found & {Readiness.LOADING, Readiness.WARMING}:
        return Quiet.WAKING
    return Quiet.ASLEEP if Readiness.ASLEEP in found else None


@dataclass(slots=True)
class Unused:
    """What is left of the spans beside the runs that pass, which come by their start: no microsecond counts twice."""

    spans: Sequence[Span]
    waking_us: int = 0
    asleep_us: int = 0
    _next: int = 0
    _done_us: int = 0
    """Up to here all spans are counted or were busy."""

    def watch(self, start_us: int, end_us: int) -> None:
        """The box was busy from one moment to another."""
        self._count(start_us)
        self._done_us = max(self._done_us, end_us)

    def finish(self) -> None:
        """Nothing more runs."""
        self._count(None)

    def _count(self, until_us: int | None) -> None:
        """Count spans between what is done and `until_us`; to the end for `None`."""
        while self._next < len(self.spans):
            quiet, start, end = self.spans[self._next]
            stop = end if until_us is None else min(end, until_us)
            begin = max(start, self._done_us)
            if stop > begin:
                self._add(quiet, stop - begin)
                self._done_us = stop
            if until_us is not None and end > max(until_us, self._done_us):
                return
            self._next += 1

    def _add(self, quiet: Quiet, us: int) -> None:
        if quiet is Quiet.WAKING:
            self.waking_us += us
        else:
            self.asleep_us += us
