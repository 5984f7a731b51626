"""
A table of benchmark scores: CSV with a header, JSON lines, or a JSON list of objects, one row for each score.

Columns: model, task (or benchmark), score, source, date; prompts (how many the score is of) where it is known. A score
is a share from 0 to 1, or a number with `%`. A rating that has no such meaning (Elo) is refused with advice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from localfleet.errors import BadInput
from localfleet.traces.cells import count, name, real, share
from localfleet.traces.files import documents, kind_of, open_table

__all__ = ["COLUMNS", "Score", "scores"]

COLUMNS = ("model", "task", "score", "source", "date")
ALSO = {"benchmark": "task", "n": "prompts"}
PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One row. `score` is from 0 to 1, `prompts` how many it is the mean of, where the file says so."""

    line: int
    model: str
    task: str
    score: float
    source: str
    day: date
    prompts: int | None = None


def scores(path: Path) -> tuple[Score, ...]:
    """The rows; raises `BadInput` for a column that is missing and for every bad cell."""
    found = tuple(_score(path.name, line, row) for line, row in _rows(path))
    if not found:
        raise BadInput(path.name, None, "", "holds no score")
    return found


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if kind_of(path) == "table":
        table = open_table(path)
        header = [_plain(column) for column in table.header]
        missing = [column for column in COLUMNS if column not in header]
        if missing:
            sentence = f"is missing; the columns are: {', '.join(COLUMNS)}, and prompts where it is known"
            raise BadInput(path.name, 1, missing[0], sentence)
        yield from ((line, dict(zip(header, cells, strict=True))) for line, cells in table)
        return
    for line, value in documents(path):
        for row in value if isinstance(value, list) else [value]:
            if not isinstance(row, dict):
                raise BadInput(path.name, line, "", f"each score is an object with {', '.join(COLUMNS)}")
            yield line, {_plain(key): cell for key, cell in row.items()}


def _plain(column: str) -> str:
    plain = column.strip().lower()
    return ALSO.get(plain, plain)


def _score(file: str, line: int, row: Mapping[str, Any]) -> Score:
    def read(column: str, reader: Any) -> Any:
        try:
            return reader(row.get(column))
        except ValueError as exc:
            raise BadInput(file, line, column, str(exc)) from None

    prompts = row.get("prompts")
    return Score(
        line=line,
        model=read("model", _named),
        task=read("task", _named),
        score=read("score", _share),
        source=read("source", _named),
        day=read("date", _day),
        prompts=None if prompts in {None, ""} else read("prompts", count),
    )


def _named(cell: Any) -> str:
    found = name(cell)
    if not found:
        raise ValueError("is empty; every score says whose it is, of what, and where it was published")
    return found


def _share(cell: Any) -> float:
    text = cell.strip() if isinstance(cell, str) else cell
    if not (isinstance(text, str) and text.endswith("%")) and real(text) > 1:
        if real(text) <= PERCENT:
            raise ValueError("is above 1: write a share from 0 to 1, or put % behind it")
        raise ValueError("is no share of right answers: a rating such as Elo orders models; take their share of wins")
    return share(cell)


def _day(cell: Any) -> date:
    try:
        return date.fromisoformat(name(cell))
    except ValueError:
        raise ValueError("must be a day such as 2026-11-26") from None
