"""A sheet as Markdown: headings, tables with aligned numbers; of the plots their captions."""

from collections.abc import Iterator

from localfleet.cost.sheet import Cell, Grid, Section, Sheet

__all__ = ["as_markdown"]


def as_markdown(sheet: Sheet) -> str:
    """The file's text."""
    return "\n".join((*_top(sheet), *(line for section in sheet.sections for line in _section(section)), *_end(sheet)))


def _top(sheet: Sheet) -> Iterator[str]:
    yield from (f"# {_safe(sheet.title)}", "", f"**{_safe(sheet.verdict)}**", "")
    for answer in sheet.answers:
        yield f"- **{_safe(answer.question)}** {_safe(answer.short)}. {_safe(answer.detail)}"
    yield ""
    if sheet.warnings:
        yield from ("## What to doubt", "", *(f"- {_safe(item)}" for item in sheet.warnings), "")


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {_safe(section.title)}", "")
    for paragraph in section.prose:
        yield from (_safe(paragraph), "")
    for grid in section.grids:
        yield from (*_grid(grid), "")
    for picture in section.pictures:
        yield from (f"*Plot (in the HTML report):* {_safe(picture.caption)}", "")


def _grid(grid: Grid) -> Iterator[str]:
    yield f"| {' | '.join(map(_safe, grid.head))} |"
    yield f"|{'|'.join('---:' if number >= grid.first_number else '---' for number in range(len(grid.head)))}|"
    for number, row in enumerate(grid.rows):
        cells = [_safe(cell.words if isinstance(cell, Cell) else cell) for cell in row]
        if number == grid.strong:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        yield f"| {' | '.join(cells)} |"


def _end(sheet: Sheet) -> Iterator[str]:
    yield from ("---", "", _safe(sheet.made), "")


def _safe(words: str) -> str:
    """Words that cannot break a table or start a tag."""
    return words.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
