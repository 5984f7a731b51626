"""
When not to route at all. Said plainly, because the most expensive router is the one that saves ten dollars.

The thresholds are published ones: below $10 a month, below 1,000 calls a day, one use case, no room for the hop, a
small team. Money is the only matter here: text that may not leave is a reason to run a local tier at any volume.
"""

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Bother", "Circumstances", "worth_the_bother"]

USD_PER_MONTH, CALLS_PER_DAY, HOP_MS = Decimal(10), Decimal(1000), Decimal(200)
SMALL_TEAM = 2
DAYS_PER_MONTH = Decimal(730) / 24
TOO_DEAR_TO_IGNORE_USD = Decimal(500)
"""Few calls can still be a large bill: from here on the number of calls is no reason to look away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """
    What is known. `usd_per_month` is the hosted bill, `None` where no price is known.

    `spare_ms` is the added latency that would still be fine, `team` who would run a router; `None`: not said.
    """

    usd_per_month: Decimal | None
    requests_per_month: Decimal
    tasks: int
    restricted_share: Decimal = Decimal(0)
    spare_ms: Decimal | None = None
    team: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bother:
    """The verdict in a sentence, and the reasons it rests on (none where it is worth it)."""

    worth_it: bool
    sentence: str
    reasons: tuple[str, ...]


def worth_the_bother(seen: Circumstances) -> Bother:
    """Whether routing for money is worth the trouble."""
    if seen.requests_per_month == 0:
        return Bother(worth_it=False, sentence="No traffic: there is nothing to route yet.", reasons=("no traffic",))
    hard, soft = _hard(seen), _soft(seen)
    stop = bool(hard) or len(soft) >= 2
    reasons = (*hard, *soft)
    if not stop:
        return Bother(worth_it=True, sentence="Routing for money is worth a look here.", reasons=reasons)
    sentence = f"Do not bother: {'; '.join(reasons)}."
    if seen.restricted_share > 0:
        sentence += (
            f" This is about money only: {seen.restricted_share:.0%} of the requests may not leave, and that is reason"
            " enough for a local tier."
        )
    return Bother(worth_it=False, sentence=sentence, reasons=reasons)


def _hard(seen: Circumstances) -> tuple[str, ...]:
    """Each of these alone ends the matter."""
    reasons = []
    if seen.usd_per_month is not None and seen.usd_per_month < USD_PER_MONTH:
        reasons.append(
            f"the whole hosted bill is ${seen.usd_per_month:,.2f} a month, so routing can save no more than that"
        )
    calls = seen.requests_per_month / DAYS_PER_MONTH
    dear = seen.usd_per_month is not None and seen.usd_per_month >= TOO_DEAR_TO_IGNORE_USD
    if calls < CALLS_PER_DAY and not dear:
        reasons.append(f"{calls:,.0f} calls a day are fewer than {CALLS_PER_DAY:,f}: pick one model by hand")
    if seen.spare_ms is not None and seen.spare_ms < HOP_MS:
        reasons.append(
            f"a second attempt or a classifier takes 50 to {HOP_MS:f} ms and there are {seen.spare_ms:f} ms to spare"
        )
    return tuple(reasons)


def _soft(seen: Circumstances) -> tuple[str, ...]:
    """These count together."""
    reasons = []
    if seen.tasks <= 1:
        reasons.append("there is one use case, so one well-chosen model does it")
    if seen.team is not None and seen.team <= SMALL_TEAM:
        reasons.append(f"a team of {seen.team} has better things to do than to run a router")
    return tuple(reasons)
