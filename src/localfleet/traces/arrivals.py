"""
Files with one request a line -> `Arrival`s, one by one: traces, spend logs, a CSV or JSON lines of your own.

The clock must run forwards, but for formats that are usually written newest first; those are sorted, which needs all
of them in memory.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from localfleet.errors import BadInput
from localfleet.traces.cells import MOMENTS, count, dollars, name
from localfleet.traces.files import documents, kind_of, open_table
from localfleet.traces.formats import OPTIONAL, Layout, layout_of
from localfleet.traces.values import Arrival

__all__ = ["arrivals"]

Cells = Sequence[Any]
LABELS = frozenset({"", "public", "internal", "restricted"})


def arrivals(path: Path) -> Iterator[Arrival]:
    """
    The requests of a file in the order of time; the format is told by the names of its fields (`formats.py`).

    Streams CSV and JSON lines. Raises `BadInput`, with line and field, also for a file without requests.
    """
    rows = _of_table(path) if kind_of(path) == "table" else _of_json(path)
    layout, cells = rows
    found = _read(path, layout, cells)
    yield from sorted(found, key=operator.attrgetter("at_s")) if layout.any_order else _forwards(path, layout, found)


def _of_table(path: Path) -> tuple[Layout, Iterator[tuple[int, Cells]]]:
    table = open_table(path)
    layout = _layout(path, 1, table.header)
    places = [table.header.index(field) if field in table.header else -1 for field in layout.fields]

    def rows() -> Iterator[tuple[int, Cells]]:
        for line, cells in table:
            yield line, [cells[place] if place >= 0 else None for place in places]

    return layout, rows()


def _of_json(path: Path) -> tuple[Layout, Iterator[tuple[int, Cells]]]:
    objects = _objects(path)
    first = next(objects, None)
    if first is None:
        raise BadInput(path.name, None, "", "holds no requests")
    layout = _layout(path, first[0], first[1].keys())
    fields = layout.fields

    def rows() -> Iterator[tuple[int, Cells]]:
        yield first[0], [first[1].get(field) for field in fields]
        for line, row in objects:
            yield line, [row.get(field) for field in fields]

    return layout, rows()


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every object of JSON lines, of a list, or of the list under `data`; a list's objects are counted as lines."""
    for line, document in documents(path):
        inner = document.get("data") if isinstance(document, dict) else document
        rows = inner if isinstance(inner, list) else [document]
        for number, row in enumerate(rows, line):
            if not isinstance(row, dict):
                raise BadInput(path.name, number, "", "a request is a JSON object")
            yield number, _with_cache(row) if "startTime" in row else row


def _with_cache(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """LiteLLM keeps cached tokens in `metadata`, as JSON or as JSON in text."""
    metadata = row.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = orjson.loads(metadata)
        except orjson.JSONDecodeError:
            return row
    usage = metadata.get("usage_object") if isinstance(metadata, dict) else None
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    if not isinstance(details, dict):
        return row
    return {
        **row,
        "cached_tokens": details.get("cached_tokens"),
        "cache_creation_tokens": details.get("cache_creation_tokens"),
    }


def _layout(path: Path, line: int, fields: Sequence[str] | Any) -> Layout:
    try:
        return layout_of(fields)
    except ValueError as exc:
        raise BadInput(path.name, line, "", str(exc)) from None


def _read(path: Path, layout: Layout, rows: Iterator[tuple[int, Cells]]) -> Iterator[Arrival]:
    moment = MOMENTS[layout.moment]
    plain = not any(layout.fields[OPTIONAL:])
    empty = True
    for line, cells in rows:
        empty = False
        try:
            if plain:  # most traces, and a third of the time
                yield Arrival(line, moment(cells[0]), count(cells[1]), count(cells[2]))
            else:
                yield _arrival(line, cells, moment)
        except ValueError:
            raise _wrong(path, line, layout, cells) from None
    if empty:
        raise BadInput(path.name, None, "", "holds no requests")


def _arrival(line: int, cells: Cells, moment: Callable[[Any], float]) -> Arrival:
    at, into, out, read, written, model, task, label, cost = cells
    into, read, written = count(into), _count(read), _count(written)
    if read + written > into:
        raise ValueError
    if label not in LABELS and label is not None:
        raise ValueError
    usd = None if cost in {None, ""} else dollars(cost)
    return Arrival(line, moment(at), into, count(out), read, written, name(model), name(task), name(label), usd)


def _count(cell: Any) -> int:
    return 0 if cell in {None, ""} else count(cell)


def _wrong(path: Path, line: int, layout: Layout, cells: Cells) -> BadInput:
    """Which cell it was, and what is wrong with it: read again, because a hot loop does not keep track."""
    readers = (MOMENTS[layout.moment], count, count, _count, _count, name, name, name, _usd)
    for field, reader, cell in zip(layout.fields, readers, cells, strict=True):
        try:
            reader(cell)
        except ValueError as exc:
            sentence = str(exc) if cell not in {None, ""} else "is empty; write a number"
            return BadInput(path.name, line, field, sentence)
    if name(cells[7]) not in LABELS:
        return BadInput(path.name, line, layout.label, "a label is public, internal or restricted")
    sentence = "tokens read from and written to a cache are parts of the input and cannot exceed it"
    return BadInput(path.name, line, layout.cache_read or layout.cache_write, sentence)


def _usd(cell: Any) -> None:
    if cell not in {None, ""}:
        dollars(cell)


def _forwards(path: Path, layout: Layout, found: Iterator[Arrival]) -> Iterator[Arrival]:
    latest = float("-inf")
    for arrival in found:
        if arrival.at_s < latest:
            back = latest - arrival.at_s
            sentence = f"the clock goes backwards by {back:g} s; sort the file by time"
            raise BadInput(path.name, arrival.line, layout.at, sentence)
        latest = arrival.at_s
        yield arrival
