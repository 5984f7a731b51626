"""Which threshold a classifier routes by: the proven one, the operator's, or levels; said with promise and doubts."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sums import lines
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.cli.promises import threshold_lines
from localfleet.config import parse_settings
from localfleet.core.routing.guarantee import Claim
from localfleet.core.routing.promise import doubt
from localfleet.core.routing.scorer import load, with_claim
from localfleet.errors import ConfigError
from localfleet.strategies import build_table, check_strategies, threshold_of
from localfleet.training.file import bytes_of
from localfleet.training.fit import facts_of
from localfleet.training.labelled import read_labelled
from localfleet.training.share import trained
from localfleet.training.table import pair_of, tabled
from localfleet.wire.yaml_lines import Lines

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
privacy: {default: public}
routing: {order: [difficulty], difficulty: {classifier: {file: 'MODEL' MORE}}}
"""
TODAY = date(2026, 11, 26)
CLAIM = Claim(
    threshold=0.34, quality=0.97, confidence=0.95, prompts=2000, strong_share=0.4, seen_quality=0.98, at="2026-11-20"
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small classifier, without a claim."""
    table = tabled(list(read_labelled(lines(60, 1), name="sums")))
    pair = pair_of(table, None, None)
    return bytes_of(trained(table, pair), facts_of(table, pair))


def file(folder: Path, raw: bytes, more: str = "") -> str:
    """A models.yaml that names these bytes."""
    (folder / "routing.model").write_bytes(raw)
    return FILE.replace("MODEL", str(folder / "routing.model")).replace("MORE", more)


@pytest.mark.parametrize(
    ("claim", "more", "told"),
    [
        (CLAIM, "", (((5, 0.34),), "calibrated", 5)),
        (CLAIM, ", threshold: calibrated", (((5, 0.34),), "calibrated", 5)),
        (CLAIM, ", threshold: calibrated, abstains: 3", (((5, 0.34),), "calibrated", 3)),
        (CLAIM, ", threshold: 0.6", (((5, 0.6),), "written", 5)),
        (CLAIM, ", threshold: calibrated, levels: {3: 0.2}", (((3, 0.2), (5, 0.34)), "calibrated", 5)),
        (CLAIM, ", levels: {3: 0.2, 4: 0.5}", (((3, 0.2), (4, 0.5)), "written", 4)),
        (None, "", (((3, 0.5), (4, 0.75), (5, 0.9)), "default", 4)),
    ],
)
def test_by_which_threshold(
    tmp_path: Path, model: bytes, claim: Claim | None, more: str, told: tuple[object, str, int]
) -> None:
    """The proven one where nothing is written; the operator's word goes before it."""
    raw = model if claim is None else with_claim(model, claim)
    scored = threshold_of(build_table(parse_settings(file(tmp_path, raw, more).encode())))
    assert scored is not None
    assert (scored.scores.least, scored.row()["by"], scored.abstains) == told
    assert (scored.claim is not None) == (told[1] == "calibrated")
    said = {"calibrated": "(calibrated)", "written": "as written, without", "default": "by default, without"}[told[1]]
    assert said in next(threshold_lines(scored))


def test_a_threshold_that_nobody_proved_is_refused(tmp_path: Path, model: bytes) -> None:
    """With the command that proves one; two ways to say it are an error too."""
    settings = parse_settings(file(tmp_path, model, ", threshold: calibrated").encode())
    with pytest.raises(ConfigError, match="routing calibrate"):
        check_strategies("models.yaml", settings, Lines({}))
    with pytest.raises(ConfigError, match="that of level 5"):
        parse_settings(file(tmp_path, model, ", threshold: 0.5, levels: {5: 0.5}").encode())


def test_a_refused_promise_is_used_only_where_it_is_asked_for(tmp_path: Path, model: bytes) -> None:
    """By default the levels count again; who wrote `calibrated` keeps it and is warned."""
    raw = with_claim(model, replace(CLAIM, refused_at="2026-11-25"))
    usual = threshold_of(build_table(parse_settings(file(tmp_path, raw).encode())))
    asked = threshold_of(build_table(parse_settings(file(tmp_path, raw, ", threshold: calibrated").encode())))
    assert usual is not None
    assert asked is not None
    assert (usual.claim, asked.scores.least) == (None, ((5, 0.34),))


def test_a_promise_grows_old() -> None:
    """After ninety days, or where nobody wrote when it was proven; a refusal counts before."""
    assert doubt(CLAIM, TODAY) == ""
    assert "proven 97 days ago" in doubt(CLAIM, date(2027, 2, 25))
    assert "calibrate again" in doubt(replace(CLAIM, at=""), TODAY)
    assert "refused on 2026-11-25" in doubt(replace(CLAIM, refused_at="2026-11-25"), TODAY)


def run(*words: str, folder: Path) -> str:
    """A command on the folder's file."""
    done = CliRunner().invoke(
        build_cli(words[0]), [*words, "--config", str(folder / "models.yaml")], env={"LOCALFLEET_HOME": str(folder)}
    )
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_check_and_explain_say_the_promise(tmp_path: Path, model: bytes) -> None:
    """Which threshold, how much quality, how sure, on how much; and that an old one is old."""
    (tmp_path / "models.yaml").write_text(file(tmp_path, with_claim(model, CLAIM)), encoding="utf-8")
    (tmp_path / "body.json").write_text(json.dumps({"messages": [{"role": "user", "content": "Where is Rome?"}]}))
    promise = "quality at least 97% of always asking the strong model, with 95% confidence, on 2000 outcomes"
    assert f"the strong model from 0.34 on (calibrated): {promise}" in run("check", folder=tmp_path)
    assert promise in run("explain", str(tmp_path / "body.json"), folder=tmp_path)
    told = json.loads(run("explain", str(tmp_path / "body.json"), "--json", folder=tmp_path))["classifier"]
    assert (told["by"], told["levels"], told["outcomes"]) == ("calibrated", {"5": 0.34}, 2000)
    old = with_claim(model, replace(CLAIM, refused_at="2026-11-25"))
    (tmp_path / "routing.model").write_bytes(old)
    assert "0.34 (not used): refused on 2026-11-25" in run("check", folder=tmp_path)


def test_outcomes_that_do_not_prove_it_mark_the_promise(tmp_path: Path, model: bytes) -> None:
    """Fewer than it takes: the older threshold stands in the file, refused; one that promised more is not touched."""
    there, data = tmp_path / "routing.model", tmp_path / "few.jsonl"
    data.write_bytes(b"\n".join(lines(60, 2)))
    for quality, marked in (("0.99", False), ("0.97", True)):
        there.write_bytes(with_claim(model, CLAIM))
        words = ["routing", "calibrate", str(data), "--quality", quality, "--model", str(there)]
        assert "do not prove" in str(CliRunner().invoke(build_cli("routing"), words).exception)
        claim = load(there.read_bytes()).claim
        assert claim is not None
        assert (claim.threshold, bool(claim.refused_at)) == (0.34, marked)
