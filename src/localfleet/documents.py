"""
Documents that must be known again (`privacy register`): read from a folder, kept as keyed fingerprints.

Lives here: which files are text, and `documents.prints` in the state folder, written whole or not at all, readable by
its owner. May not: keep a word, or the name of a file.
"""

import json
import logging
import re
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from html import unescape
from pathlib import Path

from localfleet.core.label import Label
from localfleet.core.winnow import Documents, DocumentSet, fingerprints, gathered
from localfleet.errors import FleetError

__all__ = ["FILE_NAME", "Folder", "read_documents", "read_folder", "with_set", "without_set", "write_documents"]

FILE_NAME = "documents.prints"
VERSION = 1
MOST_BYTES = 64 * 2**20
"""Of one file; larger ones are data, not documents."""
OFFICE = {".docx": "word/document.xml", ".odt": "content.xml", ".pptx": "ppt/slides/"}
"""Documents that are an archive, and where in it their text is."""
PDF = ".pdf"
MARKUP = frozenset({".html", ".htm", ".xml"})
_TAG = re.compile(r"<[^>]{0,4000}>")
_ENDS = re.compile(r"</(?:w:p|a:p|text:p|text:h|p|div|li|td|tr|h[1-6])>|<(?:br|w:br|w:tab|text:tab|text:s)[^>]{0,99}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What was read of a folder: the fingerprints of each document, and how many files were no text or too short."""

    documents: tuple[frozenset[int], ...]
    skipped: int
    locked: int = 0
    """Of those skipped, PDF files that ask for a password."""
    scanned: int = 0
    """Of those skipped, PDF files that hold no text: pictures of pages, most often."""


def read_folder(folder: Path, key: bytes, beside: frozenset[int] = frozenset()) -> Folder:
    """
    Every document below a folder, or one file; without the fingerprints `beside`, which are of public texts.

    Raises `FleetError` where there is nothing to read.
    """
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise FleetError(f"{folder} holds no files; give a folder of documents, or one document")
    found, skipped, locked, scanned = [], 0, 0, 0
    for file in files:
        try:
            texts = list(_texts(file))
        except _PdfLockedError:
            texts, locked = [], locked + 1
        else:
            scanned += file.suffix.lower() == PDF and not any(text.strip() for text in texts)
        prints = frozenset().union(*(fingerprints(text, key) for text in texts)) - beside
        if prints:
            found.append(prints)
        else:
            skipped += 1
    return Folder(documents=tuple(found), skipped=skipped, locked=locked, scanned=scanned)


def _texts(file: Path) -> Iterator[str]:
    """The texts of a file; none where it is not one that can be read."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return
        if file.suffix.lower() in OFFICE:
            yield from _office(file, OFFICE[file.suffix.lower()])
            return
        if file.suffix.lower() == PDF:
            yield _pdf_text(file)
            return
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile):
        return
    if "\0" not in text:
        yield _plain(text) if file.suffix.lower() in MARKUP else text


def _office(file: Path, inside: str) -> Iterator[str]:
    with zipfile.ZipFile(file) as archive:
        for one in archive.infolist():
            if one.filename.startswith(inside) and one.filename.endswith(".xml") and one.file_size <= MOST_BYTES:
                yield _plain(archive.read(one).decode("utf-8", "replace"))


class _PdfLockedError(Exception):
    """The file asks for a password that is not empty, or is locked in a way that needs more than is installed."""


def _pdf_text(file: Path) -> str:
    """All pages in order; empty where the file holds no text or is none. Raises `_PdfLockedError`."""
    from pypdf import PdfReader  # noqa: PLC0415  # it takes a while, and few commands need it
    from pypdf.errors import DependencyError, PyPdfError  # noqa: PLC0415  # the same

    # It quotes what it cannot read, and what it cannot read is a document.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _PdfLockedError
        return "\n".join(page.extract_text() for page in reader.pages)
    except DependencyError as exc:
        raise _PdfLockedError from exc
    # Of a damaged file anything may be missing.
    except (PyPdfError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ""


def _plain(markup: str) -> str:
    return unescape(_TAG.sub("", _ENDS.sub(" ", markup)))


def read_documents(home: Path, key: bytes) -> Documents | None:
    """
    What is registered; `None` where nothing is.

    Raises `FleetError` for a file that cannot be read whole: a router that does not know its documents must not start.
    """
    path = home / FILE_NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise FleetError(f"{path} cannot be read ({exc.strerror}); mend its permissions") from exc
    try:
        return _parsed(raw, key)
    except (ValueError, LookupError, TypeError) as exc:
        raise FleetError(f"{path} is damaged; register the documents again") from exc


def _parsed(raw: bytes, key: bytes) -> Documents:
    head, _, rest = raw.partition(b"\n")
    table = json.loads(head)
    if table["version"] != VERSION or blake2b(rest, key=key).hexdigest() != table["hash"]:
        raise ValueError("not what was written")
    sets = tuple(DocumentSet(name=n, label=Label.read(label), documents=d) for n, label, d in table["sets"])
    parts = [array("Q"), array("I"), array("H"), array("B")]
    at = 0
    for part, items in zip(parts, table["items"], strict=True):
        size = items * part.itemsize
        part.frombytes(rest[at : at + size])
        at += size
    return Documents(key=key, sets=sets, prints=parts[0], owners=parts[1], sets_of=parts[2], least=parts[3])


def write_documents(home: Path, documents: Documents) -> None:
    """Put the file in place of the old one. Raises `FleetError`."""
    parts = (documents.prints, documents.owners, documents.sets_of, documents.least)
    rest = b"".join(part.tobytes() for part in parts)
    head = {
        "version": VERSION,
        "sets": [(one.name, one.label.word, one.documents) for one in documents.sets],
        "items": [len(part) for part in parts],
        "hash": blake2b(rest, key=documents.key).hexdigest(),
    }
    draft = home / f"{FILE_NAME}.new"
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(json.dumps(head).encode() + b"\n" + rest)
        draft.replace(home / FILE_NAME)
    except OSError as exc:
        raise FleetError(f"{home / FILE_NAME} cannot be written ({exc.strerror}); is the disk full?") from exc


def with_set(
    known: Documents | None, key: bytes, name: str, label: Label, documents: Sequence[frozenset[int]]
) -> Documents:
    """The documents with this set in place of one of the same name."""
    rest = {} if known is None else _sets(known)
    rest.pop(name, None)
    sets = [*rest.values(), (DocumentSet(name=name, label=label, documents=len(documents)), documents)]
    return gathered(key, sets)


def without_set(known: Documents, name: str) -> Documents:
    """The documents without a set; raises `FleetError` where there is none of that name."""
    rest = dict(_sets(known))
    if rest.pop(name, None) is None:
        raise FleetError(f"no documents are registered as `{name}`; `localfleet privacy documents` lists them")
    return gathered(known.key, rest.values())


def _sets(known: Documents) -> dict[str, tuple[DocumentSet, Sequence[frozenset[int]]]]:
    """Set by set what is registered, taken apart again."""
    prints: list[set[int]] = [set() for _ in known.sets_of]
    for print_, owner in zip(known.prints, known.owners, strict=True):
        prints[owner].add(print_)
    by_set: Mapping[int, list[frozenset[int]]] = {place: [] for place in range(len(known.sets))}
    for document, place in enumerate(known.sets_of):
        by_set[place].append(frozenset(prints[document]))
    return {one.name: (one, by_set[place]) for place, one in enumerate(known.sets)}
