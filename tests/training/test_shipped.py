"""The labelled prompts that ship: well-formed, measured as their result file says, and used where no data is named."""

import json
import re
from collections import Counter
from pathlib import Path

import orjson
import pytest
from here import run_here

from localfleet.errors import FleetError
from localfleet.training.labelled import read_labelled
from localfleet.training.shipped import said_of_shipped, shipped_outcomes

RESULTS = Path(__file__).resolve().parent.parent.parent / "bench/outcomes"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    """Its lines, the title first."""
    return [orjson.loads(line) for line in shipped_outcomes().read_bytes().splitlines()]


def test_it_is_well_formed(rows: list[dict[str, object]]) -> None:
    """A title with licence and models, and below it prompts of many kinds, each once, with a check and two outcomes."""
    title, *prompts = rows
    assert title["licence"] == "CC0-1.0"
    assert 300 <= len(prompts) <= 500
    assert len({row["text"] for row in prompts}) == len({row["id"] for row in prompts}) == len(prompts)
    kinds = Counter(row["task"] for row in prompts)
    assert len(kinds) >= 10
    assert min(kinds.values()) >= 20
    assert all(("number" in row) != ("exact" in row) for row in prompts)
    assert all(isinstance(row[side], bool) for row in prompts for side in ("weak", "strong"))
    assert len(list(read_labelled(shipped_outcomes().read_bytes().splitlines(), name="shipped"))) == len(prompts)


def test_there_is_something_to_route_by(rows: list[dict[str, object]]) -> None:
    """Neither model is right nearly always or never, the stronger one more often, and each alone on many prompts."""
    prompts = rows[1:]
    weak, strong = (sum(row[side] is True for row in prompts) / len(prompts) for side in ("weak", "strong"))
    assert 0.3 < weak < strong < 0.7
    for better, other in (("weak", "strong"), ("strong", "weak")):
        alone = Counter(row["task"] for row in prompts if row[better] and not row[other])
        assert 0.1 < alone.total() / len(prompts) < 0.4
        assert len(alone) >= 10


def test_its_outcomes_are_those_of_the_result_file(rows: list[dict[str, object]]) -> None:
    """Nobody changed an outcome by hand: the counts are those that the bench wrote last."""
    title, *prompts = rows
    newest = json.loads(max(RESULTS.glob("*.json")).read_text(encoding="utf-8"))
    assert newest["commit"] == title["commit"]
    found: dict[str, dict[str, int]] = {}
    for row in prompts:
        kind = found.setdefault(str(row["task"]), {"prompts": 0, "weak": 0, "strong": 0})
        for key, more in (("prompts", 1), ("weak", row["weak"]), ("strong", row["strong"])):
            kind[key] += int(bool(more))
    assert found == newest["by_task"]


def test_a_title_is_no_prompt_and_stands_first_alone() -> None:
    """A first line with a licence and no prompt is passed over; further down it is a line without a prompt."""
    title, row = b'{"licence": "CC0-1.0", "about": "x"}', b'{"text": "a", "weak": 1, "strong": 1, "licence": "MIT"}'
    assert len(list(read_labelled([title, row], name="f"))) == 1
    assert len(list(read_labelled([row, row], name="f"))) == 2
    with pytest.raises(FleetError, match=r"^f:2 has no"):
        list(read_labelled([row, title], name="f"))


def test_without_data_train_takes_what_ships_and_says_so(tmp_path: Path) -> None:
    """The line stands on stderr, and what follows is about the models of that set."""
    command = ("routing", "train", "--strong", "nobody")
    done = run_here(*command, folder=tmp_path, env={"LOCALFLEET_HOME": str(tmp_path)})
    said, error = done.stderr.splitlines()
    assert (done.returncode, said) == (1, said_of_shipped())
    assert re.search(r"\d{3} prompts that ship, as SmolLM2-135M-Instruct \(weak, \d\d% right\)", said)
    assert "nobody" in error
    assert "weak" in error


def test_nothing_is_promised_about_the_set_that_ships(tmp_path: Path) -> None:
    """Calibrating without data is refused with the reason: the promise would be about two models of somebody else."""
    done = run_here("routing", "calibrate", folder=tmp_path, env={"LOCALFLEET_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "outcomes of your own models" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.slow
def test_train_without_data_writes_a_file_that_scores(tmp_path: Path) -> None:
    """It says what it took instead, on stderr; the file asks more often for help with capitals than with moods."""
    env = {"LOCALFLEET_HOME": str(tmp_path)}
    done = run_here("routing", "train", "--json", folder=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, f"{said_of_shipped()}\n")
    assert json.loads(done.stdout)["prompts"] >= 300
    asked = '{"text": "What is the capital of Belgium?"}\n{"text": "Is this review positive or negative? A fine lamp."}'
    done = run_here("routing", "score", "--json", folder=tmp_path, env=env, stdin=asked)
    capital, mood = (json.loads(line) for line in done.stdout.splitlines())
    assert capital["known"]
    assert 0 <= mood["score"] < capital["score"] <= 1


@pytest.mark.slow
def test_evaluate_without_data_measures_each_strategy_beside_its_claim(tmp_path: Path) -> None:
    """Key words, length and classifier: APGR with its interval, how often each is right, and what the articles say."""
    done = run_here("routing", "evaluate", folder=tmp_path, env={"LOCALFLEET_HOME": str(tmp_path)})
    said, *folds = done.stderr.splitlines()
    assert (done.returncode, said, len(folds)) == (0, said_of_shipped(), 10)
    assert all(line.endswith("of 5, training on what is not in it") for line in folds)
    lines = done.stdout.splitlines()
    for router, claim in (("keywords", "about 70 %"), ("length", "about 65 %"), ("classifier", "85 to 90 %")):
        line = next(line for line in lines if line.startswith("random folds") and f" {router} " in line)
        assert claim in line
        apgr, low, _to, high = line.split()[4:8]
        assert float(low) < float(apgr) < float(high)
