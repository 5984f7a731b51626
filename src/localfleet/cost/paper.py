"""Values as JSON has them, and rows as columns of plain text: what every page of the cost commands is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from math import floor, log10
from typing import Any

__all__ = ["aligned", "dollars", "measured", "number", "percent", "plain"]


def plain(value: Any) -> Any:
    """Values of the core as JSON has them: decimals as numbers, enums as words, dataclasses as objects."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Enum | date):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows of cells as lines with two blanks between columns; the columns in `right` end together."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def measured(value: float | str | None, unit: str) -> str:
    """A value with its unit as people write it: `$2,913 a month`, `0.153`, `319,000 requests`; unknown is said."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return f"{value} {unit}".strip()
    if unit.startswith("USD"):
        return f"{dollars(value)}{unit.removeprefix('USD')}"
    return f"{number(value)} {unit}".strip()


def dollars(value: float | Decimal | None) -> str:
    """Whole dollars from a hundred up, cents below, four significant digits below ten cents."""
    if value is None:
        return "unknown"
    size = abs(float(value))
    sign = "-" if value < 0 else ""
    if size >= 100:
        return f"{sign}${size:,.0f}"
    if size >= 0.1 or size == 0:
        return f"{sign}${size:,.2f}"
    digits = 1 - floor(log10(size))
    return f"{sign}${size:.4f}" if size >= 0.001 else f"{sign}${size:.{digits}f}"


def number(value: float | Decimal) -> str:
    """Thousands parted from a thousand up, four significant digits below."""
    return f"{value:,.0f}" if abs(float(value)) >= 1000 else f"{float(value):.4g}"


def percent(share: float | Decimal) -> str:
    """A share in per cent: one digit below ten, and never a bare 0 or 100 for what is neither."""
    share = float(share)
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{share * 100:.1f} %" if 0 < share < 0.1 or 0.99 < share < 1 else f"{share * 100:.0f} %"
