"""`routing thresholds` on a real ledger: what is proposed, with which promise, and what is not for want of data."""

import json
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shadow_rig import Clock, receipt
from sums import written
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Part, Receipt
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.outcomes import rated
from localfleet.training.file import bytes_of
from localfleet.training.fit import facts_of
from localfleet.training.labelled import kept_features, read_labelled
from localfleet.training.share import trained
from localfleet.training.table import pair_of, tabled

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
hosted:
  best: {provider: openai, model: m, tier: dear, accepts: internal, api_key_env: K, context_tokens: 9999}
privacy: {default: public}
tasks:
  graded: {first: small, fallback: [best], cascade: {judge: {callable: "math:sqrt", least_score: 0.95}}}
  rare: {first: small, fallback: [best], cascade: {judge: {model: {model: small}}}}
  plain: {first: small, fallback: [best], cascade: {judge: {least_chars: 9}}}
  two: {first: small, fallback: [best], cascade: {judge: {model: {}, callable: "math:sqrt"}}}
ROUTING
"""
GRADED = 900


def part(name: str, role: str, model: str, **more: Any) -> Part:
    """One call, or one side of a shadow."""
    facts: dict[str, Any] = {
        "request_id": name, "role": role, "model": model, "tier": "local" if model == "small" else "dear",
        "label": Label.PUBLIC, "reason": Reason.TASK_RULE, "outcome": Reason.ANSWERED, "cost_usd": Decimal(0),
    } | more  # fmt: skip
    return Part(**facts)


def action(name: str, task: str, score: float | None) -> Receipt:
    """A cascade whose first answer went out."""
    draft = part(f"{name}.1", "draft", "small", verdict="passed", score=score)
    return receipt(name, task=task, parts=(draft,))


def pair(name: str, task: str, small: float, best: float) -> Receipt:
    """Its shadow at the last door, both graded."""
    parts = (part(name, "control", "small", score=small), part(f"{name}-shadow.1", "shadow", "best", score=best))
    return receipt(
        f"{name}-shadow", task=task, action=name, role="shadow", key_id="shadow:x", arm="x:trial", parts=parts
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that knows: its score is the chance that the small model is right. And ten answers of another task."""
    folder, chance = tmp_path_factory.mktemp("state"), random.Random(3)
    folder.chmod(0o700)
    ledger = SqliteLedger(folder, clock=Clock())
    for n in range(GRADED):
        score = chance.random()
        ledger.settle(action(f"g{n}", "graded", score))
        ledger.settle(pair(f"g{n}", "graded", float(chance.random() < score), float(chance.random() < 0.8)))
    for n in range(10):
        ledger.settle(action(f"r{n}", "rare", 0.75))
    ledger.settle(receipt("said-nothing", task="rare"))
    assert ledger.close()  # receipts first, then what is said of them
    ledger = SqliteLedger(folder, clock=Clock())
    for n in range(10):
        ledger.note_feedback(Feedback(request_id=f"r{n}", at=time.time(), key_id="k", accepted=n > 0))
    ledger.close()
    return folder


def run(home: Path, file: Path, *words: str, code: int = 0) -> str:
    """The command."""
    done = CliRunner().invoke(
        build_cli("routing"), ["routing", "thresholds", "--config", str(file), *words],
        env={"LOCALFLEET_HOME": str(home)},
    )  # fmt: skip
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The models.yaml."""
    path = tmp_path / "models.yaml"
    path.write_text(FILE.replace("ROUTING", ""), encoding="utf-8")
    return path


def test_what_was_said_is_joined_to_what_was_judged(home: Path) -> None:
    """Pairs have both sides, feedback the one that answered; a request of which nothing was said is none."""
    said = rated(home, since=0, until=time.time() + 1)
    assert len(said) == GRADED + 10
    assert set(said[0].said) == {"small", "best"}
    one = next(row for row in said if row.request_id == "r0")
    assert (one.said, one.drafts) == ({"small": 0.0}, (("small", 0.75),))


def test_a_threshold_is_proposed_with_its_promise(home: Path, file: Path) -> None:
    """The judge asks for more than the promise needs: a lower threshold, what it keeps, as a change of the file."""
    rows = {row["at"]: row for row in json.loads(run(home, file, "--json"))}
    found = rows["tasks.graded.cascade.judge.least_score"]
    assert found["now"] == 0.95
    assert 0.3 < found["proposed"] < 0.95
    assert (found["claim"]["quality"], found["claim"]["confidence"], found["claim"]["prompts"]) == (0.97, 0.95, GRADED)
    assert found["claim"]["seen_quality"] >= 0.97
    text = run(home, file)
    assert f"-  least_score: 0.95\n+  least_score: {found['proposed']:g}" in text
    assert "quality at least 97% of always asking" in text


def test_too_little_is_told_with_the_cure(home: Path, file: Path) -> None:
    """Ten answers prove nothing; a cascade without a score, or with two, has no threshold to move."""
    rows = {row["at"]: row for row in json.loads(run(home, file, "--json"))}
    rare = rows["tasks.rare.cascade.judge.model.least"]
    assert (rare["now"], rare["proposed"]) == (4, None)
    assert "10 requests of which something was said do not prove 97%" in rare["why"]
    assert rows["tasks.plain.cascade.judge"]["why"] == "no judge of it gives a score"
    assert "both give scores" in rows["tasks.two.cascade.judge"]["why"]
    assert all(row["proposed"] is None for row in json.loads(run(home, file, "--json", "--days", "0", code=1)))


def test_the_classifier_s_threshold_too(tmp_path: Path) -> None:
    """Kept features by request id, and both sides from shadows: a threshold for a classifier that had none proven."""
    table = tabled(list(read_labelled((json.dumps(one).encode() for one in written(300, 1)), name="sums")))
    pair_ = pair_of(table, None, None)
    (tmp_path / "m").write_bytes(bytes_of(trained(table, pair_), facts_of(table, pair_)))
    fresh = written(1200, 5)
    kept = kept_features((json.dumps({"id": one["id"], "text": one["text"]}).encode() for one in fresh), name="fresh")
    (tmp_path / "kept.jsonl").write_text("\n".join(json.dumps(row) for row in kept), encoding="utf-8")
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    ledger = SqliteLedger(home, clock=Clock())
    for one in fresh:
        ledger.settle(receipt(str(one["id"]), task="other"))
        ledger.settle(pair(str(one["id"]), "other", float(bool(one["weak"])), float(bool(one["strong"]))))
    ledger.close()
    routing = f"routing: {{order: [difficulty], difficulty: {{classifier: {{file: '{tmp_path / 'm'}'}}}}}}"
    file = tmp_path / "models.yaml"
    file.write_text(FILE.replace("ROUTING", routing), encoding="utf-8")
    found = json.loads(run(home, file, "--json", "--features", str(tmp_path / "kept.jsonl"), "--quality", "0.95"))[-1]
    assert found["at"] == "routing.difficulty.classifier.threshold"
    assert 0 < found["proposed"] < 1
    assert 0 < found["claim"]["strong_share"] < 1
    assert found["claim"]["prompts"] == len(fresh)
    without = json.loads(run(home, file, "--json", code=1))[-1]
    assert "`routing.keep_features: true` keeps them" in without["why"]


def test_a_last_door_may_be_any_model_of_the_box(home: Path, file: Path) -> None:
    """`local` in a row means every model of the box but the one that answered first."""
    one = "weights: smollm2-135m-instruct"
    text = FILE.replace("ROUTING", "").replace(f"{{small: {{{one}}}}}", f"{{small: {{{one}}}, best: {{{one}}}}}")
    text = text.replace("  best: {provider", "  other: {provider").replace("fallback: [best]", "fallback: [local]")
    file.write_text(text, encoding="utf-8")
    rows = {row["at"]: row for row in json.loads(run(home, file, "--json"))}
    assert rows["tasks.graded.cascade.judge.least_score"]["proposed"] is not None
