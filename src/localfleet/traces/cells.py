"""
One cell of somebody's file -> one value; `ValueError` with half a sentence that says what is wrong and what to write.

Zero is a value, nothing is `None`, and no cell is ever mended in silence.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

__all__ = ["MOMENTS", "any_moment", "count", "dollars", "iso", "name", "real", "share"]

MOST_TOKENS = 10**12
LATEST_S = 4_102_444_800.0
"""The year 2100: later moments are milliseconds that were taken for seconds."""


def count(cell: Any) -> int:
    """A whole number from 0 up."""
    try:
        whole = int(cell)
    except (ValueError, TypeError, OverflowError):
        whole = _whole(cell)
    if isinstance(cell, bool) or (isinstance(cell, float) and cell != whole):
        raise ValueError("must be a whole number")
    if not 0 <= whole <= MOST_TOKENS:
        raise ValueError("must not be negative" if whole < 0 else "is larger than any count of tokens or requests")
    return whole


def _whole(cell: Any) -> int:
    """Counts that a spreadsheet wrote: `1155.0`, `1,155`, `1.2e6`."""
    value = real(cell)
    if value != int(value):
        raise ValueError("must be a whole number")
    return int(value)


def real(cell: Any) -> float:
    """A finite number from 0 up; thousands may be parted by commas."""
    if cell is None or cell == "":
        raise ValueError("is empty; write a number")
    try:
        value = float(cell.replace(",", "") if isinstance(cell, str) else cell)
    except (ValueError, TypeError):
        raise ValueError("must be a plain number") from None
    if not isfinite(value):
        raise ValueError("must be a finite number, not NaN or infinity")
    if value < 0:
        raise ValueError("must not be negative")
    return value


def share(cell: Any) -> float:
    """A share from 0 to 1; `8%` is 0.08."""
    text = cell.strip() if isinstance(cell, str) else cell
    percent = isinstance(text, str) and text.endswith("%")
    value = real(text[:-1] if percent else text) / (100 if percent else 1)
    if value > 1:
        raise ValueError("must be a share from 0 to 1, or end in %")
    return value


def dollars(cell: Any) -> Decimal:
    """US dollars, exact; a dollar sign is allowed, another currency's is not."""
    text = cell.strip().removeprefix("$").replace(",", "") if isinstance(cell, str) else str(cell)
    try:
        usd = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a plain number of US dollars") from None
    if not usd.is_finite():
        raise ValueError("must be a finite number of US dollars")
    return usd


def name(cell: Any) -> str:
    """A name; nothing is the empty name."""
    return "" if cell is None else str(cell).strip()


def iso(cell: Any) -> float:
    """A date and time in ISO 8601 -> Unix seconds; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(cell)
    except (ValueError, TypeError):
        raise ValueError("must be a date and time such as 2026-11-20T08:30:00Z") from None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def _seconds(cell: Any) -> float:
    seconds = real(cell)
    if seconds > LATEST_S:
        raise ValueError("is after the year 2100 as seconds; name the column timestamp_ms if it is milliseconds")
    return seconds


def _milliseconds(cell: Any) -> float:
    return real(cell) / 1000


def any_moment(cell: Any) -> float:
    """A date, or Unix seconds."""
    if isinstance(cell, str) and not cell.replace(".", "", 1).isdigit():
        return iso(cell)
    return _seconds(cell)


def _dated(cell: Any) -> float:
    """A date only: a bare number here has no unit."""
    if not isinstance(cell, str) or cell.replace(".", "", 1).isdigit():
        raise ValueError("a number without a unit: name the field timestamp_s or timestamp_ms, or write a date")
    return iso(cell)


MOMENTS: dict[str, Callable[[Any], float]] = {
    "iso": iso,
    "s": _seconds,
    "ms": _milliseconds,
    "at": any_moment,
    "dated": _dated,
}
"""How a format writes the time."""
