"""`localfleet cost calibrate` as a user types it, and the file that it writes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.errors import BadInput
from localfleet.traces.calibration_file import read_calibration

POINTS = "model,input_tokens,output_tokens,requests_per_s\n" + "".join(
    f"M,{into},{out},{1e6 / (20 * into + 30 * out + 0.05 * out * (into + out / 2) + wrong)}\n"
    for into, out, wrong in (
        (64, 64, 90),
        (64, 1024, 0),
        (1024, 64, 0),
        (1024, 1024, 0),
        (4096, 256, -9),
        (256, 2048, 0),
    )
)


def calibrate(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(build_cli("cost"), ["cost", "calibrate", *words])


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Six shapes of a box that is nearly exactly 20, 30, 0.05."""
    path = tmp_path / "points.csv"
    path.write_text(POINTS)
    return path


def test_coefficients_errors_and_predictions(points: Path) -> None:
    """What was fitted, how wrong it is on shapes left out, and where a prediction extrapolates."""
    done = calibrate(str(points), "--predict", "512x512", "--predict", "64000x10", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["token_work"]["a_us"] == pytest.approx(20, rel=0.05)
    assert 0 < said["token_work"]["loo_mape"] < 0.1
    inside, beyond = said["predictions"]
    assert inside["requests_per_s"] == pytest.approx(1e6 / (20 * 512 + 30 * 512 + 0.05 * 512 * 768), rel=0.03)
    assert inside["extrapolates"] is None
    assert beyond["extrapolates"] == "64000 input tokens; measured were 64 to 4096"


def test_the_file_it_writes_is_read_again(points: Path, tmp_path: Path) -> None:
    """The calibration file holds the points, so the same fit comes out of it, by hand or by the command."""
    file = tmp_path / "box" / "m.json"
    assert calibrate(str(points), "--out", str(file)).exit_code == 0
    again = json.loads(calibrate(str(file), "--json").stdout)
    work = read_calibration(file).work
    assert work is not None
    assert work.a_us == again["token_work"]["a_us"] == json.loads(file.read_text())["token_work"]["a_us"]


def test_three_shapes_are_refused(points: Path) -> None:
    """Exit 1, and the sentence says how many to measure."""
    points.write_text("".join(POINTS.splitlines(keepends=True)[:4]))
    done = calibrate(str(points))
    assert done.exit_code == 1
    assert "3 shapes are too few: measure at least 4" in " ".join(done.output.split())


def test_two_models_are_two_fits_and_one_file_holds_one(points: Path, tmp_path: Path) -> None:
    """Coefficients of different boxes are never mixed."""
    points.write_text(POINTS + POINTS.partition("\n")[2].replace("M,", "N,"))
    assert len(json.loads(calibrate(str(points), "--json").stdout)) == 2
    assert calibrate(str(points), "--out", str(tmp_path / "x.json")).exit_code == 2
    assert calibrate(str(points), "--only", "N", "--out", str(tmp_path / "x.json")).exit_code == 0
    assert calibrate(str(points), "--only", "nobody").exit_code == 2
    assert calibrate(str(points), "--predict", "12").exit_code == 2


def test_a_file_of_something_else_is_no_calibration(points: Path) -> None:
    """A reader of calibrations says how to make one."""
    points.with_suffix(".json").write_text("{}")
    with pytest.raises(BadInput, match="localfleet bench"):
        read_calibration(points.with_suffix(".json"))


def test_a_line_through_two_loads_claims_no_error(tmp_path: Path) -> None:
    """It fits exactly whatever was measured; a third load can contradict it."""
    path = tmp_path / "loads.csv"
    rows = ["isl,osl,out_tok_s,avg_batch,tpot_ms", "256,256,100,1,10", "256,256,190,2,10.5"]
    path.write_text("\n".join(rows) + "\n")
    assert "two loads fit any line, so its error is not known" in " ".join(calibrate(str(path)).output.split())
    path.write_text("\n".join([*rows, "256,256,360,4,11.1"]) + "\n")
    assert "left out" in calibrate(str(path)).output
