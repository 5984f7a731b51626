"""
The fixed bill of a period, charged back: to the keys, tasks or models whose requests the box worked on, and to nobody.

Allocated cost is for reports and invoices. It says who used what was paid anyway, and never where to route.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from localfleet.core.cost.allocation import Allocation, BoxTime, allocate, shares
from localfleet.core.cost.attribution import Run, share_time
from localfleet.core.cost.box_states import Span, Unused
from localfleet.core.cost.capacity import TokenWork

__all__ = ["Charge", "Chargeback", "OnBox", "charge_back", "each_request", "weighed"]

US = 1_000_000


class OnBox(NamedTuple):
    """One request on a local model. Times are Unix seconds, waiting in line left out; tokens 0 where none counted."""

    request_id: str
    key: str
    task: str
    model: str
    start_s: float
    end_s: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One group. Both sums are on the allocated basis; `usd_failed_alloc` is work whose answer never came."""

    group: str
    requests: int
    failed: int
    usd_served_alloc: Decimal
    usd_failed_alloc: Decimal

    @property
    def usd_alloc(self) -> Decimal:
        """What the group owes."""
        return self.usd_served_alloc + self.usd_failed_alloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Chargeback:
    """The whole bill: groups, dearest first, and the parts that nobody asked for. All of it adds up to the bill."""

    allocation: Allocation
    charges: tuple[Charge, ...]
    requests: int
    served_ns: int
    failed_ns: int


def charge_back(
    runs: Iterable[OnBox],
    group: Callable[[OnBox], str],
    *,
    usd_bill: Decimal,
    since_s: float,
    until_s: float,
    work: TokenWork | None = None,
    spans: Sequence[Span] = (),
    asleep_s: float | None = None,
    waking_s: float | None = None,
) -> Chargeback:
    """
    Split a bill by who the box worked for; `runs` come by their start. Raises `ValueError` naming what cannot be.

    Busy is every second in which at least one request ran; of the rest, the box was waking or asleep in `spans`, as
    recorded, unless `asleep_s` or `waking_s` state it; what is left is idle.
    """
    served: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    count: Counter[str] = Counter()
    unanswered: Counter[str] = Counter()
    busy, unused = 0, Unused(spans)
    for run, weight, busy in weighed(_watched(runs, until_s, unused), until_s, work):  # noqa: B007  # the last `busy` is the whole
        name = group(run)
        count[name] += 1
        unanswered[name] += not run.answered
        (served if run.answered else failed)[name] += weight
    unused.finish()
    done, lost = sum(served.values()), sum(failed.values())
    served_us = busy * done // (done + lost) if done + lost else 0
    time = BoxTime(
        period_us=round(until_s * US) - round(since_s * US),
        served_us=served_us,
        failed_us=busy - served_us if lost else 0,
        waking_us=unused.waking_us if waking_s is None else round(waking_s * US),
        asleep_us=unused.asleep_us if asleep_s is None else round(asleep_s * US),
    )
    split = allocate(usd_bill, time)
    paid = dict(zip(served, shares(split.usd_served_alloc, done, served.values()), strict=True)) if done else {}
    wasted = dict(zip(failed, shares(split.usd_failed_alloc, lost, failed.values()), strict=True)) if lost else {}
    charges = (
        Charge(
            group=name,
            requests=count[name],
            failed=unanswered[name],
            usd_served_alloc=paid.get(name, Decimal(0)),
            usd_failed_alloc=wasted.get(name, Decimal(0)),
        )
        for name in count
    )
    return Chargeback(
        allocation=split,
        charges=tuple(sorted(charges, key=lambda charge: (-charge.usd_alloc, charge.group))),
        requests=sum(count.values()),
        served_ns=done,
        failed_ns=lost,
    )


def each_request(
    runs: Iterable[OnBox], whole: Chargeback, *, until_s: float, work: TokenWork | None = None
) -> Iterator[tuple[OnBox, Decimal]]:
    """Each request's share, one by one: they add up to what was served and failed, to the last digit."""
    good, bad = (
        _Purse(whole.allocation.usd_served_alloc, whole.served_ns),
        _Purse(whole.allocation.usd_failed_alloc, whole.failed_ns),
    )
    for run, weight, _ in weighed(runs, until_s, work):
        yield run, (good if run.answered else bad).take(weight)


def weighed(runs: Iterable[OnBox], until_s: float, work: TokenWork | None) -> Iterator[tuple[OnBox, int, int]]:
    """Each request with its weight, and how long the box had been busy by its end (microseconds)."""
    end = round(until_s * US)
    spans = (
        Run(run, min(round(run.start_s * US), end), min(max(round(run.end_s * US), round(run.start_s * US)), end))
        for run in runs
    )
    for run, time_ns, busy in share_time(spans):
        yield run, time_ns if work is None else _work_ns(run, work), busy


def _watched(runs: Iterable[OnBox], until_s: float, unused: Unused) -> Iterator[OnBox]:
    """The same runs, each shown to what counts the rest."""
    end = round(until_s * US)
    for run in runs:
        start = round(run.start_s * US)
        unused.watch(min(start, end), min(max(round(run.end_s * US), start), end))
        yield run


class _Purse:
    """Hands out a sum by running totals, as `shares` does, to callers that come in any order."""

    def __init__(self, usd: Decimal, whole: int) -> None:
        """`whole` is the sum of all weights that will come."""
        self._weights: list[int] = []
        self._shares = shares(usd, whole, self._come())

    def take(self, weight: int) -> Decimal:
        """The share of the next one."""
        self._weights.append(weight)
        return next(self._shares)

    def _come(self) -> Iterator[int]:
        while self._weights:
            yield self._weights.pop()


def _work_ns(run: OnBox, work: TokenWork) -> int:
    context = run.input_tokens + run.output_tokens / 2
    fresh = run.input_tokens - run.cache_read_tokens
    us = float(work.a_us) * fresh + (float(work.b0_us) + float(work.k_us) * context) * run.output_tokens
    return round(us * 1000)
