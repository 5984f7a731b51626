"""A month's mean request, from requests one by one: how many a month, how long, how much of the input was cached."""

from collections.abc import Iterable
from dataclasses import dataclass

from localfleet.core.advice.seen import Period
from localfleet.cost.inputs import Misuse
from localfleet.traces.values import Arrival

__all__ = ["MeanMonth", "mean_month", "month_at_pace", "recorded_month"]

MONTH_S = 730 * 3600.0
SHORTEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanMonth:
    """Requests a month at the pace that was seen, and the mean request. `seen_s` is the span it was read off."""

    requests: float
    input_tokens: float
    output_tokens: float
    cache_read_share: float
    cache_write_share: float
    seen: int
    seen_s: float

    @property
    def words(self) -> str:
        """Where it comes from."""
        span = f"{self.seen_s / 86400:.1f} days" if self.seen_s >= 86400 else f"{self.seen_s / 3600:.2g} hours"
        flat = "" if self.seen_s >= 7 * 86400 else ", scaled flat: quiet days are not in it"
        return f"read off {self.seen:,} requests in {span}{flat}"


def mean_month(found: Iterable[Arrival]) -> MeanMonth:
    """Of requests one by one, in the order of time. Raises `Misuse`."""
    count = into = out = read = written = 0
    first, last = None, 0.0
    for item in found:
        first = item.at_s if first is None else first
        last = item.at_s
        count += 1
        into += item.input_tokens
        out += item.output_tokens
        read += item.cache_read_tokens
        written += item.cache_write_tokens
    return month_at_pace(count, last - (first or 0.0), (into, out, read, written))


def recorded_month(period: Period, *, until: float) -> MeanMonth:
    """Of the ledger, from its first request to `until` (Unix seconds). Raises `Misuse`."""
    rows = period.rows
    sums = [
        (row.requests, row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)
        for row in rows
    ]
    count, into, out, read, written = (sum(column) for column in zip(*sums, strict=True)) if sums else (0, 0, 0, 0, 0)
    return month_at_pace(count, until - (period.first_at or 0.0), (into, out, read, written))


def month_at_pace(count: int, span_s: float, tokens: tuple[int, int, int, int]) -> MeanMonth:
    """So many requests in a span of seconds, with the sums of their input, output, cached and written tokens."""
    into, out, read, written = tokens
    if count == 0:
        raise Misuse("no traffic: it holds no requests")
    if span_s < SHORTEST_S:
        raise Misuse(f"all requests lie within {span_s:.0f} s: a month cannot be read off less than a minute")
    if into + out == 0:
        raise Misuse("its requests have no tokens: nothing can be priced")
    return MeanMonth(
        requests=count / span_s * MONTH_S,
        input_tokens=into / count,
        output_tokens=out / count,
        cache_read_share=read / into if into else 0.0,
        cache_write_share=written / into if into else 0.0,
        seen=count,
        seen_s=span_s,
    )
