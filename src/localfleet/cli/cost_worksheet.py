"""`localfleet cost worksheet`: the budget worksheet priced, or made from the ledger; the month in other ways."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from localfleet.cli.cost_given import box_usd, settings_or_none
from localfleet.cli.misuse import FILES_TOO, misuse_told
from localfleet.cli.parts import Json, home_path, print_json
from localfleet.config import Settings
from localfleet.core.advice.alerts import Listing
from localfleet.core.advice.worksheet import priced, scenarios
from localfleet.cost.inputs import Misuse
from localfleet.cost.listings import listings
from localfleet.cost.month import month_of
from localfleet.cost.worksheet import as_csv, lines_of, recorded_rows, worksheet_json, worksheet_lines
from localfleet.price_map import read_price_map
from localfleet.traces.values import WorksheetRow
from localfleet.traces.worksheet import worksheet

__all__ = ["worksheet_command"]


def worksheet_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A worksheet as CSV; without: the ledger.")
    ] = None,
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of the ledger.")] = 30,
    fixed: Annotated[
        str | None,
        typer.Option("--fixed-usd-per-month", metavar="USD", help="The box, used or not; default: hardware.gpus."),
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="models.yaml; default: ./models.yaml.")
    ] = None,
    as_table: Annotated[bool, typer.Option("--csv", help="Print CSV with exactly the worksheet's columns.")] = False,
    as_json: Json = False,
) -> None:
    """The budget worksheet with its last column filled: cost per completed action, and the month in other ways."""
    with misuse_told(FILES_TOO):
        settings = settings_or_none(config)
        found = listings(settings, read_price_map(), datetime.now(tz=UTC).date())
        rows = tuple(worksheet(file)) if file is not None else _recorded(settings, found, days)
        lines = lines_of(rows, found, usd_fixed=box_usd(settings, fixed), recorded=file is None)
    done, ways = [priced(line) for line in lines], scenarios(lines)
    if as_json:
        print_json(worksheet_json(done, ways))
    elif as_table:
        typer.echo(as_csv(done), nl=False)
    else:
        for text in worksheet_lines(done, ways):
            typer.echo(text)


def _recorded(settings: Settings | None, found: tuple[Listing, ...], days: int) -> tuple[WorksheetRow, ...]:
    from localfleet.storage.month import work_done  # noqa: PLC0415  # the database is loaded where it is read

    now = time.time()
    month = month_of(work_done(home_path(), since=now - days * 86_400, until=now), found, now=now)
    if not month.works:
        raise Misuse("no traffic: the ledger holds no request that reached a model in these days")
    return recorded_rows(month.works)
