"""The calibration file: what was measured, what was fitted to it and how wrong that is. Written whole, read again."""

import json
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from localfleet.core.cost.calibration import Calibration, SloRate, calibrate
from localfleet.core.cost.fit import StepFit, WorkFit
from localfleet.core.cost.points import Point
from localfleet.errors import BadInput, FleetError
from localfleet.traces.benchmarks import CALIBRATION_FORMAT, measured
from localfleet.traces.files import documents

__all__ = ["calibration_json", "read_calibration", "write_calibration"]


def calibration_json(found: Calibration, *, made: date, source: str) -> dict[str, Any]:
    """Plain values, points included, so that everything can be fitted again."""
    return {
        "format": CALIBRATION_FORMAT,
        "model": found.name,
        "made": made.isoformat(),
        "source": source,
        "token_work": None if found.work is None else work_json(found.work),
        "no_token_work": found.no_work or None,
        "affine_step": [step_json(shape, fit) for shape, fit in found.steps],
        "slo": [slo_json(rate) for rate in found.slo],
        "warnings": list(found.warnings),
        "points": [point_json(point) for point in found.points],
    }


def work_json(fit: WorkFit) -> dict[str, Any]:
    """Coefficients and errors; errors are shares."""
    return {
        "a_us": fit.a_us,
        "b0_us": fit.b0_us,
        "k_us": fit.k_us,
        "shapes": fit.shapes,
        "mape": fit.mape,
        "worst": fit.worst,
        "loo_mape": fit.loo_mape,
        "loo_max": fit.loo_max,
        "input_tokens_measured": list(fit.input_range),
        "output_tokens_measured": list(fit.output_range),
        "unsettled": list(fit.unsettled),
    }


def step_json(shape: tuple[float, float], fit: StepFit) -> dict[str, Any]:
    """Coefficients and errors of one curve."""
    return {
        "input_tokens": shape[0],
        "output_tokens": shape[1],
        "alpha_ms": fit.alpha_ms,
        "beta_ms": fit.beta_ms,
        "points": fit.points,
        "mape": fit.mape,
        "worst": fit.worst,
        "loo_mape": fit.loo_mape,
        "batch_measured": list(fit.batch_range),
        "is_affine": fit.is_affine,
    }


def slo_json(rate: SloRate) -> dict[str, Any]:
    """The rate under limits, and what was tried."""
    plain = {each.name: getattr(rate, each.name) for each in fields(rate) if each.name != "trials"}
    trials = [{"requests_per_s": tried, "kept": kept} for tried, kept in rate.trials]
    return {**plain, "derate": rate.derate, "trials": trials}


def point_json(point: Point) -> dict[str, Any]:
    """Everything that was measured; what was not is left out."""
    plain = {each.name: getattr(point, each.name) for each in fields(point)}
    return {name: value for name, value in plain.items() if value is not None and name not in {"source", "line"}}


def write_calibration(path: Path, found: Calibration, *, made: date, source: str) -> None:
    """Write beside and move in place, so that nobody reads half a file; raises `FleetError`."""
    draft = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(calibration_json(found, made=made, source=source), indent=2) + "\n")
        draft.replace(path)
    except OSError as exc:
        raise FleetError(f"{path} cannot be written ({exc.strerror}); name another file with --out") from exc


def read_calibration(path: Path) -> Calibration:
    """The file again, fitted anew from its points; raises `BadInput`."""
    _, document = next(documents(path))
    if not isinstance(document, dict) or document.get("format") != CALIBRATION_FORMAT:
        raise BadInput(
            path.name, None, "format", "is no calibration; make one with `localfleet bench` or `cost calibrate`"
        )
    found = measured(path)
    return calibrate(found[0][0], [point for _, point in found], slo=_slo(path, document.get("slo") or ()))


def _slo(path: Path, rows: Any) -> tuple[SloRate, ...]:
    names = [each.name for each in fields(SloRate) if each.name != "trials"]
    try:
        return tuple(
            SloRate(
                **{name: float(row[name]) for name in names},
                trials=tuple((float(each["requests_per_s"]), bool(each["kept"])) for each in row["trials"]),
            )
            for row in rows
        )
    except (KeyError, TypeError, ValueError):
        raise BadInput(path.name, None, "slo", "is not as `localfleet bench` writes it; make the file anew") from None
