"""
What changed on the price list, who retires, and what moving away would cost with this month's own work.

Changes are found by comparing what was noted last with what holds now. A model that retires is an alert from half a
year before; the cost of migrating is the same tokens at each candidate's price, without the work of evaluating it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from localfleet.core.advice.work import Role, Work, total_usd, usd_of_price
from localfleet.core.pricing import Price

__all__ = ["Alert", "Listing", "Move", "alerts", "moves"]

RETIRES_WITHIN_DAYS = 183


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A hosted model as it may be bought today. `None`: no price known, no retirement announced."""

    name: str
    role: Role
    price: Price | None
    retires_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One way out: the month on another model. `usd_difference` over 0 is dearer; `same_role`: of the same tier."""

    to: str
    usd_per_month: Decimal
    usd_difference: Decimal
    same_role: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that happened or will. `usd_per_month` is what it changes in the month's bill, `None` if unknown."""

    model: str
    kind: str
    sentence: str
    usd_per_month: Decimal | None = None
    moves: tuple[Move, ...] = ()


def alerts(
    listings: Sequence[Listing], noted: Mapping[str, Price], works: Sequence[Work], *, today: date
) -> tuple[Alert, ...]:
    """Every price that differs from the one noted, every model that retires soon or has; the urgent ones first."""
    found = [
        alert
        for listing in listings
        for alert in (*_retirement(listing, listings, works, today), *_change(listing, noted, listings, works, today))
    ]
    return tuple(sorted(found, key=lambda alert: (alert.kind != "retired", alert.kind != "retires", alert.model)))


def moves(model: Listing, listings: Sequence[Listing], works: Sequence[Work], *, today: date) -> tuple[Move, ...]:
    """This model's month on each other priced model that stays: its own tier first, then the cheapest."""
    own = [work for work in works if work.model == model.name]
    if not own:
        return ()
    before = _bill(own, model.price)
    before = total_usd(own) if before is None else before
    found = []
    for other in listings:
        goes = other.retires_on is not None and (other.retires_on - today).days < RETIRES_WITHIN_DAYS
        after = None if other.name == model.name or goes else _bill(own, other.price)
        if after is not None:
            found.append(
                Move(
                    to=other.name,
                    usd_per_month=after,
                    usd_difference=after - before,
                    same_role=other.role is model.role,
                )
            )
    return tuple(sorted(found, key=lambda move: (not move.same_role, move.usd_per_month)))


def _retirement(listing: Listing, listings: Sequence[Listing], works: Sequence[Work], today: date) -> tuple[Alert, ...]:
    if listing.retires_on is None:
        return ()
    days = (listing.retires_on - today).days
    if days > RETIRES_WITHIN_DAYS:
        return ()
    ways = moves(listing, listings, works, today=today)
    gone = days <= 0
    when = f"retired on {listing.retires_on.isoformat()}" if gone else f"retires in {days} days"
    return (
        Alert(
            model=listing.name,
            kind="retired" if gone else "retires",
            sentence=f"{listing.name} {when}{_way(ways)}",
            usd_per_month=ways[0].usd_difference if ways else None,
            moves=ways,
        ),
    )


def _change(
    listing: Listing, noted: Mapping[str, Price], listings: Sequence[Listing], works: Sequence[Work], today: date
) -> tuple[Alert, ...]:
    before, now = noted.get(listing.name), listing.price
    if before is None or now is None or _rates(before) == _rates(now):
        return ()
    own = [work for work in works if work.model == listing.name]
    changed = ", ".join(
        f"{name} ${_rate(old)} -> ${_rate(new)}"
        for name, old, new in zip(("in", "out", "cache read", "cache write"), _rates(before), _rates(now), strict=True)
        if old != new
    )
    old_bill, new_bill = _bill(own, before), _bill(own, now)
    effect = None if not own or old_bill is None or new_bill is None else new_bill - old_bill
    ways = moves(listing, listings, works, today=today)
    told = "" if effect is None else f"; this month's work would cost ${abs(effect):,.2f} {_more(effect)}"
    return (
        Alert(
            model=listing.name,
            kind="price",
            sentence=f"{listing.name}: {changed} per million tokens{told}{_way(ways) if (effect or 0) > 0 else ''}",
            usd_per_month=effect,
            moves=ways,
        ),
    )


def _way(ways: Sequence[Move]) -> str:
    if not ways:
        return ""
    best = ways[0]
    return (
        f"; its work on {best.to} would be ${best.usd_per_month:,.2f} a month, ${abs(best.usd_difference):,.2f} "
        f"{_more(best.usd_difference)}, if that model does it as well"
    )


def _more(usd: Decimal) -> str:
    return "more" if usd > 0 else "less"


def _bill(works: Sequence[Work], price: Price | None) -> Decimal | None:
    if price is None:
        return None
    return sum(
        (usd_of_price(price, input_tokens=work.input_tokens, output_tokens=work.output_tokens) for work in works),
        Decimal(0),
    )


def _rates(price: Price) -> tuple[Decimal | None, ...]:
    return (
        price.usd_per_mtok_in,
        price.usd_per_mtok_out,
        price.usd_per_mtok_cache_read,
        price.usd_per_mtok_cache_write,
    )


def _rate(rate: Decimal | None) -> str:
    return "unknown" if rate is None else f"{rate.normalize():f}"
