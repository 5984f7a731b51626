"""`routing suite` against a running router: candidates, the gate, the law, the budget, the scores it writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_rig import until
from knowing_model import KnowingModel
from router import KEY_ENV, Router
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.errors import BadInput
from localfleet.storage.report import totals
from localfleet.suites.read import read_suite

MANY = 80
RIGHT = {f"q{n}": str(n) for n in range(MANY)}
HALF = {word: answer for word, answer in RIGHT.items() if int(answer) % 2}


def lines() -> str:
    """Two tasks, the first public; two prompts that are not."""
    rows: list[dict[str, Any]] = [{"suite": "own", "licence": "CC0-1.0"}]
    for n in range(MANY):
        task = "even" if n % 2 == 0 else "odd"
        rows.append({"id": f"q{n}", "task": task, "privacy": "public", "prompt": f"q{n} which number?", "number": n})
    rows += [{"id": "inner", "prompt": "inner thoughts", "exact": "no idea"}]
    rows += [{"id": "secret", "privacy": "restricted", "prompt": "secret thoughts", "exact": "no idea"}]
    return "\n".join(map(json.dumps, rows))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Router, KnowingModel, Path]]:
    """A box that knows half, a hosted model that knows all, a dear one, and the router before them."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "own.jsonl").write_text(lines())
    with KnowingModel(HALF) as half, KnowingModel(RIGHT) as whole, KnowingModel(RIGHT) as dear:
        file = {
            "version": 1,
            "local": {"half": half.local()},
            "hosted": {
                "whole": whole.hosted(KEY_ENV, "1"),
                "dear": dear.hosted(KEY_ENV, "50"),
            },
            "routing": {"prefer": "hosted"},
        }
        with Router.start(folder / "router", file) as router:
            yield router, whole, folder


def run(router: Router, *words: str) -> tuple[int, Any]:
    """The command's exit code and what it printed as JSON."""
    done = invoked(router, *words, "--url", router.url, "--json")
    return done.exit_code, json.loads(done.stdout)


def invoked(router: Router, *words: str) -> Result:
    """Run it in this process: a new one would load everything again."""
    config = ("--config", str(router.folder / "models.yaml"))
    return CliRunner().invoke(build_cli("routing"), ["routing", "suite", *words, *config], catch_exceptions=True)


def test_candidates_are_held_against_the_door_of_today(rig: tuple[Router, KnowingModel, Path]) -> None:
    """Score, cost and gate of each; hosted ones get public prompts only; each answer has a receipt; scores are kept."""
    router, whole, folder = rig
    scores = folder / "scores.csv"
    code, told = run(router, str(folder / "own.jsonl"), "--scores", str(scores))
    rows = {row["model"]: row for row in told["models"]}
    assert (code, list(rows)) == (1, ["auto", "half", "whole", "dear"])
    assert rows["auto"]["answered_by"]["whole"] == MANY + 1
    assert (rows["half"]["right"], rows["half"]["prompts"]) == (MANY // 2 + 2, MANY + 2)
    assert (rows["whole"]["right"], rows["whole"]["not_for_it"]) == (MANY, 2)
    gates = {name: (row["gate"], row["why"]) for name, row in rows.items()}
    assert gates == {
        "auto": ("today", "what candidates are held against"),
        "half": ("fail", "it is worse"),
        "whole": ("pass", "good enough, and no dearer than allowed"),
        "dear": ("fail", "good enough, and dearer than allowed"),
    }
    assert rows["half"]["usd"] == "0"
    assert float(rows["whole"]["usd"]) == pytest.approx(MANY * 110 / 1e6)
    assert rows["half"]["high"] < rows["whole"]["low"]
    assert "secret" not in whole.asked
    # A receipt is on disk a moment after its answer.
    assert until(lambda: {row.group: row.requests for row in totals(router.home, by="model")}["dear"] == MANY)
    assert "half,even,0.0000,localfleet suite own" in scores.read_text()
    assert "half,odd,1.0000,localfleet suite own" in scores.read_text()


def test_money_is_a_bound(rig: tuple[Router, KnowingModel, Path]) -> None:
    """What would go over it is refused by the router itself; a candidate that passes makes exit 0."""
    router, _, folder = rig
    few = ("--model", "dear", "--against", "dear", "--prompts", "20")
    _, told = run(router, str(folder / "own.jsonl"), *few, "--usd", "0.02")
    (row,) = told["models"]
    assert 0 < row["prompts"] < 20
    assert float(row["usd"]) <= 0.02
    assert "over_max_cost" in row["stopped"]
    code, told = run(router, str(folder / "own.jsonl"), "--model", "whole", "--against", "dear")
    assert (code, told["models"][1]["gate"]) == (0, "pass")


def test_what_people_read(rig: tuple[Router, KnowingModel, Path]) -> None:
    """A table, a sentence for each, and no word of a prompt; without a router the cure."""
    router, _, folder = rig
    words = [str(folder / "own.jsonl"), "--model", "half", "--prompts", "30"]
    said = invoked(router, *words, "--url", router.url).stdout
    assert "half: it is worse; right answers minus today's" in said
    assert "auto: what candidates are held against; answered by whole x" in said
    assert "which number" not in said
    framed = invoked(router, "--model", "unknown").output.replace("│", " ")
    assert "unknown; it has half, whole, dear" in " ".join(framed.split())
    done = invoked(router, *words, "--url", "http://127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "localfleet up" in str(done.exception)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "x"}, "exactly one way"),
        ({"prompt": "x", "exact": "y", "number": 3}, "exactly one way"),
        ({"prompt": " ", "exact": "y"}, "not empty"),
        ({"prompt": "x", "exact": []}, "a text, or a list"),
        ({"prompt": "x", "regex": "(?<=a)b"}, "RE2"),
        ({"prompt": "x", "choice": "C", "options": ["a", "b"]}, "letter of one"),
        ({"prompt": "x", "exact": "y", "privacy": "secret"}, "public, internal, restricted"),
        ({"prompt": "x", "exact": "y", "answer": "y"}, "no key of a suite"),
        ({"prompt": "x", "json_schema": "y"}, "an object"),
    ],
)
def test_a_suite_that_is_wrong_is_named(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    """With its line and what to write."""
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"suite": "own"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(BadInput, match=says) as refused:
        read_suite(file)
    assert refused.value.line == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_shipped_suite_with_the_shipped_model(tmp_path: Path) -> None:
    """The real embedded model answers all sixty: some right, far from all; a stand-in that knows nothing is worse."""
    with KnowingModel({}) as nothing:
        small = {"engine": "llamacpp", "weights": "smollm2-135m-instruct", "context_tokens": 2048, "threads": 1}
        file = {"version": 1, "local": {"small": small, "nothing": nothing.local()}}
        with Router.start(tmp_path, file, verb="up", ready_s=120) as router:
            code, told = run(router, "--against", "small", "--seconds", "500", "--margin", "0")
    rows = {row["model"]: row for row in told["models"]}
    print(json.dumps(rows["small"], indent=1))
    assert (code, told["suite"], told["prompts"]) == (1, "localfleet-basic", 60)
    assert rows["small"]["prompts"] == 60
    assert 5 <= rows["small"]["right"] <= 40
    assert len(rows["small"]["tasks"]) == 10
    assert rows["nothing"]["right"] <= 2
    assert rows["nothing"]["gate"] == "fail"
