"""`pull`: the weights that models.yaml names on the Hugging Face hub, fetched and checked before they are needed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.config import read_settings
from localfleet.errors import FleetError
from localfleet.hub.fetch import Heard, Wanted, list_files, missing, pull
from localfleet.local_tier import OnHub, on_hub

__all__ = ["pull_command"]


def pull_command(
    names: Annotated[list[str] | None, typer.Argument(help="Local models of the file; all without.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read again what is here; fetch what is damaged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing, and fetch nothing.")] = False,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Fetch the weights the file names, with a progress bar and checksums; goes on where it broke off."""
    settings, _ = read_settings(config)
    unknown = sorted(set(names or ()) - set(settings.local))
    if unknown:
        known = ", ".join(settings.local) or "none"
        raise typer.BadParameter(f"{unknown[0]} is no local model of {config}; it has: {known}")
    rows = [_pulled(one, verify=verify, dry_run=dry_run) for one in on_hub(settings, os.environ, names)]
    if as_json:
        print_json(rows)
    elif not rows:
        console().print("nothing to fetch: no local model here names weights on the Hugging Face hub", markup=False)
    for row in () if as_json else rows:
        console().print(_line(row), markup=False)
    raise typer.Exit(1 if dry_run and any(row["missing_files"] for row in rows) else 0)


def _pulled(one: OnHub, *, verify: bool, dry_run: bool) -> dict[str, Any]:
    wanted = Wanted(repo=one.repo, revision=one.revision, file=one.file)
    try:
        listing = list_files(wanted, one.token, one.environ)
        absent = missing(listing, one.environ)
        short_bytes = sum(file.size_bytes for file in absent)
        folder: Path | None = None
        if not dry_run:
            with _shown(one.name, short_bytes) as heard:
                folder = pull(listing, one.token, one.environ, heard=heard, verify=verify)
    except FleetError as exc:
        raise FleetError(f"{one.name}: {exc.message}") from None
    return {
        "model": one.name,
        "weights": one.repo if one.file is None else f"{one.repo}/{one.file}",
        "commit": listing.commit,
        "files": len(listing.files),
        "size_bytes": sum(file.size_bytes for file in listing.files),
        "missing_files": len(absent),
        "missing_bytes": short_bytes,
        "folder": None if folder is None else str(folder),
    }


def _line(row: dict[str, Any]) -> str:
    what = f"{row['model']}: {row['weights']} at {row['commit'][:8]}"
    size, short = f"{row['size_bytes'] / 1e9:.2f} GB", f"{row['missing_bytes'] / 1e9:.2f} GB"
    if row["folder"] is None:
        return f"{what}: {row['missing_files']} of {row['files']} files are missing, {short} of {size}"
    came = f"{row['missing_files']} fetched ({short}), checksums right" if row["missing_files"] else "all here"
    return f"{what}: {row['files']} files, {size}; {came}; in {row['folder']}"


@contextmanager
def _shown(name: str, total: int) -> Iterator[Heard]:
    """A bar on stderr where somebody watches."""
    if not sys.stderr.isatty() or not total:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)
