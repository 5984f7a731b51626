"""`privacy evaluate`: labelled prompts in several shapes become counts, shares, intervals and ids, never text."""

import json
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.interval import wilson
from localfleet.core.label import Finding, Label, Verdict
from localfleet.core.layers import layer_of
from localfleet.errors import FleetError
from localfleet.evaluate import Sample, judge_all, read_samples, summary

ROWS = (
    {"id": "a", "category": "contact", "label": "local", "messages": [{"role": "user", "content": "ann@corp.io"}]},
    {"id": "b", "cat": "kb", "label": 1, "text": "nothing that a pattern sees"},
    {"id": "c", "label": "any", "text": "What is TCP?"},
    {"id": "d", "label": None, "text": "either is right"},
    {"id": "e", "text": "Call 212-555-0147", "spans": [["PHONE_NUMBER", 5, 17]]},
    {"id": "f", "text": "In Paris", "spans": [["GPE", 3, 8]]},
    {"id": "g", "text": "Hello", "spans": []},
)
LINES = [json.dumps(row).encode() for row in ROWS]


def test_rows_of_every_known_shape_are_read() -> None:
    """Messages or text; local/any, 1/0, annotated spans; a row where either answer is right counts for neither."""
    samples = {sample.id: sample for sample in read_samples([*LINES, b"\n"])}
    wanted = {id_: sample.wanted for id_, sample in samples.items()}
    assert wanted == {"a": True, "b": True, "c": False, "d": None, "e": True, "f": None, "g": False}
    assert [samples[id_].category for id_ in "abeg"] == ["contact", "kb", "direct", "clean"]
    assert json.loads(samples["c"].body) == {"messages": [{"role": "user", "content": "What is TCP?"}]}


@pytest.mark.parametrize("line", [b"[]", b"{", b'{"text": "x"}', b'{"label": 1}'])
def test_a_row_of_no_known_shape_is_told_by_its_line(line: bytes) -> None:
    """The number of the line, not its text."""
    with pytest.raises(FleetError, match="line 2:"):
        list(read_samples([LINES[0], line]))


def test_counts_shares_and_misses_come_out() -> None:
    """Recall over what should be found, alarms over what should not, each with its ids."""
    ticks = count(0.0, 0.002)
    flagged = {"a", "g"}

    def judge(body: bytes) -> Verdict:
        hit = any(sample.body == body and sample.id in flagged for sample in samples)
        found = (Finding(kind="email", count=1),) if hit else ()
        return Verdict(label=Label.RESTRICTED if hit else Label.PUBLIC, findings=found)

    samples: list[Sample] = list(read_samples(LINES))
    found = summary(judge_all(samples, judge, lambda: next(ticks)))
    assert (found["recall"][0]["found"], found["recall"][0]["of"]) == (1, 3)
    assert (found["false_alarms"][0]["found"], found["false_alarms"][0]["of"]) == (1, 2)
    assert found["recall"][0]["layers"]["patterns"] == 1
    assert (found["missed"], found["flagged"]) == (["b", "e"], ["g"])
    assert found["latency"][0]["median_ms"] == pytest.approx(2.0)


def test_wilson_holds_at_the_ends() -> None:
    """Values from the published formula: 0 of 10, 10 of 10, 81 of 263."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_every_kind_has_its_layer() -> None:
    """The prefix says it, or the table that the kind stands in."""
    kinds = ("rule:x", "jwt", "email", "topic:health", "name:person")
    assert [layer_of(kind) for kind in kinds] == ["own", "secrets", "patterns", "topics", "names"]


def test_the_command_prints_ids_and_no_text(tmp_path: Path) -> None:
    """One table for a person, one document for a machine; the words of a row are in neither."""
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"\n".join(LINES))
    config = tmp_path / "models.yaml"
    config.write_text(
        "version: 1\nlocal: {box: {engine: endpoint, url: 'http://127.0.0.1:9/v1', context_tokens: 999}}\n"
    )
    run = CliRunner().invoke(
        build_cli("privacy"), ["privacy", "evaluate", str(data), "--config", str(config), "--layer", "patterns"]
    )
    assert run.exit_code == 0, run.output
    assert "missed   b" in run.output
    assert "recall" in run.output
    assert "ann@" not in run.output
    document = CliRunner().invoke(
        build_cli("privacy"), ["privacy", "evaluate", str(data), "--config", str(config), "--json"]
    )
    assert json.loads(document.stdout)["recall"][0]["of"] == 3


def test_units_that_survive_a_redaction_are_counted(tmp_path: Path) -> None:
    """`--redact`: of the units that rows name, those still there; a row that stays counts for nothing."""
    file = tmp_path / "models.yaml"
    file.write_text("version: 1\nlocal: {box: {weights: w}}\n", encoding="utf-8")
    rows = (
        {"id": "a", "label": 1, "text": "write to ann@corp.io, says Zog", "must": ["ann@corp.io", "Zog"]},
        {"id": "b", "label": 1, "text": "pin is four one five one two six, call", "must": ["four one"]},
        {"id": "c", "label": 1, "text": "the card 4111 1111 1111 1111", "must": ["4111 1111 1111 1111"]},
    )
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = ["privacy", "evaluate", str(data), "--redact", "--config", str(file)]
    done = CliRunner().invoke(build_cli("privacy"), [*command, "--json"])
    found = json.loads(done.stdout)["leak"]
    assert (found["redacted"], found["units"], found["survived"], found["rows"]) == (2, 3, 1, ["a"])
    told = CliRunner().invoke(build_cli("privacy"), command)
    assert "leak: 1 of 3 units survive in 2 redacted samples" in told.stdout
    assert "corp.io" not in told.stdout
