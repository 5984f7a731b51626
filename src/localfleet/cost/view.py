"""
A cost comparison on paper: a table for people, one JSON object for machines. No figure is made here.

Money is rounded for people only; JSON carries every figure as a double.
"""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localfleet.core.cost.breakeven import BreakEven, Pays
from localfleet.core.cost.compare import BoxLine, Comparison, HostedLine
from localfleet.core.cost.hour import HourlyCost
from localfleet.core.pricing import Price

__all__ = ["Report", "as_json", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A comparison with what it rests on (`assumed`: name and value) and what to doubt (`warnings`)."""

    comparison: Comparison
    assumed: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def show(report: Report, console: Console, *, likely: str | None = None) -> None:
    """Print the report; the answer comes last. Plain lines without frames where nobody watches."""
    done = report.comparison
    if done.box is not None:
        _say(console, _title(done))
        console.print(_table(done, done.box, framed=console.is_terminal))
        _say(console, _box_text(done.box))
        for line in done.hosted:
            _say(console, _hosted_text(line))
        _say(console, "assumed: " + ", ".join(f"{name} {value}" for name, value in report.assumed))
    for warning in report.warnings:
        _say(console, f"note: {warning}")
    if likely:
        _say(console, likely)
    _say(console, done.answer, style="bold")


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain values. Shares are 0 to 1; unknown is null."""
    done = report.comparison
    return {
        "answer": done.answer,
        "against": done.against.option.name if done.against else None,
        "workload": {item.name: float(getattr(done.workload, item.name)) for item in fields(done.workload)},
        "box": _box_json(done.box) if done.box else None,
        "hosted": [_hosted_json(line) for line in done.hosted],
        "assumed": dict(report.assumed),
        "warnings": list(report.warnings),
    }


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _title(done: Comparison) -> str:
    work = done.workload
    return (
        f"{work.requests_per_month:,f} requests a month, each {work.input_tokens_per_request:,f} tokens in "
        f"and {work.output_tokens_per_request:,f} out"
    )


def _table(done: Comparison, box: BoxLine, *, framed: bool) -> Table:
    table = Table(box=None, pad_edge=False) if not framed else Table()
    table.add_column("option", overflow="fold")
    table.add_column("USD a month", justify="right", overflow="fold")
    table.add_column("USD per Mtok, in + out", justify="right", overflow="fold")
    table.add_column("box pays from, requests a month", justify="right", overflow="fold")
    table.add_row(Text(_boxes(box)), _money(box.usd_per_month_total), _money(box.usd_per_mtok_amortised), "")
    for line in sorted(done.hosted, key=_order):
        table.add_row(
            Text(line.option.name),
            _money(line.usd_per_month_total),
            _money(line.usd_per_mtok_blended),
            _point(line.break_even),
        )
    return table


def _order(line: HostedLine) -> Decimal:
    return Decimal("Infinity") if line.usd_per_month_total is None else line.usd_per_month_total


def _point(point: BreakEven | None) -> str:
    if point is None:
        return "unknown"
    if point.requests_per_month is None or point.capacity_share is None:
        return "never"
    if point.pays is Pays.BEYOND_CAPACITY:
        return f"{point.requests_per_month:,.0f} (more than it can serve)"
    digits = 1 if point.capacity_share < Decimal("0.1") else 0
    return f"{point.requests_per_month:,.0f} ({point.capacity_share * 100:.{digits}f} % full)"


def _box_text(box: BoxLine) -> str:
    capacity = box.option.capacity
    error = f" (within {capacity.error_share * 100:.0f} %)" if capacity.error_share else ""
    parts = ", ".join(f"{name} {_money(value)}" for name, value in _parts(box.hourly) if value)
    return (
        f"{_boxes(box)}: fixed {_money(box.usd_per_month_fixed)} + power for requests "
        f"{_money(box.usd_per_month_marginal)} + staff {_money(box.usd_per_month_staff)} a month; "
        f"{_money(box.usd_per_gpu_hour_amortised)} per GPU and hour without staff ({parts}); "
        f"{_money(box.usd_per_mtok_marginal)} per Mtok marginal, {_money(box.usd_per_mtok_at_capacity)} when full.\n"
        f"capacity of one: {box.requests_per_month_capacity:,.0f} requests a month, "
        f"busy {box.utilisation_share * 100:.1f} % of the time now; {capacity.level}{error}: {capacity.basis}"
    )


def _boxes(box: BoxLine) -> str:
    return f"{box.boxes} boxes of {box.option.name}" if box.boxes > 1 else box.option.name


def _hosted_text(line: HostedLine) -> str:
    notes = "".join(f"; {note}" for note in line.notes)
    if line.option.price is None:
        return f"{line.option.name}{notes}"
    price = line.option.price
    without = f"; box without staff pays from {_point(line.break_even_without_staff)}"
    return (
        f"{line.option.name}: ${price.usd_per_mtok_in:f} in, ${price.usd_per_mtok_out:f} out per Mtok, "
        f"{_origin(price)}{without}{notes}"
    )


def _origin(price: Price) -> str:
    day = f"as of {price.since.isoformat()}" if price.since else "date unknown"
    return ", ".join(part for part in (price.version, price.source, day) if part)


def _parts(hourly: HourlyCost) -> tuple[tuple[str, Decimal], ...]:
    return tuple((item.name, getattr(hourly, item.name)) for item in fields(hourly))


def _money(value: Decimal | None) -> str:
    """Dollars for people: two digits above ten cents, four significant ones below."""
    if value is None:
        return "unknown"
    if value == 0 or value >= Decimal("0.1"):
        return f"{value:,.2f}"
    return f"{value:.4f}" if value >= Decimal("0.001") else f"{value:.2g}"


def _box_json(box: BoxLine) -> dict[str, Any]:
    plain = {"option", "hourly", "boxes"}
    capacity = box.option.capacity
    return {
        "name": box.option.name,
        "boxes": box.boxes,
        "spare_boxes": box.option.spare_boxes,
        **{item.name: float(getattr(box, item.name)) for item in fields(box) if item.name not in plain},
        **{f"usd_per_gpu_hour_{name}": float(value) for name, value in _parts(box.hourly)},
        "capacity_level": str(capacity.level),
        "capacity_basis": capacity.basis,
        "capacity_error_share": _float(capacity.error_share),
        "box_seconds_per_request": float(capacity.box_seconds_per_request),
    }


def _hosted_json(line: HostedLine) -> dict[str, Any]:
    price = line.option.price
    return {
        "name": line.option.name,
        "usable": line.usable,
        "notes": list(line.notes),
        "usd_per_request": _float(line.usd_per_request),
        "usd_per_month_total": _float(line.usd_per_month_total),
        "usd_per_mtok_blended": _float(line.usd_per_mtok_blended),
        "break_even": _point_json(line.break_even),
        "break_even_without_staff": _point_json(line.break_even_without_staff),
        "price": _price_json(price) if price else None,
    }


def _price_json(price: Price) -> dict[str, Any]:
    return {
        "usd_per_mtok_in": float(price.usd_per_mtok_in),
        "usd_per_mtok_out": float(price.usd_per_mtok_out),
        "usd_per_mtok_cache_read": _float(price.usd_per_mtok_cache_read),
        "usd_per_mtok_cache_write": _float(price.usd_per_mtok_cache_write),
        "since": price.since.isoformat() if price.since else None,
        "source": price.source,
        "version": price.version,
    }


def _point_json(point: BreakEven | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {
        "pays": str(point.pays),
        "requests_per_month": _float(point.requests_per_month),
        "tokens_per_month": _float(point.tokens_per_month),
        "capacity_share": _float(point.capacity_share),
        "utilisation_share": _float(point.utilisation_share),
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
