"""
A trace played against one box, two boxes and so on: who waits, what spills, and how many boxes the bursts need.

Numbers of the mean hide this: at the same mean load one public trace spills 0.2 % of its requests and another 53 %.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.hosted_trace import usd_hosted
from localfleet.core.cost.replay import ClassReplay, ReplayResult, replay, work_s
from localfleet.core.cost.steady import steady_replicas
from localfleet.core.cost.trace_doubts import trace_doubts
from localfleet.core.cost.traffic import Floats, Late, Requests, TraceFacts, TrafficClass, requests, trace_facts
from localfleet.core.pricing import Price
from localfleet.cost.inputs import Misuse
from localfleet.traces.values import Arrival

__all__ = ["Burst", "Played", "Rules", "play", "trace_of"]

MOST_BOXES = 64
MONTH_S = 730 * 3600.0
COLUMNS = ("at_s", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
FREE, STAYS = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a request may wait, what happens to one that would wait longer, and the share that may spill (0 to 1)."""

    wait_s: float = 2.0
    spill_share: float = 0.001
    must_stay: Late = Late.QUEUE
    rate: float = 1.0
    """How much faster than in the trace requests come: 2 is twice the traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """
    One number of boxes. `left_share` is what spilled or was shed, `late_share` what waited too long and stayed.

    `usd_spill_month` is what spills at the hosted price, in a month at this rate; `None` where no price is known.
    """

    boxes: int
    busy_share: float
    left_share: float
    late_share: float
    classes: tuple[ClassReplay, ...]
    usd_spill_month: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """
    All numbers of boxes that were tried. `needed` keeps what spills, and what must stay and waits too long, under the
    rule's share; `None` where none of them did. `load` is the mean of busy boxes. `steady` boxes would do for a steady
    stream of the same mean; `facts` say how the trace bursts.
    """

    rules: Rules
    requests: int
    span_s: float
    load: float
    bursts: tuple[Burst, ...]
    needed: int | None
    facts: TraceFacts
    steady: int | None
    error_share: float | None = None
    """The stated error of the box's speed; `needed_if_slower` holds where it is so much slower."""
    needed_if_slower: int | None = None
    doubts: tuple[str, ...] = ()


def trace_of(free: Sequence[Iterable[Arrival]], stays: Sequence[Iterable[Arrival]], rules: Rules) -> Requests:
    """
    Requests of all sources as one stream; those labelled `restricted`, and all of `stays`, never leave.

    Each source begins at second 0. Raises `Misuse` for an empty trace and what `requests` refuses.
    """
    rows = [
        row
        for kind, sources in ((FREE, free), (STAYS, stays))
        for source in sources
        for row in _rows(source, kind, rules)
    ]
    if not rows:
        raise Misuse("no traffic: the trace holds no requests")
    rows.sort(key=lambda row: row[0])
    columns = list(zip(*rows, strict=True))
    classes = (
        TrafficClass(name="may leave", wait_budget_s=rules.wait_s),
        TrafficClass(name="must stay", wait_budget_s=rules.wait_s, late=rules.must_stay, restricted=True),
    )
    try:
        return requests(**dict(zip(COLUMNS, columns[:5], strict=True)), kind=columns[5], classes=classes)
    except ValueError as exc:
        raise Misuse(f"the trace cannot be played: {exc}") from None


def play(
    trace: Requests,
    work: TokenWork,
    rules: Rules,
    *,
    boxes: Sequence[int] = (),
    price: Price | None = None,
    error_share: float | None = None,
) -> Played:
    """
    Play it against the numbers of boxes given, or from one up until what the rules allow is kept, and one more.

    With the error of the speed, the boxes are also looked for that it takes where the box is so much slower.
    """
    seconds = work_s(trace, work)
    span = trace.span_s
    if span <= 0:
        raise Misuse("all requests of the trace come at the same moment: a rate needs a span of time")
    load = float(seconds.sum()) / span
    each = None if price is None else usd_hosted(price, trace) * (MONTH_S / span)
    bursts: list[Burst] = []
    for count in boxes or range(1, MOST_BOXES + 1):
        bursts.append(_burst(replay(trace, seconds, replicas=count), each))
        kept = [burst for burst in bursts if _is_kept(burst, rules)]
        if not boxes and len(kept) > 1:
            break
    needed = next((burst.boxes for burst in bursts if _is_kept(burst, rules)), None)
    return Played(
        rules=rules,
        requests=len(trace),
        span_s=span,
        load=load,
        bursts=tuple(bursts),
        needed=needed,
        facts=trace_facts(trace),
        error_share=error_share,
        needed_if_slower=None
        if not error_share or needed is None
        else _needed_at(trace, seconds * (1 + error_share), rules, least=needed),
        doubts=trace_doubts(trace, spill_share=rules.spill_share),
        steady=steady_replicas(
            requests_per_s=len(trace) / span,
            seconds_per_request=max(float(seconds.mean()), 1e-9),
            wait_s=rules.wait_s,
            late_share=rules.spill_share,
        ),
    )


def _needed_at(trace: Requests, seconds: Floats, rules: Rules, *, least: int) -> int | None:
    counts = range(least, MOST_BOXES + 1)
    return next((each for each in counts if _is_kept(_burst(replay(trace, seconds, replicas=each), None), rules)), None)


def _rows(found: Iterable[Arrival], kind: int, rules: Rules) -> list[tuple[float, int, int, int, int, int]]:
    rows, first = [], None
    for item in found:
        first = item.at_s if first is None else first
        stays = STAYS if item.label == "restricted" else kind
        at = (item.at_s - first) / rules.rate
        rows.append((at, item.input_tokens, item.output_tokens, item.cache_read_tokens, item.cache_write_tokens, stays))
    return rows


def _burst(done: ReplayResult, usd: Floats | None) -> Burst:
    left = sum(item.spilled + item.shed for item in done.classes)
    late = sum(item.over_budget for item in done.classes)
    return Burst(
        boxes=done.replicas,
        busy_share=done.utilisation_share,
        left_share=left / done.requests,
        late_share=late / done.requests,
        classes=tuple(item for item in done.classes if item.requests),
        usd_spill_month=None if usd is None else float(usd[done.spilled].sum()),
    )


def _is_kept(burst: Burst, rules: Rules) -> bool:
    return burst.left_share + burst.late_share <= rules.spill_share
