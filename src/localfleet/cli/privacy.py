"""`privacy`: how well the detection of this configuration does, on prompts that someone has labelled."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from localfleet.cli.check import explainer_of
from localfleet.cli.documents import documents_command, register_command, try_command
from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.core.layers import LAYERS
from localfleet.errors import FleetError
from localfleet.evaluate import judge_all, leak, read_samples, summary

__all__ = ["privacy_app"]

privacy_app = typer.Typer(no_args_is_help=True)


@privacy_app.callback()
def _privacy() -> None:
    """Measure what the detectors find; register documents; try your own rules."""


privacy_app.command("register")(register_command)
privacy_app.command("documents")(documents_command)
privacy_app.command("test")(try_command)


@privacy_app.command("evaluate")
def evaluate(
    data: Annotated[Path, typer.Argument(help="JSON lines: `messages` or `text`, and a `label`.")],
    layer: Annotated[
        list[str] | None, typer.Option(help=f"Only this layer ({', '.join(LAYERS)}); repeat for several.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Redact too: which share of the units named by the rows survives.")
    ] = False,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Recall and false alarms with 95 % intervals by category and layer, latency, and misses by id, never the text."""
    wrong = sorted(set(layer or ()) - set(LAYERS))
    if wrong:
        raise FleetError(f"`{wrong[0]}` is no layer; the layers are {', '.join(LAYERS)}")
    try:
        with data.open("rb") as lines:
            samples = list(read_samples(lines))
    except OSError as exc:
        raise FleetError(f"{data} cannot be read ({exc.strerror}); give a file of JSON lines") from exc
    explainer, _ = explainer_of(config, layers=frozenset(layer) if layer else None, redact=redact)
    found = summary(judge_all(samples, explainer.from_public, time.perf_counter))
    if redact:
        found["leak"] = leak(samples, explainer.redacted_from_public)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    out = console()
    parts = (("recall", found["recall"]), ("false alarms", found["false_alarms"]), ("either", found["either"]))
    for title, rows in parts:
        told = [row for row in rows if row["of"]]
        if told:
            out.print(f"{title:<28} found    of   share   95 % interval    by layer", markup=False)
            for row in told:
                out.print(_line(row), markup=False)
            out.print()
    for row in found["latency"]:
        if row["of"]:
            times = f"median {row['median_ms']:.2f} ms, p95 {row['p95_ms']:.2f} ms"
            out.print(f"latency, {row['what']}: {times} ({row['of']} samples)", markup=False)
    if (left := found.get("leak")) is not None and left["units"]:
        counts = f"{left['survived']} of {left['units']} units survive in {left['redacted']} redacted samples"
        out.print(f"leak: {counts} ({left['low']:.4f} to {left['high']:.4f}): {' '.join(left['rows']) or 'none'}")
    out.print(f"missed   {' '.join(found['missed']) or 'none'}", markup=False)
    out.print(f"flagged  {' '.join(found['flagged']) or 'none'}", markup=False)


def _line(row: dict[str, Any]) -> str:
    layers = ", ".join(f"{layer} {count}" for layer, count in row["layers"].items() if count)
    counts = f"{row['category']:<28} {row['found']:5} {row['of']:5}   {row['share']:.3f}"
    return f"{counts}   {row['low']:.3f} to {row['high']:.3f}   {layers or '-'}"
