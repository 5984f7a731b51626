"""The offline verifier, as a process of its own with nothing but Python: every kind of tampering is found and named."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import AT, Clock, receipt
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.label import Label
from localfleet.errors import FleetError
from localfleet.storage.export import export_chain, write_keys
from localfleet.storage.keys import create_key
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.note import Note, checkpoint_of, line_of, notes_key, read_notes, signed
from localfleet.storage.secret import read_secret
from localfleet.storage.verify import verify

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"
RECORDS = 20
NOTED = 12
"""How many records there were when the head left the box."""
Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """An export with its keys and heads, and the secret that made them."""

    folder: Path
    home: Path
    end: Note

    @property
    def lines(self) -> Lines:
        """The export as values."""
        return [json.loads(line) for line in (self.folder / "export.jsonl").read_bytes().splitlines()]

    def check(self, lines: Lines | None = None, *given: str) -> tuple[int, str]:
        """Run the verifier, isolated from this project's packages; its exit code and what it said."""
        file = self.folder / "export.jsonl"
        if lines is not None:
            file = self.folder / "changed.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        arguments = given or ("--key", "seals.json")
        command = [sys.executable, "-I", "-S", str(VERIFIER), str(file), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr


def _grow(home: Path, first: int, count: int) -> None:
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(first, first + count):
        ledger.settle(receipt(number))
    assert ledger.close()


def _export(home: Path, file: Path) -> Note:
    with file.open("xb") as out:
        export_chain(home, out, at=AT)
    return list(read_notes(file.read_text(encoding="utf-8")))[-1]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Twenty records; heads of the first twelve in each form, as if they had been sent away then."""
    folder = tmp_path_factory.mktemp("export")
    home = folder / "state"
    _grow(home, 0, NOTED)
    noted = _export(home, folder / "early.jsonl")
    _grow(home, NOTED, RECORDS - NOTED)
    end = _export(home, folder / "export.jsonl")
    write_keys(home, folder / "seals.json", seals=True)
    write_keys(home, folder / "notes.json", seals=False)
    (folder / "line.jsonl").write_bytes(line_of(noted) + b"\n")
    (folder / "syslog.log").write_bytes(
        b"<110>1 2026-01-01T00:00:00Z box localfleet 1 head - " + line_of(noted) + b"\n"
    )
    (folder / "checkpoint").write_bytes(checkpoint_of(noted, notes_key(read_secret(home))))
    return Case(folder, home, end)


def test_a_whole_export_is_whole_by_key_and_by_heads(case: Case) -> None:
    """With the chain's key, with the key of notes alone, and with heads of every form and no key at all."""
    assert case.check() == (
        0,
        f"{RECORDS} records of {case.end.origin} are whole; heads kept elsewhere vouch for none of them\n",
    )
    assert case.check(None, "--key", "notes.json")[0] == 0
    for form in ("line.jsonl", "syslog.log", "checkpoint"):
        code, said = case.check(None, "--heads", form)
        assert (code, f"vouch for {NOTED} of them" in said) == (0, True), form
    assert case.check(None, "--key", "seals.json", "--heads", "line.jsonl", "checkpoint")[0] == 0


def test_without_key_and_heads_it_says_nothing(case: Case) -> None:
    """A file alone proves nothing, so that is no question one can ask."""
    code, said = case.check(None, "--heads")
    assert code == 2
    assert "nothing ties the file to a router" in said


def test_it_is_small_and_needs_only_python(case: Case) -> None:
    """Somebody can read it in one sitting; it imports the standard library and runs without site packages."""
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - {"collections.abc"} <= set(sys.stdlib_module_names)
    assert case.check()[0] == 0


def _edited(lines: Lines) -> Lines:
    lines[7]["body"] = lines[7]["body"].replace('"status":200', '"status":201')
    return lines


def _one_byte_of_a_seal(lines: Lines) -> Lines:
    lines[7]["hash"] = lines[7]["hash"][:-1] + ("0" if lines[7]["hash"][-1] != "0" else "1")
    return lines


def _renumbered(lines: Lines) -> Lines:
    del lines[7]
    for seq, line in enumerate(lines[1:-1], 1):
        line["seq"] = seq
    return lines


TAMPERINGS: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "a byte of a body": (_edited, 7),
    "a byte of a seal": (_one_byte_of_a_seal, 7),
    "another kind": (lambda lines: [*lines[:7], lines[7] | {"kind": "intent"}, *lines[8:]], 7),
    "a record dropped": (lambda lines: [*lines[:7], *lines[8:]], 7),
    "dropped and renumbered": (_renumbered, 7),
    "two records swapped": (lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]], 7),
    "a record twice": (lambda lines: [*lines[:8], lines[7], *lines[8:]], 8),
    "the newest cut off": (lambda lines: [*lines[:-4], lines[-1]], RECORDS - 2),
    "all cut off": (lambda lines: [lines[0], lines[-1]], 1),
    "the last line missing": (lambda lines: lines[:-1], 0),
    "a record that is none": (lambda lines: [*lines[:7], {"seq": 7}, *lines[8:]], 0),
    "another router's name": (lambda lines: [lines[0] | {"origin": "localfleet/000000000000"}, *lines[1:]], 0),
    "an edited end": (lambda lines: [*lines[:-1], lines[-1] | {"seq": RECORDS - 1}], 0),
    "an edited root": (lambda lines: [*lines[:-1], lines[-1] | {"root": "00" * 32}], 0),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_with_the_first_bad_record(case: Case, name: str) -> None:
    """With the chain's key: each kind of edit, at the record it touched first."""
    tamper, first = TAMPERINGS[name]
    code, said = case.check(tamper(case.lines))
    assert (code, said.partition(":")[0]) == (1, f"record {first}"), said


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_with_heads_alone(case: Case, name: str) -> None:
    """Without any key, within what the heads vouch for; only an end nobody noted could be cut, and its line tells."""
    tamper, _ = TAMPERINGS[name]
    assert case.check(tamper(case.lines), "--heads", "line.jsonl")[0] == 1


def test_no_byte_of_an_export_can_be_changed_unnoticed(case: Case) -> None:
    """A bit of every seventieth byte: the verifier, loaded once, finds each that changes a value."""
    spec = importlib.util.spec_from_file_location("verify_export", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    verifier = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verifier)
    raw = (case.folder / "export.jsonl").read_bytes()
    keys = json.loads((case.folder / "seals.json").read_bytes())
    tried = 0
    for at in range(0, len(raw), 70):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        lines = changed.splitlines()
        try:
            if [json.loads(line) for line in lines] == case.lines:
                continue
            found = next(verifier.check(lines, keys, []), None)
        except verifier.UNREADABLE:
            found = (0, "unreadable")
        tried += 1
        assert found is not None, raw[max(0, at - 20) : at + 20]
    assert tried > 100


def _forged(case: Case, lines: Lines) -> Lines:
    """An export whose end was made anew by somebody with all keys, after a change of record 7."""
    other = case.folder / "forger"
    if not other.exists():
        other.mkdir()
        for name in ("secret.key",):
            (other / name).write_bytes((case.home / name).read_bytes())
            (other / name).chmod(0o600)
        _grow(other, 100, RECORDS)
        _export(other, case.folder / "forged.jsonl")
    assert lines
    return [json.loads(line) for line in (case.folder / "forged.jsonl").read_bytes().splitlines()]


def test_a_history_written_anew_with_all_keys_is_found_by_a_head_kept_elsewhere(case: Case) -> None:
    """The seals fit, as the forger has the key; the head of record twelve does not."""
    forged = _forged(case, case.lines)
    assert case.check(forged)[0] == 0
    code, said = case.check(forged, "--key", "seals.json", "--heads", "checkpoint")
    assert (code, said.partition(":")[0]) == (1, "record 1")
    assert f"records 1 to {NOTED} are not those" in said


def test_an_older_copy_is_found_by_a_head_kept_elsewhere(case: Case) -> None:
    """A rolled back ledger exports cleanly; a later head is missing from it."""
    early = [json.loads(line) for line in (case.folder / "early.jsonl").read_bytes().splitlines()]
    (case.folder / "late.jsonl").write_bytes(line_of(case.end) + b"\n")
    assert case.check(early)[0] == 0
    code, said = case.check(early, "--heads", "late.jsonl")
    assert (code, said.partition(":")[0]) == (1, f"record {NOTED + 1}")
    assert "the end is missing" in said


def test_records_of_another_router_do_not_fit(case: Case, tmp_path: Path) -> None:
    """Two routers' rows swapped: the seals are made with another secret; heads and keys of one do not fit the other."""
    other = tmp_path / "other"
    _grow(other, 0, RECORDS)
    _export(other, tmp_path / "other.jsonl")
    theirs = [json.loads(line) for line in (tmp_path / "other.jsonl").read_bytes().splitlines()]
    mixed = case.lines
    mixed[7] = theirs[7]
    code, said = case.check(mixed)
    assert (code, said.partition(":")[0]) == (1, "record 7")
    assert case.check(theirs) == (
        1,
        "record 0: the export, its last line, the keys and the heads are not of one router\n",
    )
    assert case.check(theirs, "--heads", "line.jsonl")[0] == 1


def test_the_box_itself_checks_the_same_heads(case: Case) -> None:
    """`audit verify --heads` reads each form, says what each vouches for, and finds a head it never made."""
    for form in ("line.jsonl", "syslog.log", "checkpoint"):
        result = verify(case.home, notes=read_notes((case.folder / form).read_text(encoding="utf-8")))
        assert (result.ok, result.covered, [head.state for head in result.heads]) == (True, NOTED, ["matches"])
    forged = json.loads((case.folder / "line.jsonl").read_bytes()) | {"seq": NOTED + 1}
    result = verify(case.home, notes=read_notes(json.dumps(forged)))
    assert result.first_bad == (0, "a head that was given carries a seal that this router did not make")


def test_a_head_with_another_root_does_not_match(case: Case) -> None:
    """Both hashes of a head count: a note with the right seal of the last record and a wrong root is a difference."""
    key = notes_key(read_secret(case.home))
    (noted,) = read_notes((case.folder / "line.jsonl").read_text(encoding="utf-8"))
    result = verify(case.home, notes=[signed(replace(noted, root=bytes(32)), key)])
    assert ([head.state for head in result.heads], result.ok) == (["differs"], False)


def test_on_the_box_a_rewritten_and_a_rolled_back_ledger_are_found(case: Case, tmp_path: Path) -> None:
    """With heads: records written anew with the key, an older copy of everything, and a replaced secret."""
    line = (case.folder / "line.jsonl").read_text(encoding="utf-8")
    _forged(case, case.lines)
    anew = verify(case.folder / "forger", notes=read_notes(line))
    assert anew.first_bad is not None
    assert anew.first_bad[0] == 1
    assert f"records 1 to {NOTED} are not those" in anew.first_bad[1]
    late = verify(case.home, notes=read_notes(json.dumps(json.loads(line_of(case.end)))))
    assert (late.ok, late.covered) == (True, RECORDS)
    fresh = tmp_path / "fresh"
    create_key(fresh, name="k", label=Label.PUBLIC, at=AT)
    replaced = verify(fresh, notes=read_notes(line))
    assert replaced.first_bad is not None
    assert "none of the heads that were given is of this router" in replaced.first_bad[1]


def test_the_key_file_is_the_owner_s_and_never_written_over(case: Case) -> None:
    """It can be read by its owner only, and an existing file stays as it is."""
    assert (case.folder / "seals.json").stat().st_mode & 0o077 == 0
    assert "chain" not in json.loads((case.folder / "notes.json").read_bytes())
    with pytest.raises(FileExistsError):
        write_keys(case.home, case.folder / "notes.json", seals=True)


def test_an_export_that_failed_leaves_no_file(tmp_path: Path) -> None:
    """Half of one would look like one that was cut, and its name would be taken at the next try."""
    file, env = tmp_path / "march.jsonl", {"LOCALFLEET_HOME": str(tmp_path / "nothing")}
    for _ in range(2):
        done = CliRunner(env=env).invoke(build_cli("audit"), ["audit", "export", str(file)])
        assert isinstance(done.exception, FleetError)
        assert "no secret.key" in done.exception.message
        assert not file.exists()
