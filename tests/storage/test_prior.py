"""Published scores as prior quality: read, matched with a file, blended with what callers said, explained."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rig import Clock, receipt
from typer.testing import CliRunner

from localfleet.catalogue import anyone, build_models, build_policy
from localfleet.cli import build_cli
from localfleet.config import Settings, parse_settings
from localfleet.core.feedback import Feedback
from localfleet.core.receipt import Receipt
from localfleet.core.routing.prior import Outcomes, Prior, Tally, blended
from localfleet.errors import BadInput, ConfigError
from localfleet.explain import Explainer
from localfleet.price_map import read_price_map
from localfleet.rulebook import build_rules
from localfleet.storage.ledger import SqliteLedger
from localfleet.strategies import build_table, check_strategies
from localfleet.traces.scores import scores
from localfleet.wire.yaml_lines import Lines

TABLE = """Model,Benchmark,Score,Source,Date,Prompts
gpt-4o-mini,mmlu,82%,a model card,2024-07-18,14042
gpt-4o-mini,mmlu,0.7,an older card,2024-01-01,100
Opus,mmlu,0.95,another card,2026-04-01,
claude-opus-4-7,gsm8k,0.99,another card,2026-04-01,10
gpt-99,mmlu,0.99,a rumour,2026-04-01,
small,classification,0.5,our own suite,2026-11-01,30
small,humour,0.1,our own suite,2026-11-01,30
"""
FILE = """
version: 1
local:
  small: {weights: smollm2-135m-instruct}
  plain: {weights: other.gguf}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, accepts: internal, api_key_env: A}
  best:
    provider: anthropic
    model: claude-opus-4-7
    tier: premium
    accepts: internal
    api_key_env: A
    quality: {sums: 0.8}
privacy: {default: public}
tiers: {premium: {quality: 0.6}}
tasks:
  classification: {quality: 0.8}
  sums: {quality: 0.9}
routing:
  order: [quality]
  prior: {file: 'TABLE', tasks: {mmlu: [classification, other], gsm8k: sums}, models: {Opus: best}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A file that names the table above."""
    (tmp_path / "scores.csv").write_text(TABLE)
    return parse_settings(FILE.replace("TABLE", str(tmp_path / "scores.csv")).encode())


def explainer(settings: Settings, outcomes: Outcomes) -> Explainer:
    """As the command builds it."""
    return Explainer(
        models=build_models(settings, read_price_map(), datetime.now(UTC).date()),
        rules=build_rules(settings),
        policy=build_policy(settings, build_table(settings)),
        caller=anyone(settings),
        outcomes=outcomes,
        tasks=frozenset(settings.tasks),
    )


def asked(settings: Settings, outcomes: Outcomes, task: str) -> tuple[str, dict[str, tuple[float | None, str]]]:
    """The first door of a request, and what is said of each model's quality."""
    body = {"messages": [{"role": "user", "content": "hello"}], "metadata": {"task": task}}
    row = explainer(settings, outcomes).line(json.dumps(body).encode())
    return row["doors"][0]["model"], {one["model"]: (one["quality"], one["why"]) for one in row["quality"]}


@given(
    st.floats(0, 1), st.floats(0.5, 1000), st.integers(0, 500).flatmap(lambda n: st.tuples(st.just(n), st.floats(0, n)))
)
def test_a_blend_lies_between_the_score_and_what_was_said(score: float, weight: float, said: tuple[int, float]) -> None:
    """It moves towards the outcomes, and more so the more there are."""
    count, total = said
    prior = Prior(quality=score, weight=weight, source="a table")
    found = blended(prior, Tally(count=count, total=total))
    ends = (score, total / count) if count else (score, score)
    assert min(ends) - 1e-9 <= found <= max(ends) + 1e-9
    assert abs(blended(prior, Tally(count=10 * count, total=10 * total)) - ends[1]) <= abs(found - ends[1]) + 1e-9


def test_outcomes_take_over_from_a_published_score(settings: Settings) -> None:
    """The score opens the door; ratings of one's own shut it again. One request counts once, by its last rating."""
    outcomes = Outcomes()
    assert asked(settings, outcomes, "classification")[0] == "mini"
    for number in range(60):
        outcomes.watch(receipt(number, model="mini", task="classification"))
        outcomes.hear(Feedback(request_id=f"req-{number}", at=0.0, key_id=None, accepted=True))
        outcomes.hear(Feedback(request_id=f"req-{number}", at=1.0, key_id=None, score=0.25))
    outcomes.hear(Feedback(request_id="nobody", at=0.0, key_id=None, score=1.0))
    assert outcomes.of("mini", "classification") == Tally(count=60, total=15.0)
    door, said = asked(settings, outcomes, "classification")
    assert door == "best"
    assert said["mini"][0] == pytest.approx((20 * 0.82 + 15) / 80)


def test_explain_says_where_the_quality_comes_from(settings: Settings) -> None:
    """A prior with source, day, weight and outcomes; what the file declares; and unknown stays unknown."""
    outcomes = Outcomes()
    outcomes.see(("mini", "classification"), 3.0, 4)
    outcomes.see(("plain", "classification"), 40.0, 40)
    _, said = asked(settings, outcomes, "classification")
    assert said["mini"][1] == "prior 82% from mmlu of a model card, 2024-07-18, counted as 20; 4 outcomes, 75% right"
    assert said["small"] == (
        0.5,
        "prior 50% from classification of our own suite, 2026-11-01, counted as 20; 0 outcomes",
    )
    assert said["plain"] == (None, "unknown")
    _, said = asked(settings, outcomes, "sums")
    assert said["best"] == (0.8, "as models.yaml says")
    assert said["mini"][0] == pytest.approx(0.82)  # of any other task, by `other`


def test_a_score_counts_for_no_more_than_its_prompts(settings: Settings) -> None:
    """Ten prompts are worth ten outcomes, whatever `weight:` says."""
    plain = settings.model_copy(
        update={"hosted": {"best": settings.hosted["best"].model_copy(update={"quality": None})}}
    )
    _, said = asked(plain, Outcomes(), "sums")
    assert "counted as 10" in said["best"][1]


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ("m,t,1250,arena,2026-01-01", "score", "Elo"),
        ("m,t,82,card,2026-01-01", "score", "put % behind it"),
        ("m,t,,card,2026-01-01", "score", "is empty"),
        ("m,t,0.5,,2026-01-01", "source", "is empty"),
        ("m,t,0.5,card,yesterday", "date", "2026-11-26"),
    ],
)
def test_a_score_that_says_nothing_is_refused(tmp_path: Path, row: str, field: str, says: str) -> None:
    """With its line and what to write."""
    file = tmp_path / "scores.csv"
    file.write_text(f"model,task,score,source,date\n{row}\n")
    with pytest.raises(BadInput, match=says) as refused:
        scores(file)
    assert (refused.value.line, refused.value.field) == (2, field)


def test_json_says_the_same_as_csv(tmp_path: Path) -> None:
    """A list of objects, and lines of them."""
    rows = [{"model": "m", "task": "t", "score": 0.5, "source": "card", "date": "2026-01-01", "n": 7}]
    for name, text in (("a.json", json.dumps(rows, indent=1)), ("b.jsonl", json.dumps(rows[0]) + "\n\n")):
        (tmp_path / name).write_text(text)
        (found,) = scores(tmp_path / name)
        assert (found.model, found.score, found.prompts) == ("m", 0.5, 7)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("{Opus: best}", "{Opus: worst}", "no model here"),
        ("gsm8k: sums", "gsm8k: adding", "no task of this file"),
        ("  order: [quality]", "  order: [load]", "`prior:` has no say"),
    ],
)
def test_mistakes_in_the_file_are_named(right: str, wrong: str, says: str) -> None:
    """A task and a model that are none, a prior that nothing reads."""
    with pytest.raises(ConfigError, match=says):
        parse_settings(FILE.replace(right, wrong).encode())


def test_a_table_that_cannot_be_read_stops_the_check() -> None:
    """With the key that names it."""
    with pytest.raises(ConfigError, match="cannot be read") as refused:
        check_strategies("models.yaml", parse_settings(FILE.encode()), Lines({}))
    assert refused.value.problems[0][1] == "routing.prior.file"


def told(folder: Path) -> Receipt:
    """Two answers in the books, one of them good."""
    ledger, now = SqliteLedger(folder, clock=Clock()), time.time()
    rated = [receipt(number, at=now - 100, model="mini", task="classification") for number in range(2)]
    for one in rated:
        ledger.settle(one)
    for number, accepted in ((0, False), (0, True), (1, False)):
        ledger.note_feedback(Feedback(request_id=f"req-{number}", at=now, key_id=None, accepted=accepted))
    assert ledger.close()
    return rated[0]


def test_the_command_shows_all_of_it(settings: Settings, tmp_path: Path) -> None:
    """Prior, outcomes from the ledger and their blend; what the file does not know; a table may be tried first."""
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    told(home)
    file = tmp_path / "models.yaml"
    file.write_text(FILE.replace("TABLE", str(tmp_path / "scores.csv")))
    words = ["routing", "prior", "--config", str(file)]
    env = {"LOCALFLEET_HOME": str(home), "COLUMNS": "200"}
    done = CliRunner().invoke(build_cli("routing"), [*words, "--json"], env=env)
    found = json.loads(done.stdout)
    assert found["models_not_here"] == ["gpt-99"]
    assert found["tasks_not_here"] == ["humour"]
    assert found["declared_in_models_yaml"] == [{"model": "best", "task": "sums"}]
    (row,) = [row for row in found["priors"] if (row["model"], row["task"]) == ("mini", "classification")]
    assert (row["outcomes"], row["right"]) == (2, 0.5)
    assert row["quality"] == pytest.approx((20 * 0.82 + 1) / 22)
    shown = CliRunner().invoke(build_cli("routing"), words, env=env).stdout
    assert "not in this file, map them with `routing.prior.models`: gpt-99" in shown
    (tmp_path / "none.csv").write_text("model,task,score,source,date\nx,y,0.5,z,2026-01-01\n")
    done = CliRunner().invoke(build_cli("routing"), [*words[:2], str(tmp_path / "none.csv"), *words[2:]], env=env)
    assert done.exit_code == 1
    assert "none of 1 scores is about a model and a task of this file" in done.stdout
    assert settings.routing.prior is not None
