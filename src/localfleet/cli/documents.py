"""`privacy register`, `privacy documents`, `privacy test`: what is the organisation's own, and whether it is found."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from localfleet.cli.check import explainer_of
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.config import load_settings
from localfleet.core.label import Label
from localfleet.documents import Folder, read_documents, read_folder, with_set, without_set, write_documents
from localfleet.errors import FleetError
from localfleet.storage.secret import derive, load_secret

__all__ = ["documents_command", "documents_key", "register_command", "try_command"]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
TESTS = "privacy-tests.jsonl"


def documents_key(home: Path) -> bytes:
    """What keys the fingerprints."""
    return derive(load_secret(home), "documents")


def register_command(
    folder: Annotated[Path, typer.Argument(help="A folder of documents, or one document.")],
    name: Annotated[str, typer.Option(help="What findings call them: `document:NAME`.")] = "registered",
    label: Annotated[str, typer.Option(help="What text from them is: restricted or internal.")] = "restricted",
    public: Annotated[
        list[Path] | None,
        typer.Option("--except", help="Public texts; what they say does not count. Repeat for several."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the documents of this name.")] = False,
    as_json: Json = False,
) -> None:
    """Register documents by fingerprints; a request that holds eleven words of one in a row gets the label."""
    if NAME.fullmatch(name) is None:
        raise FleetError("a name is a small letter, then small letters, digits, - and _")
    if label not in {"restricted", "internal"}:
        raise FleetError("the label is restricted or internal; public documents need none")
    home = state_home()
    key = documents_key(home)
    known = read_documents(home, key)
    read = Folder(documents=(), skipped=0)
    if remove:
        if known is None:
            raise FleetError("no documents are registered, so there is nothing to remove")
        documents = without_set(known, name)
    else:
        beside = frozenset(
            one for path in public or () for prints in read_folder(path, key).documents for one in prints
        )
        read = read_folder(folder, key, beside)
        if not read.documents:
            why = "".join(f"; {one}" for one in _unread(read))
            raise FleetError(
                f"{folder} holds no document of eight words or more that could be read; nothing changed{why}"
            )
        documents = with_set(known, key, name, Label.read(label), read.documents)
    write_documents(home, documents)
    _told(documents.sets, read, as_json=as_json)


def documents_command(as_json: Json = False) -> None:
    """List what is registered: names, labels, numbers of documents."""
    home = state_home()
    known = read_documents(home, documents_key(home))
    _told(() if known is None else known.sets, Folder(documents=(), skipped=0), as_json=as_json)


def _unread(read: Folder) -> Iterator[str]:
    """What to do about PDF files that gave no text."""
    if read.locked:
        yield f"PDF files that ask for a password: {read.locked}; save them without one and register again"
    if read.scanned:
        yield f"PDF files without text, such as scans: {read.scanned}; give them a text layer (OCR) and register again"


def _told(sets: tuple[Any, ...], read: Folder, *, as_json: bool) -> None:
    rows = [{"name": one.name, "label": one.label.word, "documents": one.documents} for one in sets]
    if as_json:
        print_json({"sets": rows, "skipped": read.skipped, "pdf_locked": read.locked, "pdf_without_text": read.scanned})
        return
    out = console()
    for row in rows:
        many = "1 document" if row["documents"] == 1 else f"{row['documents']} documents"
        out.print(f"document:{row['name']}  {row['label']}  {many}", markup=False)
    if read.skipped:
        out.print(f"{read.skipped} files were left out: no text, or fewer than eight words", markup=False)
    for one in _unread(read):
        out.print(one, markup=False)
    if not rows:
        out.print("no documents are registered", markup=False)
    else:
        out.print("a running router reads them at its next start or reload (SIGHUP)", markup=False)


def try_command(
    file: Annotated[
        Path, typer.Argument(help="JSON lines: `text` or `messages`, and the `label` that must come out.")
    ] = Path(TESTS),
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Try your rules, documents and layers on your own cases; exit 1 where one comes out wrong. Ids only, no text."""
    explainer, _ = explainer_of(config)
    failed: list[dict[str, Any]] = []
    hit: set[str] = set()
    count = 0
    for number, row in _rows(file):
        count += 1
        wanted, because = str(row["label"]), row.get("because")
        headers = {f"x-localfleet-{key}": str(row[key]) for key in ("task",) if key in row}
        explained = explainer.explain(_body(row), headers)
        got = explained.verdict
        hit |= {found.kind for found in got.findings}
        if got.label.word != wanted or (because is not None and because not in got.because):
            failed.append(
                {
                    "id": str(row.get("id", number)),
                    "wanted": wanted,
                    "got": got.label.word,
                    "because": list(got.because),
                }
            )
    untried = [f"rule:{rule.name}" for rule in load_settings(config).privacy.rules if f"rule:{rule.name}" not in hit]
    if as_json:
        print_json({"cases": count, "failed": failed, "rules_without_a_case": untried})
    else:
        _print_tests(count, failed, untried)
    raise typer.Exit(1 if failed else 0)


def _print_tests(count: int, failed: list[dict[str, Any]], untried: list[str]) -> None:
    out = console()
    for row in failed:
        out.print(
            f"{row['id']}: {row['got']} (because: {', '.join(row['because'])}), not {row['wanted']}", markup=False
        )
    for rule in untried:
        out.print(f"{rule}: no case meets it", markup=False)
    out.print(f"{count - len(failed)} of {count} cases came out as they must", markup=False)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as exc:
        raise FleetError(
            f"{file} cannot be read ({exc.strerror}); give a file of JSON lines with `text` and `label`"
        ) from exc
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = orjson.loads(line)
                Label.read(row["label"])
                yield number, row
            except (ValueError, LookupError, TypeError, AttributeError) as exc:
                raise FleetError(
                    f"line {number}: give `text` or `messages`, and a `label`: public, internal or restricted"
                ) from exc


def _body(row: dict[str, Any]) -> bytes:
    messages = row.get("messages") or [{"role": "user", "content": str(row.get("text", ""))}]
    return orjson.dumps({"messages": messages} | ({"tools": row["tools"]} if row.get("tools") else {}))
