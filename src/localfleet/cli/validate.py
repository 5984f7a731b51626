"""
`scripts/validate_on_gpu`: the protocol V9 of the cost model on an engine that is there. Exit 0 where it holds, else 1.

Eight shapes calibrate, four are held out and predicted, one burst is replayed at three rates. The report says what was
measured and what was predicted, also where it does not hold: that is what it is for.
"""

import asyncio
import random
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.bench.plan import Bounds, Shape
from localfleet.bench.validate import Validation, validate
from localfleet.cli.bench import engine_under_test, progress_bar
from localfleet.cli.cost_calibrate import read_shape, show_calibration
from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.errors import FleetError
from localfleet.traces.calibration_file import work_json

__all__ = ["main", "validate_command"]

SHAPES = "128x64,128x512,512x64,512x256,1024x64,256x768,2048x128,2048x512"
HELD_OUT = "320x192,800x400,1536x96,192x400"
HELD_OUT_ERROR = 0.15


def validate_command(
    target: Annotated[
        str, typer.Argument(help="A local model of models.yaml, or a base URL such as http://host:8000/v1.")
    ],
    model: Annotated[str | None, typer.Option(help="With a URL: the model's name there.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="With a URL: the variable that holds its key.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, max=4096, help="With a URL: requests together.")] = None,
    shapes: Annotated[str, typer.Option(metavar="INxOUT,...", help="To calibrate on; at least four.")] = SHAPES,
    held_out: Annotated[str, typer.Option(metavar="INxOUT,...", help="To predict.")] = HELD_OUT,
    rates: Annotated[
        str, typer.Option(metavar="SHARE,...", help="Of the burst, as shares of the full box.")
    ] = "0.6,1,1.6",
    burst: Annotated[int, typer.Option(min=20, help="Requests of one burst.")] = 300,
    patience_s: Annotated[float, typer.Option(min=0.01, help="Seconds in the line until a request spills.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=3, help="Answers for each slot and shape.")] = 6,
    seconds: Annotated[float, typer.Option(min=10, help="Shapes take no longer than this.")] = 1800,
    seed: Annotated[int, typer.Option(help="Of prompts, shapes and arrival times.")] = 1,
    most_error: Annotated[float, typer.Option(min=0, help="Of a shape held out.")] = HELD_OUT_ERROR,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Calibrate on eight shapes, predict four, replay a burst at three rates: does the cost model hold here?"""
    wanted, kept_back = _shapes(shapes, "--shapes"), _shapes(held_out, "--held-out")
    offered = [_share(text) for text in rates.split(",")]

    async def run(folder: Path) -> Validation:
        sizes = None if slots is None else (slots,)
        engine = engine_under_test(target, model, api_key_env, 1, sizes, config, folder)
        with progress_bar() as told:
            async with engine as found:
                return await validate(
                    found,
                    shapes=wanted,
                    held_out=kept_back,
                    shares=offered,
                    burst=burst,
                    patience_s=patience_s,
                    bounds=Bounds(rounds=rounds, total_s=seconds),
                    draw=random.Random(seed).random,  # noqa: S311  # words and arrival times, no secret
                    told=told,
                )

    with tempfile.TemporaryDirectory(prefix="localfleet-validate-") as folder:
        try:
            proof = asyncio.run(run(Path(folder)))
        except ValueError as exc:
            raise FleetError(f"too little was measured: {exc}") from None
    holds = proof.worst_error <= most_error and all(each.near(each.slots_spill) for each in proof.bursts)
    if as_json:
        print_json(_json(proof, holds=holds))
    else:
        _show(proof, most_error, holds=holds)
    raise typer.Exit(0 if holds else 1)


def main() -> None:
    """The script; every foreseen error is one sentence."""
    try:
        typer.run(validate_command)
    except FleetError as exc:
        console().print(exc.message, markup=False)
        raise SystemExit(1) from None


def _shapes(text: str, option: str) -> list[Shape]:
    return [(int(into), int(out)) for into, out in (read_shape(each, option) for each in text.split(","))]


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 10:
        raise typer.BadParameter("shares of the full box, such as 0.6,1,1.6", param_hint="--rates")
    return share


def _json(proof: Validation, *, holds: bool) -> dict[str, object]:
    work = proof.calibration.work
    return {
        "engine": proof.calibration.name,
        "holds": holds,
        "token_work": None if work is None else work_json(work),
        "held_out": [{**asdict(each), "error": each.error} for each in proof.held_out],
        "worst_error": proof.worst_error,
        "patience_s": proof.patience_s,
        "bursts": [
            {**asdict(each), "fluid_holds": each.near(each.fluid_spill), "slots_hold": each.near(each.slots_spill)}
            for each in proof.bursts
        ],
    }


def _show(proof: Validation, most_error: float, *, holds: bool) -> None:
    out = console()
    show_calibration(proof.calibration)
    table = Table("held out", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("measured/s", "predicted/s", "off by", "stated"):
        table.add_column(heading, justify="right")
    for each in proof.held_out:
        shape = f"{each.input_tokens:.0f}x{each.output_tokens:.0f}"
        rates = f"{each.measured_per_s:.4g}", f"{each.predicted_per_s:.4g}"
        table.add_row(shape, *rates, f"{each.error:.1%}", f"{each.stated:.0%}")
    out.print(table)
    table = Table("burst at", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("spill", "by slots", "by fluid", "wait s", "by slots", "by fluid", "failed"):
        table.add_column(heading, justify="right")
    for burst in proof.bursts:
        spills = (f"{each:.1%}" for each in (burst.measured_spill, burst.slots_spill, burst.fluid_spill))
        waits = (f"{each[0]:.2f}" for each in (burst.measured_wait_s, burst.slots_wait_s, burst.fluid_wait_s))
        table.add_row(f"{burst.offered_share:.0%}", *spills, *waits, str(burst.failed))
    out.print(table)
    right = sum(burst.near(burst.slots_spill) for burst in proof.bursts)
    fluid = sum(burst.near(burst.fluid_spill) for burst in proof.bursts)
    out.print(
        f"held out: worst {proof.worst_error:.1%} (at most {most_error:.0%}); spill within 2 points or a fifth: slots "
        f"{right} of {len(proof.bursts)}, fluid queue {fluid} of {len(proof.bursts)}; "
        f"{'the protocol holds' if holds else 'the protocol does not hold here'}",
        markup=False,
    )


if __name__ == "__main__":
    main()
