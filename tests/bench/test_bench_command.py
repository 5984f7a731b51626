"""`localfleet bench` as a user types it: a server by its URL, and what is refused before anything is asked."""

import json
from pathlib import Path

import pytest
from process import Tap
from router import Router
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.cli.bench import calibration_path
from localfleet.errors import FleetError
from localfleet.traces.calibration_file import read_calibration


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder and a working folder of its own."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(build_cli("bench"), ["bench", *words])


def test_a_server_that_does_not_count_is_no_bench(local_tap: Tap) -> None:
    """Without the engine's own counts there is nothing to fit to."""
    error = bench(f"{local_tap.url}/v1", "--model", "local-model").exception
    assert isinstance(error, FleetError)
    assert "does not count the tokens" in error.message


@pytest.mark.slow
def test_the_embedded_engine_behind_a_router_is_measured(place: Path) -> None:
    """By the router's URL: rates and times as JSON, the same in the state folder, where `cost` finds it."""
    settings = {"version": 1, "local": {"small": {"weights": "smollm2-135m-instruct"}}}
    with Router.start(place / "router", settings, verb="up") as running:
        shapes = "40x6,40x24,90x6,90x16"
        words = ("--model", "small", "--shapes", shapes, "--together", "1,2", "--rounds", "3", "--no-slo", "--json")
        done = bench(f"{running.url}/v1", *words, "--seconds", "100")
    said = json.loads(done.stdout)
    assert said["model"] == "small"
    assert all(point["requests_per_s"] > 0 and point["ttft_p50_ms"] > 0 for point in said["points"])
    assert len(read_calibration(calibration_path(place, "small")).points) == len(said["points"]) >= 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("small", "--shapes", "64x64,64x64,9x9,9x9"), "2 shapes are too few"),
        (("small", "--shapes", "64"), "input x output tokens"),
        (("small", "--together", "0"), "numbers from 1"),
        (("http://127.0.0.1:9/v1",), "say the model's name"),
        (("http://127.0.0.1:9/v1", "--model", "m", "--api-key-env", "NOBODY_SET_THIS"), "export it"),
    ],
)
def test_misuse_is_told_before_anything_starts(words: tuple[str, ...], says: str) -> None:
    """Exit code 2, and what to write instead."""
    done = bench(*words)
    assert done.exit_code == 2
    assert says in " ".join(done.output.replace("│", " ").split())


def test_a_model_that_is_not_in_the_file_and_a_server_that_is_not_there(place: Path) -> None:
    """One sentence that says what there is, or what to look at."""
    (place / "models.yaml").write_text("version: 1\nlocal: {small: {weights: smollm2-135m-instruct}}\n")
    with pytest.raises(FleetError, match="there are: small") as caught:
        raise bench("tiny").exception or AssertionError
    assert caught.value.message
    with pytest.raises(FleetError, match=r"^m did not answer a first question .*check its address, name and key"):
        raise bench("http://127.0.0.1:9/v1", "--model", "m").exception or AssertionError
