"""
Requests one by one, as columns: what a replay runs over, and what a mean request hides.

Time is seconds from any zero, forwards. Cached tokens are parts of the input. No money here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "Flags",
    "Floats",
    "Ints",
    "Late",
    "Requests",
    "TraceFacts",
    "TrafficClass",
    "merge",
    "requests",
    "trace_facts",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Late(StrEnum):
    """What becomes of a request that would wait longer than its class allows."""

    SPILL = "spill"
    """Goes to a hosted model."""
    QUEUE = "queue"
    """Waits all the same."""
    SHED = "shed"
    """Is refused (503); nobody serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClass:
    """
    Requests that share a rule. `wait_budget_s` is how long one may wait for its first token.

    `restricted` work never leaves the box: it queues or is shed, and no setting makes it spill.
    """

    name: str
    wait_budget_s: float = 2.0
    late: Late = Late.SPILL
    restricted: bool = False

    def __post_init__(self) -> None:
        """Refuse a budget that is no time, and restricted work with a door to the street."""
        if not (0 <= self.wait_budget_s < float("inf")):
            msg = f"wait_budget_s of {self.name} must be a number of seconds from 0 up"
            raise ValueError(msg)
        if self.restricted and self.late is Late.SPILL:
            msg = f"late of {self.name} must be queue or shed: restricted work never spills to a hosted model"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """
    A trace in columns of equal length, in the order of time. Build it with `requests`, which checks it.

    `kind` is each request's place in `classes`. Tokens are per request.
    """

    at_s: Floats
    input_tokens: Floats
    output_tokens: Floats
    cache_read_tokens: Floats
    cache_write_tokens: Floats
    kind: Ints
    classes: tuple[TrafficClass, ...]

    def __len__(self) -> int:
        """How many."""
        return len(self.at_s)

    @property
    def span_s(self) -> float:
        """From the first request to the last."""
        return float(self.at_s[-1] - self.at_s[0])

    def where(self, chosen: Flags) -> "Requests":
        """Only these requests."""
        if not chosen.any():
            raise ValueError("requests: none is left; there is no traffic to look at")
        return Requests(
            at_s=self.at_s[chosen],
            input_tokens=self.input_tokens[chosen],
            output_tokens=self.output_tokens[chosen],
            cache_read_tokens=self.cache_read_tokens[chosen],
            cache_write_tokens=self.cache_write_tokens[chosen],
            kind=self.kind[chosen],
            classes=self.classes,
        )

    def of(self, name: str) -> Flags:
        """Which requests belong to the class of this name."""
        places = [place for place, each in enumerate(self.classes) if each.name == name]
        return np.isin(self.kind, places)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacts:
    """
    A trace in numbers. `peak_to_mean` maps a window in seconds to its busiest count against the mean.

    `interarrival_cv` is the standard deviation of the gaps over their mean: 1 for a Poisson stream, more for bursts.
    """

    requests: int
    span_s: float
    requests_per_s: float
    input_mean: float
    input_p50: float
    input_p99: float
    output_mean: float
    output_p50: float
    output_p99: float
    peak_to_mean: tuple[tuple[float, float], ...]
    interarrival_cv: float


ANYONE = TrafficClass(name="all")


def requests(
    *,
    at_s: Sequence[float] | Floats,
    input_tokens: Sequence[float] | Floats,
    output_tokens: Sequence[float] | Floats,
    cache_read_tokens: Sequence[float] | Floats | None = None,
    cache_write_tokens: Sequence[float] | Floats | None = None,
    kind: Sequence[int] | Ints | None = None,
    classes: Sequence[TrafficClass] = (ANYONE,),
) -> Requests:
    """
    Columns into a checked trace; the first request is moved to second 0.

    Raises `ValueError` naming the field and the row (counted from 1) for an empty trace, unequal lengths, a number
    that is negative or not finite, cached parts larger than their input, and a clock that goes backwards.
    """
    at = np.asarray(at_s, dtype=np.float64)
    if at.size == 0:
        raise ValueError("at_s: the trace is empty; there is no traffic to look at")
    _finite("at_s", at, len(at))
    if (back := np.flatnonzero(np.diff(at) < 0)).size:
        msg = f"at_s: the clock goes backwards at row {back[0] + 2}; sort the trace by time"
        raise ValueError(msg)
    columns = {
        name: np.zeros(len(at)) if given is None else np.asarray(given, dtype=np.float64)
        for name, given in (
            ("input_tokens", input_tokens),
            ("output_tokens", output_tokens),
            ("cache_read_tokens", cache_read_tokens),
            ("cache_write_tokens", cache_write_tokens),
        )
    }
    for name, column in columns.items():
        _finite(name, column, len(at))
        _none(name, column < 0, "is negative")
    cached = columns["cache_read_tokens"] + columns["cache_write_tokens"]
    _none("cache_read_tokens + cache_write_tokens", cached > columns["input_tokens"] * (1 + 1e-12), "exceeds its input")
    kinds = np.zeros(len(at), dtype=np.int64) if kind is None else np.asarray(kind, dtype=np.int64)
    if len(kinds) != len(at):
        raise ValueError("kind: must have one entry for each request")
    _none("kind", (kinds < 0) | (kinds >= len(classes)), "names no class")
    return Requests(at_s=at - at[0], kind=kinds, classes=tuple(classes), **columns)


def merge(*traces: Requests, until_s: float | None = None) -> Requests:
    """
    Several traces as one stream on the same box; each begins at second 0, all end at `until_s` where given.

    Classes stay apart, each trace's own.
    """
    if not traces:
        raise ValueError("traces: none was given; there is no traffic to look at")
    shift = 0
    kinds: list[Ints] = []
    classes: list[TrafficClass] = []
    for each in traces:
        kinds.append(each.kind + shift)
        classes.extend(each.classes)
        shift += len(each.classes)
    at = np.concatenate([each.at_s for each in traces])
    order = np.argsort(at, kind="stable")
    if until_s is not None:
        order = order[at[order] <= until_s]

    def column(name: str) -> Floats:
        joined: Floats = np.concatenate([getattr(each, name) for each in traces])[order]
        return joined

    return requests(
        at_s=at[order],
        input_tokens=column("input_tokens"),
        output_tokens=column("output_tokens"),
        cache_read_tokens=column("cache_read_tokens"),
        cache_write_tokens=column("cache_write_tokens"),
        kind=np.concatenate(kinds)[order],
        classes=classes,
    )


def trace_facts(trace: Requests, *, windows_s: Sequence[float] = (60.0, 10.0, 1.0)) -> TraceFacts:
    """Count, span, lengths and burstiness. Windows stand side by side from the first request on."""
    span = trace.span_s
    if span <= 0:
        raise ValueError("at_s: all requests carry the same time; a rate needs a span")
    gaps = np.diff(trace.at_s)
    into, out = trace.input_tokens, trace.output_tokens
    return TraceFacts(
        requests=len(trace),
        span_s=span,
        requests_per_s=len(trace) / span,
        input_mean=float(into.mean()),
        input_p50=float(np.percentile(into, 50)),
        input_p99=float(np.percentile(into, 99)),
        output_mean=float(out.mean()),
        output_p50=float(np.percentile(out, 50)),
        output_p99=float(np.percentile(out, 99)),
        peak_to_mean=tuple((window, _peak(trace.at_s, window, span)) for window in windows_s),
        interarrival_cv=float(gaps.std() / gaps.mean()),
    )


def _peak(at_s: Floats, window_s: float, span_s: float) -> float:
    counts = np.bincount((at_s / window_s).astype(np.int64))
    return float(counts.max()) / (len(at_s) * window_s / span_s)


def _finite(name: str, column: Floats, length: int) -> None:
    if column.shape != (length,):
        msg = f"{name}: must have one number for each of the {length} requests"
        raise ValueError(msg)
    _none(name, ~np.isfinite(column), "is not a finite number")


def _none(name: str, wrong: Flags, what: str) -> None:
    if (rows := np.flatnonzero(wrong)).size:
        msg = f"{name}: row {rows[0] + 1} {what}"
        raise ValueError(msg)
