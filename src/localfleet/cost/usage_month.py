"""A month's mean request from what a provider counted: buckets of hours or days, not single requests."""

from collections.abc import Iterable

from localfleet.cost.inputs import Misuse
from localfleet.cost.workload import MeanMonth, month_at_pace
from localfleet.traces.values import Bucket

__all__ = ["usage_month"]


def usage_month(found: Iterable[Bucket]) -> MeanMonth:
    """
    At the pace between the first bucket's start and the last one's end; cost rows are passed over. Raises `Misuse`.

    Anthropic's export counts tokens and no requests, so a mean request cannot be told from it.
    """
    rows = [each for each in found if each.input_tokens is not None]
    if not rows:
        raise Misuse("no traffic: the export holds no tokens; give the usage export, not the bill")
    if any(each.requests is None for each in rows):
        raise Misuse(
            "this export counts tokens and no requests, so a mean request cannot be told: state it with "
            "--requests-per-month, --input-tokens and --output-tokens, or give the ledger with --recorded"
        )
    span_s = max(each.end_s for each in rows) - min(each.start_s for each in rows)
    sums = (
        sum(each.input_tokens or 0 for each in rows),
        sum(each.output_tokens or 0 for each in rows),
        sum(each.cache_read_tokens or 0 for each in rows),
        sum(each.cache_write_tokens or 0 for each in rows),
    )
    return month_at_pace(sum(each.requests or 0 for each in rows), span_s, sums)
