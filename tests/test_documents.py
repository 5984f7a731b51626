"""`privacy register`, `privacy documents`, `privacy test`: as an operator uses them, and what is on disk afterwards."""

import json
import random
import zipfile
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from here import run_here
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.label import Label
from localfleet.documents import FILE_NAME, read_documents, read_folder, with_set, write_documents
from localfleet.errors import FleetError

KEY = b"k" * 32
WORDS = random.Random(3)
PLAN = " ".join("".join(WORDS.choices("abcdefghij", k=6)) for _ in range(120))
LICENCE = (
    "permission is hereby granted free of charge to any person obtaining a copy of this software and associated files"
)


def run(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """A command in a folder, with its state below it."""
    env = {"LOCALFLEET_HOME": str(folder / "state"), "PATH": "/usr/bin", "HOME": str(folder)}
    return run_here(*arguments, folder=folder, env=env)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a models.yaml and documents of several kinds."""
    rules = "[{name: tulip, words: [Project Tulip]}, {name: idle, words: [nobody says this]}]"
    file = f"version: 1\nlocal: {{box: {{weights: w}}}}\nprivacy: {{default: public, rules: {rules}}}\n"
    (tmp_path / "models.yaml").write_text(file, encoding="utf-8")
    papers = tmp_path / "papers"
    (papers / "deep").mkdir(parents=True)
    (papers / "deep" / "plan.md").write_text(f"# Plan\n\n{PLAN}\n\n{LICENCE}\n", encoding="utf-8")
    (papers / "page.html").write_text("<p>" + " <b>x</b>".join(reversed(PLAN.split())) + "</p>", encoding="utf-8")
    (papers / "picture.png").write_bytes(b"\x89PNG\0\xff\xfe")
    (papers / "short.txt").write_text("too short", encoding="utf-8")
    with zipfile.ZipFile(papers / "letter.docx", "w") as archive:
        body = "".join(f"<w:p><w:r><w:t>{word}</w:t></w:r></w:p>" for word in sorted(PLAN.split()))
        archive.writestr("word/document.xml", f"<w:document>{body}</w:document>")
    return tmp_path


@pytest.mark.slow
def test_a_folder_is_registered_and_its_parts_are_known(place: Path) -> None:
    """Text, pages and office files are read, the others counted; a part of one is restricted in the dry run."""
    told = run(place, "privacy", "register", "papers", "--name", "plans")
    assert "document:plans  restricted  3 documents" in told.stdout, told.stderr
    assert "2 files were left out" in told.stdout
    part = " ".join(PLAN.split()[40:60])
    (place / "body.json").write_text(json.dumps({"messages": [{"role": "user", "content": part}]}), encoding="utf-8")
    row = json.loads(run(place, "explain", "body.json", "--json").stdout)
    assert (row["label"], row["because"]) == ("restricted", ["document:plans"])
    listed = json.loads(run(place, "privacy", "documents", "--json").stdout)
    assert listed["sets"] == [{"name": "plans", "label": "restricted", "documents": 3}]


def test_nothing_of_a_document_is_on_disk(place: Path) -> None:
    """Neither words nor names of files, and only the owner may read what is there."""
    run(place, "privacy", "register", "papers")
    file = place / "state" / FILE_NAME
    raw = file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert not any(word.encode() in raw for word in (*PLAN.split(), "papers", "plan.md"))


@pytest.mark.slow
def test_public_texts_do_not_count(place: Path) -> None:
    """What stands in a public text too (a licence, a quotation) is taken out of the fingerprints."""
    (place / "public.txt").write_text(LICENCE, encoding="utf-8")
    (place / "body.json").write_text(json.dumps({"messages": [{"role": "user", "content": LICENCE}]}), encoding="utf-8")
    for more, label in (((), "restricted"), (("--except", "public.txt"), "public")):
        run(place, "privacy", "register", "papers", *more)
        assert json.loads(run(place, "explain", "body.json", "--json").stdout)["label"] == label


def test_sets_stand_beside_each_other_and_can_be_removed(tmp_path: Path) -> None:
    """Registering a name again replaces it; others stay as they were; what was written is read again."""
    for name, text in (("a.txt", PLAN), ("b.txt", LICENCE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    one = read_folder(tmp_path / "a.txt", KEY).documents
    two = read_folder(tmp_path / "b.txt", KEY).documents
    both = with_set(with_set(None, KEY, "a", Label.RESTRICTED, one), KEY, "b", Label.INTERNAL, two)
    write_documents(tmp_path, with_set(both, KEY, "a", Label.RESTRICTED, one))
    known = read_documents(tmp_path, KEY)
    assert known is not None
    assert [found.kind for found in known.found(PLAN)] == ["document:a"]
    assert [(found.kind, found.label) for found in known.found(LICENCE)] == [("document:b", Label.INTERNAL)]


def test_a_damaged_file_is_no_file(tmp_path: Path) -> None:
    """Law 2: a router that cannot read what it must know again says so and does not start."""
    (tmp_path / "a.txt").write_text(PLAN, encoding="utf-8")
    write_documents(tmp_path, with_set(None, KEY, "a", Label.RESTRICTED, read_folder(tmp_path, KEY).documents))
    raw = (tmp_path / FILE_NAME).read_bytes()
    for damaged in (raw[:-3], raw[:-1] + bytes([raw[-1] ^ 1]), b"{}", b""):
        (tmp_path / FILE_NAME).write_bytes(damaged)
        with pytest.raises(FleetError, match="damaged"):
            read_documents(tmp_path, KEY)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("register", "nowhere"), "holds no files"), (("register", "papers", "--name", "No"), "a small letter"),
        (("register", "papers", "--label", "public"), "need none"),
        (("register", "papers", "--remove"), "no documents"),
        (("register", "papers/short.txt"), "no document of eight words"),
        (("test", "nowhere.jsonl"), "cannot be read"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_sentence(place: Path, arguments: tuple[str, ...], says: str) -> None:
    """What is wrong and what to do, exit code 1, nothing written."""
    with chdir(place):
        env = {"LOCALFLEET_HOME": str(place / "state")}
        done = CliRunner(env=env).invoke(build_cli("privacy"), ["privacy", *arguments])
    assert done.exit_code == 1
    # What `main` writes to stderr is a FleetError's sentence; the other tests here see it do so.
    assert says in (done.exception.message if isinstance(done.exception, FleetError) else done.stderr)
    assert not (place / "state" / FILE_NAME).exists()


@pytest.mark.slow
def test_cases_of_ones_own_hold_or_are_named(place: Path) -> None:
    """`privacy test`: ids of what came out wrong, rules that no case meets, never a text; exit 1 where one is wrong."""
    run(place, "privacy", "register", "papers")
    rows = [
        {"id": "a", "text": "About Project Tulip", "label": "restricted", "because": "rule:tulip"},
        {"id": "b", "text": "What is TCP?", "label": "public"},
        {"id": "c", "text": " ".join(PLAN.split()[:20]), "label": "restricted", "because": "document:registered"},
        {"id": "wrong", "text": "a harmless thing", "label": "restricted"},
    ]
    cases = place / "privacy-tests.jsonl"
    cases.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = run(place, "privacy", "test")
    assert done.returncode == 1
    assert "wrong: public (because: key_default), not restricted" in done.stdout
    assert "rule:idle: no case meets it" in done.stdout
    assert "3 of 4 cases" in done.stdout
    assert "harmless" not in done.stdout + done.stderr
    cases.write_text("\n".join(map(json.dumps, rows[:3])), encoding="utf-8")
    assert run(place, "privacy", "test").returncode == 0


def pdf(words: str) -> PdfWriter:
    """A page that says these words, one line for each twelve; none for no words."""
    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    lines = [words.split()[at : at + 12] for at in range(0, len(words.split()), 12)]
    shown = "".join(f"({' '.join(line)}) Tj 0 -14 Td " for line in lines)
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 10 Tf 20 800 Td {shown}ET".encode())
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Contents")] = writer._add_object(stream)
    return writer


def test_pdf_files_are_read_and_those_that_cannot_be_are_told(tmp_path: Path) -> None:
    """The words of a page are known again; a password, a scan and a damaged file are counted, not passed over."""
    locked = pdf(PLAN)
    locked.encrypt("a password", algorithm="RC4-128")
    for name, writer in (("plan.pdf", pdf(PLAN)), ("scan.PDF", pdf("")), ("locked.pdf", locked)):
        writer.write(tmp_path / name)
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert PdfReader(tmp_path / "locked.pdf").is_encrypted
    read = read_folder(tmp_path, KEY)
    assert (len(read.documents), read.skipped, read.locked, read.scanned) == (1, 3, 1, 2)
    known = with_set(None, KEY, "plans", Label.RESTRICTED, read.documents)
    assert [found.kind for found in known.found(" ".join(PLAN.split()[40:60]))] == ["document:plans"]


def test_a_folder_of_scans_says_what_to_do(place: Path) -> None:
    """Nothing could be read, and the reason stands beside it."""
    (place / "scans").mkdir()
    pdf("").write(place / "scans" / "page.pdf")
    told = run(place, "privacy", "register", "scans")
    assert told.returncode != 0
    assert "without text, such as scans: 1" in " ".join(told.stderr.split())
