"""
How a month's sums move with longer answers, more cache hits, more fallbacks and better answers: plain coefficients.

    dollars of calls  = plain + o out - c cached          boxes of work = plain + o out + o^2 context - c cached

both so that today's value is at factors of 1. The shares that cannot go over 1 are held there work by work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.plan.bills import MONTH_S, fallback_model, hosted_usd
from localfleet.core.plan.case import BoxCase, Case, Hosted, Work
from localfleet.core.pricing import rates_at

__all__ = ["Calls", "Ending", "Load", "calls", "endings", "load", "parity", "passed_on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """US dollars a month of hosted calls; `out` is their part that grows with the answers, `cached` what reads save."""

    usd: float = 0.0
    out: float = 0.0
    cached: float = 0.0

    def at(self, output: float, cached: float) -> float:
        """With answers and cache hits of so many times today's."""
        return self.usd + (output - 1) * self.out - (cached - 1) * self.cached


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Boxes of work. `plain` is today's whole; `out`, `context` its parts linear and square in the answers' length."""

    plain: float = 0.0
    out: float = 0.0
    context: float = 0.0
    cached: float = 0.0

    def at(self, output: float, cached: float) -> float:
        """With answers and cache hits of so many times today's."""
        longer = (output - 1) * self.out + (output * output - 1) * self.context
        return self.plain + longer - (cached - 1) * self.cached


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One work's requests: how many on the box beside the hosted way, and how they end."""

    on_box: float
    elsewhere: float
    """Requests of the box's way that start hosted: they end the same in both."""
    stays: bool
    success_box: float
    success_hosted: float
    passed_on: float


def calls(model: Hosted, works: Iterable[tuple[Work, float]]) -> Calls:
    """Calls that start on this model, retries with them, for works with the share of each that does."""
    return _sum(model, [(work, work.requests * share * (1 + work.retry_share)) for work, share in works])


def passed_on(case: Case, model: Hosted, works: Iterable[tuple[Work, float]]) -> Calls:
    """Calls that the box passes on, each to the model that its work falls back to."""
    found = [
        _sum(fallback_model(case, work, model), [(work, work.requests * share * work.fallback_share)])
        for work, share in works
    ]
    return Calls(
        usd=sum(each.usd for each in found),
        out=sum(each.out for each in found),
        cached=sum(each.cached for each in found),
    )


def load(box: BoxCase, works: Sequence[tuple[Work, float]], room: float) -> Load:
    """Boxes of work; `room` is the mean load that one box may carry."""
    rows = [
        (box.capacity[work.name], work.requests * share * (1 + work.retry_share) / MONTH_S / room)
        for work, share in works
    ]
    return Load(
        plain=sum(times * float(each.box_seconds_per_request) for each, times in rows),
        out=sum(times * float(each.output_s) for each, times in rows),
        context=sum(times * float(each.output_squared_s) for each, times in rows),
        cached=sum(times * float(each.cached_s) for each, times in rows),
    )


def endings(works: Iterable[Work], shares: Mapping[str, float]) -> tuple[Ending, ...]:
    """How all works end."""
    return tuple(
        Ending(
            on_box=work.requests * shares.get(work.name, 0.0),
            elsewhere=work.requests * (1 - shares.get(work.name, 0.0)),
            stays=work.must_stay,
            success_box=work.success_local,
            success_hosted=work.success_hosted,
            passed_on=0.0 if work.must_stay else work.fallback_share,
        )
        for work in works
    )


def parity(ends: Sequence[Ending], success: float, fallback: float) -> float:
    """Requests that end well with the box over those without it; `success` and `fallback` are factors on today's."""
    here = there = 0.0
    for end in ends:
        good = min(1.0, end.success_box * success)
        rescued = min(1.0, end.passed_on * fallback, 1 - good) * end.success_hosted
        here += end.on_box * (good + rescued) + end.elsewhere * end.success_hosted
        there += (end.on_box + end.elsewhere) * (good if end.stays else end.success_hosted)
    return here / there if there else 1.0


def _sum(model: Hosted, works: Iterable[tuple[Work, float]]) -> Calls:
    usd = out = cached = 0.0
    for work, many in works:
        if many:
            usd += many * (hosted_usd(model, work) or 0.0)
            out_each, cached_each = _moving(model, work)
            out += many * out_each
            cached += many * cached_each
    return Calls(usd=usd, out=out, cached=cached)


def _moving(model: Hosted, work: Work) -> tuple[float, float]:
    """Of one request on a model: what its answer costs, and what its cache reads save; US dollars at list price."""
    if model.price is None:
        return 0.0, 0.0
    rates = rates_at(model.price, Decimal(str(work.input_tokens * model.tokens_ratio)))
    batch = model.batch_share if work.batch and model.batch_share is not None else 1.0
    scale = model.tokens_ratio * batch / 1e6
    p_in = float(rates.usd_per_mtok_in)
    p_read = p_in if rates.usd_per_mtok_cache_read is None else float(rates.usd_per_mtok_cache_read)
    return (
        work.output_tokens * float(rates.usd_per_mtok_out) * scale,
        work.input_tokens * work.cache_read_share * (p_in - p_read) * scale,
    )
