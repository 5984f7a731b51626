"""A sheet for the terminal: the answers, then the tables, the doubts, and the verdict as the last line."""

from collections.abc import Iterator

from localfleet.cost.paper import aligned
from localfleet.cost.sheet import Cell, Grid, Section, Sheet

__all__ = ["as_text"]


def as_text(sheet: Sheet, *, short: bool = False) -> list[str]:
    """The lines; `short` leaves the sections out."""
    lines = [sheet.title, ""] if sheet.answers else [sheet.title]
    lines += aligned([(f"{answer.question}", answer.short) for answer in sheet.answers])
    lines += ["", *(answer.detail for answer in sheet.answers), ""]
    if not short:
        lines += [line for section in sheet.sections for line in _section(section)]
    lines += [f"note: {item}" for item in sheet.warnings]
    return [*lines, sheet.made, sheet.verdict]


def _section(section: Section) -> Iterator[str]:
    if not section.grids:
        return
    yield section.title
    yield from section.prose
    for grid in section.grids:
        yield from _grid(grid)
    yield ""


def _grid(grid: Grid) -> list[str]:
    rows = [[cell.words if isinstance(cell, Cell) else cell for cell in row] for row in grid.rows]
    return [f"  {line}" for line in aligned([list(grid.head), *rows], right=range(grid.first_number, len(grid.head)))]
