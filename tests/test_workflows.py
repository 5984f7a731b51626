"""What `models.yaml` says of cascades: checked with line and cure, built, and listed where text can go."""

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localfleet.catalogue import build_models
from localfleet.cli import build_cli
from localfleet.config import Settings, parse_settings, read_settings
from localfleet.core.label import Label
from localfleet.core.paths import Cargo, Place
from localfleet.errors import ConfigError, FleetError
from localfleet.experiments import STATE_FILE, read_states, running
from localfleet.price_map import PriceMap
from localfleet.reach import prove
from localfleet.workflows import build_cascade, build_pipeline, check_workflows

NO_PRICES = PriceMap(entries={}, version="test")
FILE = """
version: 1
local:
  small: {weights: smollm2-135m-instruct, can: [logprobs]}
  plain: {weights: smollm2-135m-instruct}
hosted:
  mini: {provider: openai, model: m, tier: t, accepts: internal, api_key_env: K, context_tokens: 999}
tasks:
  work:
    first: small
    fallback: [mini]
    cascade: {judge: JUDGE}
"""


def settings(judge: str) -> Settings:
    """The file with these judges."""
    return parse_settings(FILE.replace("JUDGE", judge).encode())


@pytest.mark.parametrize(
    ("judge", "path", "says"),
    [
        ("{pattern: '(?=x)'}", "judge.pattern", "RE2"),
        ("{callable: 'no_such_module:f'}", "judge.callable", "cannot be imported"),
        ("{callable: 'math:pi'}", "judge.callable", "no function"),
    ],
)
def test_what_only_the_machine_can_tell_is_told_with_its_line(tmp_path: Path, judge: str, path: str, says: str) -> None:
    """A pattern that RE2 does not take, a function that is not there: file, line and cure."""
    file = tmp_path / "models.yaml"
    file.write_text(FILE.replace("JUDGE", judge), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check_workflows(str(file), *read_settings(str(file)))
    ((line, where, sentence),) = caught.value.problems
    assert (line, where) == (12, f"tasks.work.cascade.{path}")
    assert says in sentence


def test_a_model_that_tells_no_log_probabilities_can_never_be_sure(tmp_path: Path) -> None:
    """Confidence of a first model without `logprobs` would escalate everything, silently."""
    file = tmp_path / "models.yaml"
    text = FILE.replace("JUDGE", "{confidence: {least_logprob: -1}}")
    file.write_text(text, encoding="utf-8")
    check_workflows(str(file), *read_settings(str(file)))
    file.write_text(text.replace("first: small", "first: plain"), encoding="utf-8")
    with pytest.raises(ConfigError, match="logprobs"):
        check_workflows(str(file), *read_settings(str(file)))


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ("{model: {model: nobody}}", "no model here"),
        ("{language: xx}", "is one of"),
        ("{confidence: {}}", "at least one"),
        ("{confidence: {least_margin: 2}}", "less than or equal to 1"),
        ("{callable: nonsense}", "module:function"),
        ("{repetition: -1}", "greater than or equal to 0"),
    ],
)
def test_each_mistake_is_named(judge: str, says: str) -> None:
    """A judge that makes no sense does not start."""
    with pytest.raises(ConfigError, match=says):
        settings(judge)


def test_a_cascade_without_a_next_door_is_a_mistake() -> None:
    """Somebody who writes one expects that it can go on."""
    with pytest.raises(ConfigError, match="nowhere to go on to"):
        parse_settings(FILE.replace("JUDGE", "{}").replace("fallback: [mini]", "fallback: []").encode())


def test_every_judge_of_the_file_is_built() -> None:
    """What is switched off is not there, what is on is."""
    shape = (
        settings("{refusal: false, language: en, model: {model: mini}, callable: 'math:sqrt'}").tasks["work"].cascade
    )
    assert shape is not None
    built = build_cascade(shape)
    names = [type(check).__name__ for check in built.checks]
    assert names == ["Length", "NotCutOff", "Repetition", "ToolCalls", "Json", "Language"]
    assert (built.grader.model if built.grader else None, built.call, built.logprobs) == ("mini", "math:sqrt", False)


def test_judges_are_ways_of_the_proof() -> None:
    """`check --paths` lists a hosted judge with the labels that can reach it, never restricted; `local` is the box."""
    for wanted, labels in (("mini", {Label.PUBLIC, Label.INTERNAL}), ("local", set(Label))):
        file = settings(f"{{model: {{model: {wanted}}}, callable: 'math:sqrt'}}")
        proof = prove(file, build_models(file, NO_PRICES, date(2026, 1, 1)))
        judges = [way for way in proof.ways if way.outlet.kind == "judge"]
        models = [way for way in judges if way.outlet.name.endswith("judge.model")]
        assert {way.label for way in models} == labels
        assert {way.label for way in judges if way.outlet.name.endswith("callable")} == set(Label)
        assert not proof.forbidden


STAGED = """
pipelines:
  p:
    stages:
      - {name: facts, model: local, prompt: "{input}", fields: {age: integer}, release: true}
      - {name: middle, model: auto, prompt: "{input}"}
      - {name: last, model: mini, prompt: "{facts}"}
"""


def test_stages_are_ways_of_the_proof() -> None:
    """Each stage with each model that its name means; only what reads closed structures has a way for all labels."""
    file = parse_settings((FILE.replace("JUDGE", "{}") + STAGED).encode())
    proof = prove(file, build_models(file, NO_PRICES, date(2026, 1, 1)))
    ways = [
        (way.outlet.name[-1], way.outlet.cargo, way.outlet.place, way.label)
        for way in proof.ways
        if way.outlet.kind == "stage"
    ]
    assert {(n, label) for n, cargo, place, label in ways if place is Place.STREET and cargo is Cargo.TEXT} == {
        (n, label) for n in "12" for label in (Label.PUBLIC, Label.INTERNAL)
    }
    assert {(n, label) for n, cargo, _, label in ways if cargo is Cargo.STRUCTURE} == {("2", label) for label in Label}
    assert {n for n, _, place, _ in ways if place is Place.BOX} == {"0", "1"}
    assert not proof.forbidden


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ('{name: a, prompt: "{later}"}', "no earlier stage"),
        ('{name: a, prompt: "{item}"}', "each"),
        ('{name: input, prompt: "x"}', "is taken"),
        ('{name: a, prompt: "x", model: nobody}', "no model here"),
        ('{name: a, prompt: "x", release: true}', "fields"),
        ('{name: a, prompt: "x", enough: {callable: "a:b"}}', "enough"),
        ('{name: a, prompt: "x", fields: {A: integer}}', "stages.1.fields.A"),
    ],
)
def test_each_mistake_in_a_stage_is_named(stage: str, says: str) -> None:
    """A place that nothing fills would send braces to a model; a release without a form would release words."""
    text = FILE.replace("JUDGE", "{}") + STAGED.replace('{name: middle, model: auto, prompt: "{input}"}', stage)
    with pytest.raises(ConfigError, match=says):
        parse_settings(text.replace("- {name: facts", "- {name: zero", 1).replace("{facts}", "x").encode())


def test_the_last_stage_answers_the_client() -> None:
    """What only makes sense in the middle is a mistake at the end, and an alias may lead to a pipeline."""
    text = FILE.replace("JUDGE", "{}") + STAGED
    with pytest.raises(ConfigError, match="answers the client"):
        parse_settings(text.replace('prompt: "{facts}"}', 'prompt: "x", each: facts}').encode())
    assert parse_settings((text + "aliases: {gpt-4o: pipeline/p}").encode()).aliases == {"gpt-4o": "pipeline/p"}
    built = build_pipeline("p", parse_settings(text.encode()).pipelines["p"])
    assert [(stage.name, stage.release) for stage in built.stages] == [
        ("facts", True),
        ("middle", False),
        ("last", False),
    ]


TRIED = "experiments: {newer: {task: work, first: mini, share: 0.3}}"


def test_an_experiment_follows_its_commands(tmp_path: Path) -> None:
    """Running it has the file's share, promoted all, rolled back none; a broken state file says nothing."""
    file = parse_settings((FILE.replace("JUDGE", "{}") + TRIED).encode())
    for state, share in (("", 0.3), ("promoted", 1.0), ("rolled_back", 0.0), ("nonsense", 0.3)):
        (tmp_path / STATE_FILE).write_text(f'{{"newer": "{state}"}}', encoding="utf-8")
        assert running(file, read_states(tmp_path))["work"].share == share
    (tmp_path / STATE_FILE).write_text("{", encoding="utf-8")
    assert read_states(tmp_path) == {}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{a: {task: other, first: mini}}", "no task here"),
        ("{a: {task: work, first: nobody}}", "no model here"),
        ("{a: {task: work, first: mini}, b: {task: work, first: small}}", "one at a time"),
    ],
)
def test_each_mistake_in_an_experiment_is_named(said: str, says: str) -> None:
    """A trial of nothing, or of two things at once, tells nobody anything."""
    with pytest.raises(ConfigError, match=says):
        parse_settings((FILE.replace("JUDGE", "{}") + f"experiments: {said}").encode())


def test_the_gate_is_held_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without data nothing is promoted but by force; what was done is what the router reads."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path / "state"))
    file = tmp_path / "models.yaml"
    file.write_text(FILE.replace("JUDGE", "{}") + TRIED, encoding="utf-8")

    def routing(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(build_cli("routing"), ["routing", *words, "--config", str(file)])
        return done.exit_code, done.output

    code, said = routing("promote", "newer")
    assert code == 1
    assert "not enough was said" in said
    assert routing("promote", "newer", "--force")[0] == 0
    assert read_states(tmp_path / "state") == {"newer": "promoted"}
    assert "newer (promoted): go_on" in routing("experiments")[1]
    assert routing("rollback", "newer")[0] == 0
    assert read_states(tmp_path / "state") == {"newer": "rolled_back"}
    with pytest.raises(FleetError, match="no experiment"):
        CliRunner().invoke(
            build_cli("routing"), ["routing", "rollback", "x", "--config", str(file)], catch_exceptions=False
        )
