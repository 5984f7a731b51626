"""
A trace played against a number of replicas: what waits, what spills, what the mean utilisation hides.

A fluid queue: the work that waits drains at the speed of all replicas together. A request that would wait longer than
its class allows spills, queues or is shed. It is a surrogate for an engine that batches; hold it against a measured
burst before it decides about money.
"""

from dataclasses import dataclass

import numpy as np

from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.traffic import Flags, Floats, Late, Requests, TrafficClass

__all__ = ["ClassReplay", "ReplayResult", "replay", "work_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReplay:
    """
    One class of a replay. Waits are of the requests the box took, in seconds before they start; 0 where it took none.

    `over_budget` counts those it took that waited longer than their budget (`queue` only).
    """

    name: str
    restricted: bool
    requests: int
    served: int
    spilled: int
    shed: int
    over_budget: int
    wait_mean_s: float
    wait_p50_s: float
    wait_p99_s: float
    wait_max_s: float

    @property
    def spill_share(self) -> float:
        """Of its requests, 0 to 1."""
        return self.spilled / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayResult:
    """
    What happened. `offered_share` is the work that came over what the replicas can do in the span; above 1 it cannot
    be done. `utilisation_share` is the part that they took. `left`, `spilled` and `wait_s` have one entry a request:
    `left` marks those that spilled or were shed, `spilled` the former, `wait_s` is what each found before it.
    """

    replicas: int
    span_s: float
    offered_share: float
    utilisation_share: float
    classes: tuple[ClassReplay, ...]
    left: Flags
    spilled: Flags
    wait_s: Floats

    @property
    def requests(self) -> int:
        """All that came."""
        return len(self.left)

    @property
    def spill_share(self) -> float:
        """Of all requests, 0 to 1."""
        return sum(each.spilled for each in self.classes) / self.requests

    def of(self, name: str) -> ClassReplay:
        """The class of this name."""
        return next(each for each in self.classes if each.name == name)


def work_s(trace: Requests, work: TokenWork, *, prefix_hit_share: float | None = None) -> Floats:
    """
    Seconds of one replica for each request: (a uncached input + b0 output + k output mean context) / 1,000,000.

    The input that the provider's cache would have held is taken to hit the box's prefix cache too, unless
    `prefix_hit_share` (0 to 1, of the input) says what the box's own cache does.
    """
    if prefix_hit_share is not None and not 0 <= prefix_hit_share <= 1:
        raise ValueError("prefix_hit_share: must be from 0 to 1")
    into, out = trace.input_tokens, trace.output_tokens
    cached = trace.cache_read_tokens if prefix_hit_share is None else into * prefix_hit_share
    context = into + out / 2
    return (float(work.a_us) * (into - cached) + float(work.b0_us) * out + float(work.k_us) * out * context) / 1e6


def replay(trace: Requests, seconds: Floats, *, replicas: int) -> ReplayResult:
    """
    Play `trace` against `replicas`; `seconds` is the work of each request in replica-seconds (`work_s`).

    backlog <- max(0, backlog - gap x replicas); a request finds backlog / replicas seconds before it.
    """
    if replicas < 1:
        raise ValueError("replicas: must be at least 1")
    if seconds.shape != trace.at_s.shape:
        raise ValueError("seconds: must have one entry for each request")
    if not (np.isfinite(seconds).all() and (seconds >= 0).all()):
        raise ValueError("seconds: must be finite and at least 0")
    waits, left = _drain(trace, seconds, replicas)
    capacity_s = trace.span_s * replicas
    taken = float(seconds[~left].sum())
    offered = float(seconds.sum())
    return ReplayResult(
        replicas=replicas,
        span_s=trace.span_s,
        offered_share=offered / capacity_s if capacity_s else float("inf"),
        utilisation_share=min(1.0, taken / capacity_s) if capacity_s else 1.0,
        classes=tuple(_class(place, rule, trace, waits, left) for place, rule in enumerate(trace.classes)),
        left=left,
        spilled=left & np.array([rule.late is Late.SPILL for rule in trace.classes])[trace.kind],
        wait_s=waits,
    )


def _drain(trace: Requests, seconds: Floats, replicas: int) -> tuple[Floats, Flags]:
    """The loop: a plain one, because each step needs the one before."""
    limits = [float("inf") if rule.late is Late.QUEUE else rule.wait_budget_s * replicas for rule in trace.classes]
    limit_of = np.array(limits)[trace.kind].tolist()
    gaps = (np.diff(trace.at_s, prepend=trace.at_s[0]) * replicas).tolist()
    backlog = 0.0
    found: list[float] = []
    note = found.append
    for gap, work, limit in zip(gaps, seconds.tolist(), limit_of, strict=True):
        backlog -= gap
        backlog = max(backlog, 0.0)
        note(backlog)
        if backlog <= limit:
            backlog += work
    waits = np.array(found)
    return waits / replicas, waits > np.array(limits)[trace.kind]


def _class(place: int, rule: TrafficClass, trace: Requests, waits: Floats, left: Flags) -> ClassReplay:
    mine = trace.kind == place
    gone = int(left[mine].sum())
    kept = waits[mine & ~left]
    none = kept.size == 0
    p50, p99 = (0.0, 0.0) if none else np.percentile(kept, (50, 99))
    return ClassReplay(
        name=rule.name,
        restricted=rule.restricted,
        requests=int(mine.sum()),
        served=int(kept.size),
        spilled=gone if rule.late is Late.SPILL else 0,
        shed=gone if rule.late is Late.SHED else 0,
        over_budget=int((kept > rule.wait_budget_s).sum()),
        wait_mean_s=0.0 if none else float(kept.mean()),
        wait_p50_s=float(p50),
        wait_p99_s=float(p99),
        wait_max_s=0.0 if none else float(kept.max()),
    )
