"""
Files as rows: CSV (or TSV) line by line, JSON lines one by one, a JSON document whole. Each row knows its line.

Streams: a CSV or JSON-lines file of any size takes the memory of one line.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from localfleet.errors import BadInput

__all__ = ["Kind", "Table", "documents", "kind_of", "open_table"]

Kind = Literal["table", "lines", "document"]
SNIFFED_BYTES = 65_536


class Table:
    """A CSV with its header; iterate for `(line, cells)`. Empty lines are passed over."""

    def __init__(self, path: Path) -> None:
        """Read the header; raises `BadInput`."""
        self.path = path
        try:
            with _opened(path) as file:
                head = file.readline()
        except UnicodeDecodeError:
            raise BadInput(path.name, 1, "", "is no text in UTF-8") from None
        self._delimiter = (
            "\t" if head.count("\t") > head.count(",") else ";" if ";" in head and "," not in head else ","
        )
        self.header = tuple(name.strip() for name in next(csv.reader([head], delimiter=self._delimiter), []))
        if not any(self.header):
            raise BadInput(path.name, 1, "", "the file is empty; its first line names the columns")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield rows that have as many cells as the header; raises `BadInput`."""
        many, line = len(self.header), 1
        with _opened(self.path) as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            try:
                next(reader)
                for cells in reader:
                    line = reader.line_num
                    if len(cells) == many:
                        yield line, cells
                    elif cells:
                        sentence = f"{len(cells)} cells under {many} columns; mend the line"
                        raise BadInput(self.path.name, line, "", sentence)
            except (csv.Error, UnicodeDecodeError):
                raise BadInput(self.path.name, line + 1, "", "is no line of CSV in UTF-8") from None


def _opened(path: Path) -> io.TextIOWrapper:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as exc:
        raise BadInput(path.name, None, "", f"cannot be read ({exc.strerror}); check the path") from exc


def open_table(path: Path) -> Table:
    """The CSV at a path; raises `BadInput`."""
    return Table(path)


def kind_of(path: Path) -> Kind:
    """Whether it is a table, lines of JSON or one document of JSON; raises `BadInput` where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFFED_BYTES)
    except OSError as exc:
        raise BadInput(path.name, None, "", f"cannot be read ({exc.strerror}); check the path") from exc
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"{", b"[")):
        return "table"
    first, newline, _ = text.partition(b"\n")
    try:
        whole = orjson.loads(first)
    except orjson.JSONDecodeError:
        return "document"
    return "lines" if newline and isinstance(whole, dict) else "document"


def documents(path: Path) -> Iterator[tuple[int, Any]]:
    """`(line, value)` of each line of JSON, or `(1, value)` of the one document; raises `BadInput`."""
    if kind_of(path) == "document":
        try:
            yield 1, orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as exc:
            raise BadInput(path.name, exc.lineno, "", "is no valid JSON here") from None
        return
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                yield line, orjson.loads(text)
            except orjson.JSONDecodeError:
                raise BadInput(path.name, line, "", "is no valid JSON; one object a line") from None
