"""Where long answers make the bill: output is several times as dear as input, and a limit on it is one line."""

from collections.abc import Sequence
from decimal import Decimal

from localfleet.core.advice.work import Finding, Work, total_usd

__all__ = ["OUTPUT_SHARE", "output_findings"]

OUTPUT_SHARE = Decimal("0.60")
"""From this part of a task's bill on, output is said to dominate it."""
SMALL = Decimal("0.05")
"""Tasks below this part of the whole bill are not worth a word."""


def output_findings(works: Sequence[Work]) -> tuple[Finding, ...]:
    """One finding for each task whose output dominates its bill, the dearest first."""
    bill = total_usd(works)
    found = [finding for task in dict.fromkeys(work.task for work in works) for finding in _of_task(task, works, bill)]
    return tuple(sorted(found, key=lambda finding: finding.usd_per_month or 0, reverse=True))


def _of_task(task: str, works: Sequence[Work], bill: Decimal) -> tuple[Finding, ...]:
    own = [work for work in works if work.task == task and work.usd is not None and work.usd_output is not None]
    usd = total_usd(own)
    out = sum((work.usd_output or Decimal(0) for work in own), Decimal(0))
    requests = sum((work.requests for work in own), Decimal(0))
    if not usd or not requests or usd < bill * SMALL or out / usd < OUTPUT_SHARE:
        return ()
    tokens = sum((work.output_tokens for work in own), Decimal(0)) / requests
    return (
        Finding(
            kind="output-length",
            sentence=(
                f"task {task}: answers of {tokens:,.0f} tokens are {out / usd:.0%} of its bill; a third less output "
                f"(a limit on tokens, a shorter format) saves ${out / 3:,.2f} a month"
            ),
            points=Decimal(5) * out / bill,
            usd_per_month=out / 3,
        ),
    )
