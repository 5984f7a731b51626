"""How well the shipped layers do: floors on prompts made by another method, and on development sets where they are."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from localfleet.config import parse_settings
from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.core.policy import Policy
from localfleet.evaluate import judge_all, read_samples, summary
from localfleet.explain import Explainer
from localfleet.readers.load import load_meaning, load_reader
from localfleet.rulebook import build_rules

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "privacy"


def measured(lines: list[bytes]) -> dict[str, Any]:
    """The summary of all layers."""
    reader = load_reader()
    settings = parse_settings(b"version: 1\nlocal: {m: {weights: w}}\nprivacy: {layers: all}\n")
    explainer = Explainer(
        models=(),
        rules=build_rules(settings, meaning=load_meaning()),
        policy=Policy(),
        caller=Caller(key_id="k", name="k", default_label=Label.PUBLIC),
        reader=reader,
    )
    return summary(judge_all(read_samples(lines), explainer.from_public, time.perf_counter))


@pytest.mark.slow
@pytest.mark.parametrize(("script", "alarms"), [("fresh_prompts.py", 0.02), ("fresh_grammar.py", 0.06)])
def test_fresh_prompts_keep_their_floor(script: str, alarms: float) -> None:
    """A thousand prompts made by other methods than the training data: recall and false alarms together."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "bench" / script), "--seed", "7", "--many", "1000"],
        capture_output=True,
        check=True,
    )
    found = measured(made.stdout.splitlines())
    assert found["recall"][0]["share"] >= 0.92
    assert found["false_alarms"][0]["share"] <= alarms


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "recall", "alarms"),
    [
        ("prompts_dev", 0.92, 0.02),
        ("synth_v2_dev", 0.97, 0.01),
        ("secrets_dev", 0.98, 0.16),
        ("negatives_dev", None, 0.01),
        ("prism_routing_dev", 0.98, 0.05),
        ("vsr_privacy_kb_dev", 0.95, 0.03),
    ],
)
def test_development_sets_keep_their_floor(name: str, recall: float | None, alarms: float) -> None:
    """The sets beside the project, where they are: what was reached is not lost unseen."""
    file = SHARED / f"{name}.jsonl"
    if not file.is_file():
        pytest.skip("the development sets are not beside the project")
    found = measured(file.read_bytes().splitlines())
    assert recall is None or found["recall"][0]["share"] >= recall
    assert found["false_alarms"][0]["share"] <= alarms
    assert json.dumps(found)
