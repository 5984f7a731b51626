"""The ledger's rows as a month's work for the advice room: scaled to 730 hours, roles read off the tiers' names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.advice.alerts import Listing
from localfleet.core.advice.seen import Done, Period
from localfleet.core.advice.work import Role, Work, role_of
from localfleet.core.pricing import Price

__all__ = ["Month", "month_of"]

MONTH_S = Decimal(730 * 3600)
SHORT_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Work scaled to a month. `days` is what was seen, `restricted_share` of requests; `note` says what to doubt."""

    works: tuple[Work, ...]
    days: float
    requests_seen: int
    restricted_share: Decimal
    note: str | None


def month_of(period: Period, found: Sequence[Listing], *, now: float) -> Month:
    """A month at the pace that was seen from the first receipt of the period until now; at least one hour of it."""
    if period.first_at is None:
        return Month(works=(), days=0, requests_seen=0, restricted_share=Decimal(0), note=None)
    seen_s = max(now - period.first_at, 3600.0)
    scale = MONTH_S / Decimal(seen_s)
    prices = {item.name: item.price for item in found}
    requests = sum(row.requests for row in period.rows)
    days = seen_s / 86400
    return Month(
        works=tuple(_work(row, scale, prices) for row in period.rows),
        days=days,
        requests_seen=requests,
        restricted_share=Decimal(sum(row.restricted for row in period.rows)) / max(requests, 1),
        note=f"a month is read off {days:.1f} days: a week at least has its quiet days in it"
        if days < SHORT_DAYS
        else None,
    )


def _work(row: Done, scale: Decimal, prices: Mapping[str, Price | None]) -> Work:
    role = role_of(row.tier)
    usd = None if row.cost_unknown and role is not Role.LOCAL else row.cost_usd * scale
    return Work(
        task=row.task,
        model=row.model,
        role=role,
        requests=row.requests * scale,
        input_tokens=row.input_tokens * scale,
        output_tokens=row.output_tokens * scale,
        usd=usd,
        usd_output=_output_part(row, usd, prices.get(row.model)),
        failed=row.failed * scale,
        second_tries=row.second_tries * scale,
    )


def _output_part(row: Done, usd: Decimal | None, price: Price | None) -> Decimal | None:
    """The part of the bill that output made, by today's ratio of the two prices."""
    if usd is None or price is None:
        return None
    paid_in, paid_out = row.input_tokens * price.usd_per_mtok_in, row.output_tokens * price.usd_per_mtok_out
    return usd * paid_out / (paid_in + paid_out) if paid_in + paid_out else Decimal(0)
