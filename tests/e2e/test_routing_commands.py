"""`localfleet routing` as a user runs it: train, score, evaluate, features."""

import json
import sys
from pathlib import Path
from subprocess import run

import pytest
from sums import lines

pytestmark = pytest.mark.slow


def localfleet(*words: str, home: Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command in a state folder of its own."""
    done = run(
        [sys.executable, "-m", "localfleet", "routing", *words],
        input=stdin,
        capture_output=True,
        env={"LOCALFLEET_HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_train_score_evaluate(tmp_path: Path) -> None:
    """Labelled lines in, a file out, one number for each line, a table; nothing of the prompts in what is written."""
    data, fresh = tmp_path / "data.jsonl", tmp_path / "fresh.jsonl"
    data.write_bytes(b"\n".join(lines(300, 1)))
    fresh.write_bytes(b"\n".join(lines(100, 2)))
    code, out, _ = localfleet("train", str(data), "--out", str(tmp_path / "m"), home=tmp_path)
    assert code == 0
    assert "300 prompts" in out
    code, out, _ = localfleet("score", "--model", str(tmp_path / "m"), "--jsonl", str(fresh), home=tmp_path)
    numbers = [float(line) for line in out.splitlines()]
    assert (code, len(numbers)) == (0, 100)
    assert all(0 <= number <= 1 for number in numbers)
    code, out, _ = localfleet("evaluate", str(fresh), "--model", str(tmp_path / "m"), "--json", home=tmp_path)
    assert json.loads(out)[-1]["apgr"] > 0.6
    code, out, _ = localfleet("evaluate", str(data), home=tmp_path)
    assert "random folds" in out
    assert "river" not in out


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
