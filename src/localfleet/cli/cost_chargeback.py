"""
`localfleet cost chargeback`: the fixed bill of a period, split to the last digit over those who used the box. Thin.

Exit code: 0 charged, also where nobody asked; 2 misuse.
"""

import csv
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from localfleet.cli.cost_given import box_usd, settings_or_none
from localfleet.cli.parts import Json, console, home_path, print_json
from localfleet.core.cost.box_states import box_spans
from localfleet.core.cost.capacity import TokenWork
from localfleet.core.cost.chargeback import Chargeback, OnBox, charge_back, each_request
from localfleet.cost.inputs import Misuse, number
from localfleet.errors import ConfigError, FleetError
from localfleet.storage.chargeback import last_receipt, on_box
from localfleet.storage.states import state_changes

__all__ = ["chargeback_command"]

CENT = Decimal("0.01")
HOUR_S = 3600
GROUPS: dict[str, Callable[[OnBox], str]] = {
    "key": lambda run: run.key,
    "task": lambda run: run.task,
    "model": lambda run: run.model,
}
WORDS = (
    ("idle", "usd_idle_alloc", "awake or not seen, and nobody asked"),
    ("waking", "usd_waking_alloc", "loading models"),
    ("asleep", "usd_asleep_alloc", "models put away"),
)


def chargeback_command(
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="The period: so many days up to now.")] = 30,
    usd: Annotated[
        str | None, typer.Option("--usd", metavar="USD", help="The bill of the period; default: of hardware.gpus.")
    ] = None,
    by: Annotated[Literal["key", "task", "model"], typer.Option(help="Whom to charge.")] = "key",
    token_work_us: Annotated[
        str | None, typer.Option(metavar="A,B0,K", help="Weigh by fitted token work; default: by time on the box.")
    ] = None,
    asleep_hours: Annotated[
        str | None, typer.Option(metavar="HOURS", help="Of the period, models put away; default: as recorded.")
    ] = None,
    waking_hours: Annotated[
        str | None, typer.Option(metavar="HOURS", help="Of the period, models loading; default: as recorded.")
    ] = None,
    each: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write every request with its share; it adds up too.")
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="models.yaml; default: ./models.yaml.")] = None,
    as_json: Json = False,
) -> None:
    """Charge the box's fixed bill to those who used it; what nobody used stays visible as idle. It adds up exactly."""
    until = time.time()
    since = until - days * 86_400
    try:
        bill = _bill(usd, config, days)
        work = _work(token_work_us)
        home, last = home_path(), last_receipt(home_path())
        whole = charge_back(
            on_box(home, since=since, until=until, last=last),
            GROUPS[by],
            usd_bill=bill,
            since_s=since,
            until_s=until,
            work=work,
            spans=box_spans(state_changes(home, until=until), since_s=since, until_s=until),
            asleep_s=_hours("--asleep-hours", asleep_hours),
            waking_s=_hours("--waking-hours", waking_hours),
        )
        if each is not None:
            rows = on_box(home, since=since, until=until, last=last)
            _write(each, each_request(rows, whole, until_s=until, work=work), whole)
    except (Misuse, ConfigError, ValueError, OSError) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from None
    except FleetError as exc:
        typer.echo(exc.message, err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(_json(whole, by, days))
    else:
        _show(whole, by, days)


def _bill(stated: str | None, config: str | None, days: int) -> Decimal:
    """As stated; else the month's fixed cost of the box for so many days, to the cent."""
    if stated is not None:
        return number("--usd", stated)
    month = box_usd(settings_or_none(config), None)
    if month is None:
        raise Misuse("--usd is needed: no box is described under `hardware.gpus` of models.yaml")
    return (month * days * 24 / 730).quantize(CENT)


def _hours(option: str, stated: str | None) -> float | None:
    return None if stated is None else float(number(option, stated)) * HOUR_S


def _work(text: str | None) -> TokenWork | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3:
        raise Misuse("--token-work-us takes three numbers, A,B0,K in microseconds, for example 17.42,28.18,0.05908")
    a_us, b0_us, k_us = (number("--token-work-us", part) for part in parts)
    return TokenWork(a_us=a_us, b0_us=b0_us, k_us=k_us)


def _show(whole: Chargeback, by: str, days: int) -> None:
    split = whole.allocation
    out = console()
    table = Table(title=f"${split.usd_bill:,} of the last {days} days, allocated")
    for name in (by, "requests", "failed", "usd_alloc", "of it usd_failed_alloc"):
        table.add_column(name, justify="left" if name == by else "right", no_wrap=name != by)
    for charge in whole.charges:
        table.add_row(
            charge.group,
            f"{charge.requests:,}",
            f"{charge.failed:,}",
            f"{charge.usd_alloc:,.9f}",
            f"{charge.usd_failed_alloc:,.9f}",
        )
    if whole.charges:
        out.print(table)
    for word, field, meaning in WORDS:
        usd = getattr(split, field)
        if usd or word == "idle":
            hours = getattr(split.time, f"{word}_us") / 3.6e9
            out.print(f"{word}: ${usd:,} ({hours:,.1f} h: {meaning})", markup=False)
    out.print(_sentence(whole), markup=False)


def _sentence(whole: Chargeback) -> str:
    split = whole.allocation
    if not whole.requests:
        return f"No traffic: nobody used the box, and all of the ${split.usd_bill:,} is left."
    used = split.usd_served_alloc + split.usd_failed_alloc
    idle = split.usd_unattributed_alloc
    share = f" ({idle / split.usd_bill:.1%})" if split.usd_bill else ""
    return (
        f"{whole.requests:,} requests used ${used:,} of the ${split.usd_bill:,}; the other ${idle:,}{share} is time "
        "that nobody asked for. Together they are the bill, to the last digit."
    )


def _json(whole: Chargeback, by: str, days: int) -> dict[str, object]:
    """Money as text: a double has no room for its last digit."""
    split = whole.allocation
    names = ("bill", "served_alloc", "failed_alloc", "idle_alloc", "waking_alloc", "asleep_alloc")
    return {
        "days": days,
        "by": by,
        "requests": whole.requests,
        "hours": {
            name: getattr(split.time, f"{name}_us") / 3.6e9 for name in ("served", "failed", "idle", "waking", "asleep")
        },
        **{f"usd_{name}": f"{getattr(split, f'usd_{name}'):f}" for name in names},
        "charges": [
            {
                "group": charge.group,
                "requests": charge.requests,
                "failed": charge.failed,
                "usd_served_alloc": f"{charge.usd_served_alloc:f}",
                "usd_failed_alloc": f"{charge.usd_failed_alloc:f}",
            }
            for charge in whole.charges
        ],
        "sentence": _sentence(whole),
    }


def _write(file: Path, rows: Iterator[tuple[OnBox, Decimal]], whole: Chargeback) -> None:
    """One line a request, then what nobody asked for: the last column adds up to the bill."""
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(("request_id", "key", "task", "model", "answered", "usd_alloc"))
        for run, usd in rows:
            writer.writerow((run.request_id, run.key, run.task, run.model, int(run.answered), f"{usd:f}"))
        for word, field, _ in WORDS:
            writer.writerow((f"({word})", "", "", "", "", f"{getattr(whole.allocation, field):f}"))
