"""`cost compare`: workload off a file or the ledger, the GPU found in the box, the report as HTML and Markdown."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost


def ask(folder: Path, *words: str, **env: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr, in a folder."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(
            build_cost("compare"), ["compare", *words], env={"LOCALFLEET_HOME": str(folder), **env}
        )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def told(folder: Path, *words: str, **env: str) -> dict[str, Any]:
    """The JSON."""
    code, text, error = ask(folder, *words, "--json", **env)
    assert code == 0, error
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """An hour of 3,601 requests, one a second: 100 tokens in and 10 out, every other 300 and 30."""
    rows = [f"{second},{300 if second % 2 else 100},{30 if second % 2 else 10}" for second in range(3601)]
    file = tmp_path / "work.csv"
    file.write_text("timestamp_s,input_tokens,output_tokens\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_the_workload_of_a_file(tmp_path: Path, trace: Path) -> None:
    """One a second is 2.63 million a month, of 200 in and 20 out; the report says where that comes from."""
    found = told(tmp_path, "--gpu", "h100", "--workload", str(trace))
    assert found["workload"]["requests_per_month"] == pytest.approx(3601 / 3600 * 2_628_000)
    assert found["workload"]["input_tokens_per_request"] == pytest.approx(200, rel=1e-3)
    assert "work.csv: read off 3,601 requests in 1 hours, scaled flat" in found["assumed"]["workload"]


def test_the_workload_of_the_ledger(tmp_path: Path, busy_home: Path) -> None:
    """A hundred requests in ten days are 304 a month."""
    found = told(tmp_path, "--gpu", "h100", "--recorded", LOCALFLEET_HOME=str(busy_home))
    assert found["workload"]["requests_per_month"] == pytest.approx(100 * 730 / 240, rel=0.01)
    assert found["assumed"]["workload"].startswith("the ledger: read off 100 requests in 10.0 days")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--recorded"], "no traffic"),
        (["--workload", "none.csv"], "none.csv: cannot be read"),
        (["--workload", "one.csv", "--recorded"], "give one of them"),
        (["--workload", "one.csv"], "a month cannot be read off less than a minute"),
        (["--workload", "backwards.csv"], "backwards.csv:3"),
    ],
)
def test_a_workload_that_says_nothing_is_refused(tmp_path: Path, words: list[str], says: str) -> None:
    """Exit 2 and one sentence; no default is put in its place."""
    head = "timestamp_s,input_tokens,output_tokens\n"
    (tmp_path / "one.csv").write_text(head + "0,1,1\n", encoding="utf-8")
    (tmp_path / "backwards.csv").write_text(head + "100,1,1\n5,1,1\n", encoding="utf-8")
    code, _, error = ask(tmp_path, "--gpu", "h100", *words)
    assert code == 2
    assert says in error


def test_the_report_of_a_comparison(tmp_path: Path) -> None:
    """HTML with plots and the five questions, Markdown with the same verdict."""
    html = tmp_path / "r.html"
    code, text, _ = ask(tmp_path, "--gpu", "h100", "--html", str(html), "--markdown")
    page = html.read_text(encoding="utf-8")
    assert code == 0
    assert page.count("<svg") == 4
    assert page.count("<article>") == 5
    assert "**Rent tokens: " in text
    assert "how sure: the box is cheaper" in ask(tmp_path, "--gpu", "h100")[1]
    assert told(tmp_path, "--gpu", "h100")["box_cheaper_share"] < 0.5


def test_a_comparison_explains_its_numbers(tmp_path: Path) -> None:
    """`--explain` prints formula, inputs and sources; an unknown id is met with those near it."""
    code, text, _ = ask(tmp_path, "--gpu", "h100", "--explain", "box.usd_per_month")
    assert code == 0
    assert "box.usd_per_month (fixed) = $2,913 a month" in text
    assert ask(tmp_path, "--gpu", "h100", "--explain", "box.usd_per_mnth")[0] == 2
    assert ask(tmp_path, "--requests-per-month", "0", "--explain", "box")[0] == 2


def test_without_traffic_no_report_is_written(tmp_path: Path) -> None:
    """It says so; an empty report would look like an answer."""
    code, _, error = ask(tmp_path, "--requests-per-month", "0", "--html", str(tmp_path / "r.html"))
    assert code == 1
    assert "no traffic" in error
    assert not (tmp_path / "r.html").exists()


def test_the_gpus_of_this_box_are_found(tmp_path: Path) -> None:
    """Without --gpu the driver is asked: two L40S are two L40S; an unknown card is named and not guessed."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'NVIDIA L40S, 46068 MiB\\nNVIDIA L40S, 46068 MiB\\n'\n", encoding="utf-8")
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    found = told(tmp_path, PATH=path)
    assert found["box"]["name"] == "2 x L40S"
    assert "2 x L40S found in this box" in found["warnings"]
    assert told(tmp_path, "--gpu", "h100", PATH=path)["box"]["name"] == "H100 SXM"
    tool.write_text("#!/bin/sh\nprintf 'NVIDIA GB999, 1 MiB\\n'\n", encoding="utf-8")
    assert any("GB999" in note for note in told(tmp_path, PATH=path)["warnings"])
