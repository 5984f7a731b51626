"""`routing prior`: what a table of benchmark scores says of the models of a file, and what outcomes make of it."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import Config, Json, console, home_path, print_json
from localfleet.config import Settings, load_settings
from localfleet.config.routing import Prior
from localfleet.core.routing.prior import NOTHING_SAID, Outcomes, blended
from localfleet.errors import FleetError
from localfleet.priors import Priors, read_priors

__all__ = ["outcomes_here", "prior_command"]

DAYS = 90
"""As far back as a router that starts looks."""


def prior_command(
    file: Annotated[
        Path | None, typer.Argument(help="A table of scores to try; by default the one that models.yaml names.")
    ] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """What a table of benchmark scores says of each model and task, and what outcomes here make of it."""
    settings = load_settings(config)
    entry = _entry(settings, file)
    priors = read_priors(settings, entry)
    rows = _rows(priors, outcomes_here())
    if as_json:
        print_json({"file": entry.file, "weight": entry.weight, "rows": priors.rows, "priors": rows} | _left(priors))
    else:
        _print(entry, priors, rows)
    raise typer.Exit(0 if rows else 1)


def outcomes_here() -> Outcomes:
    """What callers said within 90 days, from the ledger of this state folder; nothing where there is none."""
    from localfleet.storage.tallies import tallies  # noqa: PLC0415  # the database comes with it

    found, now = Outcomes(), time.time()
    for one in tallies(home_path(), since=now - DAYS * 86_400, until=now):
        found.see((one.model, one.task or ""), one.total, one.count)
    return found


def _entry(settings: Settings, file: Path | None) -> Prior:
    written = settings.routing.prior
    if file is None and written is None:
        raise FleetError("models.yaml names no table of scores: give a file, or write `routing.prior: {file: ...}`")
    if file is None and written is not None:
        return written
    return Prior(file=str(file)) if written is None else written.model_copy(update={"file": str(file)})


def _rows(priors: Priors, outcomes: Outcomes) -> list[dict[str, Any]]:
    found = []
    for model, by_task in priors.known.items():
        for task, prior in by_task.items():
            said = outcomes.of(model, task) if task else NOTHING_SAID
            found.append(
                {
                    "model": model, "task": task or "other", "prior": prior.quality, "weight": prior.weight,
                    "outcomes": said.count, "right": said.total / said.count if said.count else None,
                    "quality": blended(prior, said), "source": prior.source,
                }
            )  # fmt: skip
    return found


def _left(priors: Priors) -> dict[str, Any]:
    return {
        "models_not_here": list(priors.strange_models),
        "tasks_not_here": list(priors.strange_tasks),
        "declared_in_models_yaml": [{"model": model, "task": task or "other"} for model, task in priors.overruled],
    }


def _print(entry: Prior, priors: Priors, rows: list[dict[str, Any]]) -> None:
    out, table = console(), Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "task", "prior", "counts as", "outcomes", "right", "quality", "source"):
        table.add_column(heading, no_wrap=heading != "source", overflow="fold")
    for row in rows:
        right = "-" if row["right"] is None else f"{row['right']:.0%}"
        counts = (f"{row['prior']:.1%}", f"{row['weight']:g}", str(row["outcomes"]), right, f"{row['quality']:.1%}")
        table.add_row(row["model"], row["task"], *counts, row["source"])
    if rows:
        out.print(table)
    else:
        out.print(f"none of {priors.rows} scores is about a model and a task of this file", markup=False)
    for name, said in (("models", priors.strange_models), ("tasks", priors.strange_tasks)):
        if said:
            out.print(f"not in this file, map them with `routing.prior.{name}`: {', '.join(said)}", markup=False)
    for model, task in priors.overruled:
        out.print(f"{model} at {task or 'other'}: its `quality:` in models.yaml goes first", markup=False)
