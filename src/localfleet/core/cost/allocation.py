"""
A period's fixed bill, split until nothing is left: served, failed, idle, waking, asleep; then request by request.

Whole units of the bill's last digit are handed out by running totals, so the parts equal the bill by construction:
`served + failed + idle + waking + asleep == bill`, and the requests' shares of served (or failed) equal that part.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext

from localfleet.core.amount import require

__all__ = ["Allocation", "BoxTime", "allocate", "shares"]

LAST_DIGIT = -9
"""Parts are in whole billionths of a dollar, or in the bill's own last digit where that is finer."""
DIGITS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTime:
    """
    Where the seconds of a period went, in whole microseconds of the box. The rest of `period_us` is idle.

    `served_us` is work for requests that ended well, `failed_us` for those that did not.
    """

    period_us: int
    served_us: int = 0
    failed_us: int = 0
    waking_us: int = 0
    asleep_us: int = 0

    def __post_init__(self) -> None:
        """Refuse a period that is none, or that is shorter than its parts."""
        for name in ("served_us", "failed_us", "waking_us", "asleep_us"):
            if getattr(self, name) < 0:
                msg = f"{name}: must be at least 0"
                raise ValueError(msg)
        if self.period_us <= 0:
            raise ValueError("period_us: must be more than 0")
        if self.idle_us < 0:
            raise ValueError("served_us + failed_us + waking_us + asleep_us: exceed period_us; was work counted twice?")

    @property
    def idle_us(self) -> int:
        """Awake, and nobody asked."""
        return self.period_us - self.served_us - self.failed_us - self.waking_us - self.asleep_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The bill on the allocated basis, part by part. The parts add up to `usd_bill` to the last digit."""

    time: BoxTime
    usd_bill: Decimal
    usd_served_alloc: Decimal
    usd_failed_alloc: Decimal
    usd_idle_alloc: Decimal
    usd_waking_alloc: Decimal
    usd_asleep_alloc: Decimal

    @property
    def usd_unattributed_alloc(self) -> Decimal:
        """What no request caused: idle, waking, asleep."""
        with localcontext(prec=DIGITS):
            return self.usd_idle_alloc + self.usd_waking_alloc + self.usd_asleep_alloc


def allocate(usd_bill: Decimal, time: BoxTime) -> Allocation:
    """Split the fixed bill of a period by where the box's time went."""
    require("usd_bill", usd_bill)
    parts = (time.served_us, time.failed_us, time.idle_us, time.waking_us, time.asleep_us)
    served, failed, idle, waking, asleep = _handed_out(usd_bill, time.period_us, parts)
    return Allocation(
        time=time,
        usd_bill=usd_bill,
        usd_served_alloc=served,
        usd_failed_alloc=failed,
        usd_idle_alloc=idle,
        usd_waking_alloc=waking,
        usd_asleep_alloc=asleep,
    )


def shares(usd_part: Decimal, whole_us: int, work_us: Iterable[int]) -> Iterator[Decimal]:
    """
    Each request's share of `usd_part` by its work, in order, one at a time; they add up to it to the last digit.

    `whole_us` is the sum of `work_us`, known beforehand so that a million rows need no memory. A sum that turns out
    different raises `ValueError` at the end.
    """
    require("usd_part", usd_part)
    yield from _handed_out(usd_part, whole_us, work_us)


def _handed_out(usd: Decimal, whole: int, parts: Iterable[int]) -> Iterator[Decimal]:
    exponent = usd.as_tuple().exponent
    last = min(LAST_DIGIT, exponent if isinstance(exponent, int) else LAST_DIGIT)
    with localcontext(prec=DIGITS):
        units = int(usd.scaleb(-last))
    so_far, given = 0, 0
    for part in parts:
        if part < 0:
            raise ValueError("work_us: must be at least 0")
        so_far += part
        if so_far > whole:
            break
        due = units * so_far // whole if whole else 0
        with localcontext(prec=DIGITS):
            share = Decimal(due - given).scaleb(last)
        yield share
        given = due
    if so_far != whole:
        msg = f"work_us: the parts add up to {so_far} and not to {whole}"
        raise ValueError(msg)
