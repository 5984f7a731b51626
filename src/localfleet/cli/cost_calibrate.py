"""`cost calibrate`: results of load generators in, coefficients with their error out; exit 1 where nothing fits."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import Json, console, print_json
from localfleet.core.cost.calibration import Calibration, calibrate
from localfleet.core.cost.points import Point, saturated
from localfleet.traces.benchmarks import measured
from localfleet.traces.calibration_file import calibration_json, write_calibration

__all__ = ["add_calibrate", "show_calibration"]

Shape = tuple[float, float]


def add_calibrate(app: typer.Typer) -> None:
    """Mount the command."""
    app.command("calibrate")(calibrate_command)


def calibrate_command(
    files: Annotated[
        list[Path], typer.Argument(help="Results: vllm bench serve, GuideLLM, AIPerf, bench, or a table.")
    ],
    only: Annotated[
        str | None, typer.Option(help="Of several models in the files: those whose name holds this.")
    ] = None,
    predict: Annotated[
        list[str] | None, typer.Option(metavar="INxOUT", help="Predict a shape, such as 1024x256; repeat for more.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the calibration file.")] = None,
    as_json: Json = False,
) -> None:
    """Fit token work and the affine step to measured points, with the error on shapes that a fit has not seen."""
    shapes = [read_shape(text) for text in predict or ()]
    found = [calibrate(name, points) for name, points in _by_name(files, only).items()]
    if not found:
        raise typer.BadParameter("no model in these files has a name that holds this", param_hint="--only")
    if out is not None and len(found) > 1:
        raise typer.BadParameter("the files hold several models; choose one with --only", param_hint="--out")
    today, source = datetime.now(UTC).date(), ", ".join(path.name for path in files)
    if as_json:
        rows = [calibration_json(each, made=today, source=source) | _predictions(each, shapes) for each in found]
        print_json(rows[0] if len(rows) == 1 else rows)
    else:
        for each in found:
            show_calibration(each)
            _show_predictions(each, shapes)
    if out is not None:
        write_calibration(out, found[0], made=today, source=source)
        if not as_json:
            console().print(f"written to {out}", markup=False)
    raise typer.Exit(0 if any(each.work is not None or each.steps for each in found) else 1)


def read_shape(text: str, option: str = "--predict") -> Shape:
    """`1024x256` -> input and output tokens."""
    into, cross, out = text.lower().partition("x")
    if not (cross and into.strip().isdigit() and out.strip().isdigit() and int(into) and int(out)):
        raise typer.BadParameter("a shape is input x output tokens, such as 1024x256", param_hint=option)
    return int(into), int(out)


def _by_name(files: Sequence[Path], only: str | None) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for path in files:
        for name, point in measured(path):
            if only is None or only.lower() in name.lower():
                groups.setdefault(name, []).append(point)
    return groups


def show_calibration(found: Calibration) -> None:
    """Print coefficients, errors, what was measured and every warning."""
    out = console()
    out.print(found.name or "(the files name no model)", markup=False, style="bold")
    work = found.work
    if work is None:
        out.print(f"  token work    none: {found.no_work}", markup=False)
    else:
        out.print(
            f"  token work    a {work.a_us:.4g} us per input token, b0 {work.b0_us:.4g} us per output token,",
            markup=False,
        )
        out.print(f"                k {work.k_us:.4g} us per output token and token of context", markup=False)
        out.print(
            f"  its error     {work.mape:.1%} of {work.shapes} shapes in the mean, worst {work.worst:.1%}; "
            f"each left out and predicted: {work.loo_mape:.1%}, worst {work.loo_max:.1%}",
            markup=False,
        )
        out.print(
            f"  measured      {work.input_range[0]:g} to {work.input_range[1]:g} input tokens, "
            f"{work.output_range[0]:g} to {work.output_range[1]:g} output tokens; beyond, it extrapolates",
            markup=False,
        )
        _show_points(found)
    for shape, fit in found.steps:
        error = "two loads fit any line, so its error is not known"
        if fit.loo_mape is not None:
            error = f"error {fit.mape:.1%}, worst {fit.worst:.1%}, left out {fit.loo_mape:.1%}"
        out.print(
            f"  step          {fit.alpha_ms:.4g} ms + {fit.beta_ms:.4g} ms a request together at "
            f"{shown(shape)}, {fit.batch_range[0]:.3g} to {fit.batch_range[1]:.3g} together; "
            f"{error}",
            markup=False,
        )
    for rate in found.slo:
        out.print(
            f"  under the SLO {rate.requests_per_s:.4g} requests/s at {rate.input_tokens:.0f}x{rate.output_tokens:.0f} "
            f"({rate.derate:.0%} of the full box): first token within {rate.ttft_p99_ms:g} ms for 99 %, "
            f"{rate.tpot_ms:g} ms per token",
            markup=False,
        )
    for warning in found.warnings:
        out.print(f"  note          {warning}", markup=False, style="yellow")


def shown(shape: Shape) -> str:
    """A shape in words; a curve over a data set knows no input length."""
    return f"{shape[0]:.0f}x{shape[1]:.0f}" if shape[0] else f"answers of {shape[1]:.0f} tokens"


def _show_points(found: Calibration) -> None:
    assert found.work is not None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("shape", no_wrap=True)
    for heading in ("requests/s", "fitted", "off by"):
        table.add_column(heading, justify="right")
    for point in saturated(found.points)[0]:
        fitted = 1 / found.work.box_s(point.input_tokens, point.output_tokens, cached_share=point.cached_share)
        rate = point.requests_per_s or 0.0
        shape = f"{point.input_tokens:.0f}x{point.output_tokens:.0f}"
        table.add_row(shape, f"{rate:.4g}", f"{fitted:.4g}", f"{fitted / rate - 1:+.1%}")
    console().print(table)


def _predictions(found: Calibration, shapes: Sequence[Shape]) -> dict[str, Any]:
    if found.work is None or not shapes:
        return {}
    return {
        "predictions": [
            {
                "input_tokens": shape[0],
                "output_tokens": shape[1],
                "box_s_per_request": found.work.box_s(*shape),
                "requests_per_s": 1 / found.work.box_s(*shape),
                "error_share": found.work.error_at(*shape),
                "extrapolates": found.work.extrapolates(*shape) or None,
            }
            for shape in shapes
        ]
    }


def _show_predictions(found: Calibration, shapes: Sequence[Shape]) -> None:
    for row in _predictions(found, shapes).get("predictions", ()):
        beyond = f"; extrapolated: {row['extrapolates']}" if row["extrapolates"] else ""
        console().print(
            f"  predicted     {row['input_tokens']}x{row['output_tokens']}: {row['requests_per_s']:.4g} requests/s, "
            f"three of four times within {row['error_share']:.0%}{beyond}",
            markup=False,
        )
