"""Features that the router keeps: of whom, how much, without a word, and what training makes of them."""

import json
import stat
import time
from pathlib import Path

import pytest
from action_rig import Room
from shadow_rig import Clock, receipt
from sums import written
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label, Verdict
from localfleet.keeping import FeatureFile, Keeper, kept_files
from localfleet.storage.ledger import SqliteLedger
from localfleet.training.labelled import features_by_id


def keep(file: FeatureFile, upto: Label, label: Label, text: str = "quartz heron") -> None:
    """One answered request."""
    room = Room()
    letter = room.letter(text, ask={"request_id": label.word})
    visit = room.visit(letter)
    visit.verdict = Verdict(label=label)
    Keeper(file=file, upto=upto, most_bytes=2**20).keep(letter, visit)


@pytest.mark.parametrize(
    ("upto", "kept"),
    [(Label.INTERNAL, {"public", "internal"}), (Label.RESTRICTED, {"public", "internal", "restricted"})],
)
def test_of_whom(tmp_path: Path, upto: Label, kept: set[str]) -> None:
    """Restricted requests only where the file says so; the file is its owner's, and holds no word."""
    file = FeatureFile(tmp_path)
    for label in Label:
        keep(file, upto, label)
    file.close()
    (one,) = kept_files(tmp_path)
    assert set(features_by_id([one])) == kept
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    text = one.read_text(encoding="utf-8")
    assert "quartz" not in text
    assert "heron" not in text
    assert json.loads(text.splitlines()[0])["task"] == "work"


def test_they_never_take_more_than_they_may(tmp_path: Path) -> None:
    """Two files take turns within the bound, and what is newest is there."""
    file, most = FeatureFile(tmp_path), 8000
    for n in range(60):
        file.add(f"r{n}", f"prompt number {n} of many", about={}, most_bytes=most)
        file.close()
    files = kept_files(tmp_path)
    assert len(files) == 2
    assert sum(one.stat().st_size for one in files) <= most
    kept = features_by_id(files)
    assert "r59" in kept
    assert "r0" not in kept
    assert list(kept) == sorted(kept, key=lambda name: int(name[1:]))


def test_a_folder_that_takes_no_file_stops_nobody(tmp_path: Path) -> None:
    """A disk that is away costs the features and nothing else; they are kept again when it is back."""
    file = FeatureFile(tmp_path / "away")
    file.add("r1", "hello", about={}, most_bytes=2**20)
    file.close()
    assert file.failed
    (tmp_path / "away").mkdir()
    file.add("r2", "hello", about={}, most_bytes=2**20)
    file.close()
    assert list(features_by_id(kept_files(tmp_path / "away"))) == ["r2"]
    assert not file.failed


def test_training_reads_them_with_what_people_said(tmp_path: Path) -> None:
    """`routing train --receipts` without a file; the label of each comes from the ledger."""
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    env = {"LOCALFLEET_HOME": str(home)}
    words = ["routing", "train", "--receipts", "--json"]
    assert "keep_features: true" in str(CliRunner().invoke(build_cli("routing"), words, env=env).exception)
    ledger, file = SqliteLedger(home, clock=Clock()), FeatureFile(home)
    said = {}
    for n, one in enumerate(written(120, 1)):
        local = n % 2 == 0
        name = f"{n:024x}"
        said[name] = bool(one["weak"] if local else one["strong"])
        ledger.settle(receipt(name, tier="local" if local else "dear"))
        file.add(name, str(one["text"]), about={}, most_bytes=2**20)
        if n % 40 == 39:
            file.close()
    file.close()
    assert ledger.close()  # receipts first, then what is said of them
    ledger = SqliteLedger(home, clock=Clock())
    for name, accepted in said.items():
        ledger.note_feedback(Feedback(request_id=name, at=time.time(), key_id="k", accepted=accepted))
    ledger.close()
    done = CliRunner().invoke(build_cli("routing"), words, env=env)
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["prompts"] == 120
