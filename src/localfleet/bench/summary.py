"""Samples -> one `Point`: means, percentiles (nearest rank), and the batch by Little's law."""

from collections.abc import Sequence
from math import ceil

from localfleet.bench.loops import Closed
from localfleet.bench.sample import Sample
from localfleet.core.cost.points import Point

__all__ = ["percentile", "point_of", "point_of_open"]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value at a share (0 to 1) of the sorted values, by nearest rank; `None` of nothing."""
    ranked = sorted(values)
    return ranked[max(0, ceil(len(ranked) * share) - 1)] if ranked else None


def point_of(closed: Closed, *, source: str = "") -> Point | None:
    """The point of a closed loop; `None` where too little was answered to tell a rate."""
    if not closed.completed:
        return None
    return _point(closed.samples, closed.completed / closed.seconds, None, len(closed.failed), source)


def point_of_open(samples: Sequence[Sample], *, offered_per_s: float, source: str = "") -> Point | None:
    """The point of an open loop: the rate at which answers came while requests were sent."""
    good = [sample for sample in samples if sample.failed is None]
    if not good:
        return None
    span = max(sample.last_s for sample in good) - min(sample.due_s for sample in samples)
    return _point(good, len(good) / max(span, 1e-9), offered_per_s, len(samples) - len(good), source)


def _point(samples: Sequence[Sample], rate: float, offered: float | None, failed: int, source: str) -> Point:
    many = len(samples)
    into, out = sum(each.input_tokens for each in samples) / many, sum(each.output_tokens for each in samples) / many
    steps = [each.step_s for each in samples if each.step_s is not None]
    step_s = sum(steps) / len(steps) if steps else None
    ttft = [each.ttft_s * 1000 for each in samples]
    return Point(
        input_tokens=into,
        output_tokens=out,
        requests_per_s=rate,
        offered_per_s=offered,
        batch=None if step_s is None else rate * step_s * max(out - 1, 0),
        step_ms=None if step_s is None else step_s * 1000,
        ttft_p50_ms=percentile(ttft, 0.5),
        ttft_p99_ms=percentile(ttft, 0.99),
        itl_p50_ms=_ms(percentile(steps, 0.5)),
        itl_p99_ms=_ms(percentile(steps, 0.99)),
        cached_share=sum(each.cached_tokens for each in samples) / max(into * many, 1),
        requests=many,
        failed=failed,
        source=source,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
