"""
The budget worksheet, one row for each workflow, with exactly its nine columns:

    workflow, first tier, fallback, monthly requests, avg input, avg output, fallback rate, retry rate,
    cost per completed action

Upper case, underscores and their order do not matter. The last column is an answer: it may be empty.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from localfleet.errors import BadInput
from localfleet.traces.cells import dollars, name, real, share
from localfleet.traces.files import kind_of, open_table
from localfleet.traces.values import WorksheetRow

__all__ = ["COLUMNS", "is_worksheet", "worksheet"]

COLUMNS = (
    "workflow",
    "first tier",
    "fallback",
    "monthly requests",
    "avg input",
    "avg output",
    "fallback rate",
    "retry rate",
    "cost per completed action",
)


def is_worksheet(path: Path) -> bool:
    """Whether a file's columns are those of a worksheet, more or less: `worksheet` says what is wrong with them."""
    if kind_of(path) != "table":
        return False
    return {"workflow", "monthly requests"} <= set(map(_plain, open_table(path).header))


def worksheet(path: Path) -> Iterator[WorksheetRow]:
    """The rows; raises `BadInput` for a column that is missing or too many, and for every bad cell."""
    table = open_table(path)
    header = tuple(map(_plain, table.header))
    for column in COLUMNS:
        if header.count(column) != 1:
            what = "is missing" if column not in header else "stands twice"
            raise BadInput(path.name, 1, column, f"{what}; the columns are: {', '.join(COLUMNS)}")
    foreign = [column for column in header if column not in COLUMNS]
    if foreign:
        raise BadInput(path.name, 1, "", f"has a column too many; the columns are: {', '.join(COLUMNS)}")
    places = [header.index(column) for column in COLUMNS]
    empty = True
    for line, cells in table:
        empty = False
        yield _row(path, line, [cells[place] for place in places])
    if empty:
        raise BadInput(path.name, None, "", "holds no workflow")


def _plain(column: str) -> str:
    return " ".join(column.replace("_", " ").lower().split())


def _row(path: Path, line: int, cells: Sequence[str]) -> WorksheetRow:
    def read(place: int, reader: Callable[[Any], Any]) -> Any:
        try:
            return reader(cells[place])
        except ValueError as exc:
            raise BadInput(path.name, line, COLUMNS[place], str(exc)) from None

    workflow = name(cells[0])
    if not workflow:
        raise BadInput(path.name, line, COLUMNS[0], "is empty; name the workflow")
    return WorksheetRow(
        line=line,
        workflow=workflow,
        first_tier=name(cells[1]),
        fallback=name(cells[2]),
        monthly_requests=read(3, real),
        avg_input_tokens=read(4, real),
        avg_output_tokens=read(5, real),
        fallback_share=read(6, share),
        retry_share=read(7, share),
        usd_per_completed_action=read(8, dollars) if name(cells[8]) else None,
    )
