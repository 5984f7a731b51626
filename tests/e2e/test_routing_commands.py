"""`localfleet routing` as a user runs it: train, score, evaluate, features."""

import json
from pathlib import Path

import pytest
from here import run_here
from sums import lines

from localfleet.core.routing.guarantee import Claim
from localfleet.core.routing.scorer import load

pytestmark = pytest.mark.slow


def localfleet(*words: str, home: Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command in a state folder of its own."""
    env = {"LOCALFLEET_HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = run_here("routing", *words, folder=home, env=env, stdin=stdin.decode())
    return done.returncode, done.stdout, done.stderr


def test_train_score_evaluate(tmp_path: Path) -> None:
    """Labelled lines in, a file out, one number for each line, a table; nothing of the prompts in what is written."""
    data, fresh = tmp_path / "data.jsonl", tmp_path / "fresh.jsonl"
    data.write_bytes(b"\n".join(lines(300, 1)))
    fresh.write_bytes(b"\n".join(lines(100, 2)))
    code, out, _ = localfleet("train", str(data), "--out", str(tmp_path / "m"), home=tmp_path)
    assert code == 0
    assert "300 prompts" in out
    assert f"classifier: {{file: {tmp_path / 'm'}}}" in out
    code, out, _ = localfleet("score", "--model", str(tmp_path / "m"), "--jsonl", str(fresh), home=tmp_path)
    numbers = [float(line) for line in out.splitlines()]
    assert (code, len(numbers)) == (0, 100)
    assert all(0 <= number <= 1 for number in numbers)
    code, out, _ = localfleet("evaluate", str(fresh), "--model", str(tmp_path / "m"), "--json", home=tmp_path)
    assert json.loads(out)["routers"][-1]["apgr"] > 0.6
    words, none = tmp_path / "words.yaml", tmp_path / "none.yaml"
    keywords = "routing: {order: [difficulty], difficulty: {usual: 2, keywords: {4: [buys, sells]}}}"
    for file, routing in ((words, keywords), (none, "routing: {order: []}")):
        file.write_text("\n".join([*FILE.format(model="m").split("routing:")[0].splitlines(), routing]))
    by_words = ("evaluate", str(fresh), "--model", str(tmp_path / "m"), "--config")
    code, out, _ = localfleet(*by_words, str(words), home=tmp_path)
    assert code == 0
    assert "your words" in out
    code, _, err = localfleet(*by_words, str(none), home=tmp_path)
    assert code == 1
    assert "no words of yours" in err
    code, _, err = localfleet("evaluate", str(data), "--model", str(tmp_path / "m"), home=tmp_path)
    assert code == 1
    assert "trained on all of these" in err
    code, out, err = localfleet("evaluate", str(data), home=tmp_path)
    assert "random folds" in out
    assert "river" not in out + err
    assert "random folds: 5 of 5" in err


def test_by_default_the_classifier_lives_in_the_state_folder(tmp_path: Path) -> None:
    """Train and score meet there without being told; data may come from a pipe, as features too."""
    code, kept, _ = localfleet("features", home=tmp_path, stdin=b"\n".join(lines(100, 1)))
    assert (code, len(kept.splitlines())) == (0, 100)
    code, _, err = localfleet("score", home=tmp_path, stdin=b'{"text": "a"}')
    assert code == 1
    assert "routing train" in err
    code, out, _ = localfleet("train", "-", home=tmp_path, stdin=kept.encode())
    assert code == 0
    code, out, _ = localfleet("score", "--json", home=tmp_path, stdin=b'{"prompt": "Where is Rome?"}\n\n')
    assert set(json.loads(out)) == {"score", "known", "gain", "chances"}


def test_a_promise_needs_outcomes_enough(tmp_path: Path) -> None:
    """On a hundred outcomes nothing is promised and nothing written; on two thousand a threshold is, in the file."""
    data, few, many = (tmp_path / name for name in ("data", "few", "many"))
    data.write_bytes(b"\n".join(lines(300, 1)))
    few.write_bytes(b"\n".join(lines(100, 2)))
    many.write_bytes(b"\n".join(lines(2000, 3)))
    localfleet("train", str(data), home=tmp_path)
    before = (tmp_path / "routing.model").read_bytes()
    code, _, err = localfleet("calibrate", str(few), home=tmp_path)
    assert code == 1
    assert "100 outcomes do not prove 97%" in err
    assert (tmp_path / "routing.model").read_bytes() == before
    code, out, _ = localfleet("calibrate", str(many), "--json", home=tmp_path)
    claim = json.loads(out)
    assert code == 0
    assert 0 < claim["strong_share"] < 1
    assert claim["seen_quality"] >= 0.97
    assert load((tmp_path / "routing.model").read_bytes()).claim == Claim(**claim)
    code, _, err = localfleet("calibrate", str(many), "--quality", "97", home=tmp_path)
    assert code == 1
    assert "between 0 and 1" in err


def test_a_trained_file_routes(tmp_path: Path) -> None:
    """The file that `train` wrote, named in models.yaml: a sum goes to the better model, a place does not."""
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"\n".join(lines(400, 1)))
    localfleet("train", str(data), home=tmp_path)
    (tmp_path / "models.yaml").write_text(FILE.format(model=tmp_path / "routing.model"))
    asked = {"easy": "Which river runs through Oslo, and in which country is Lima?",
             "hard": "Anna buys 88 bricks and sells 44 of them at 7 each. What is left?"}  # fmt: skip
    first = {}
    for name, text in asked.items():
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]})
        words = ["explain", "-", "--json", "--privacy", "public", "--config", str(tmp_path / "models.yaml")]
        done = run_here(*words, folder=tmp_path, env={"LOCALFLEET_HOME": str(tmp_path), "KEY": "k"}, stdin=body)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        first[name] = (next(door["model"] for door in found["doors"] if door["legal"]), found["reason"])
    assert first["hard"] == ("best", "by_classifier")
    assert first["easy"][0] == "mini"


FILE = """
version: 1
hosted:
  mini: {{provider: openai, model: gpt-4o-mini, api_key_env: KEY, tier: low_cost, level: 2, accepts: internal}}
  best: {{provider: openai, model: gpt-4o, api_key_env: KEY, tier: premium, level: 5, accepts: internal}}
privacy: {{default: public}}
routing:
  order: [difficulty, objective]
  difficulty: {{classifier: {{file: {model}, levels: {{4: 0.5}}}}}}
"""
