"""
A sheet as one self-contained HTML file: no script, no request, inline SVG, good on paper, in the dark and on a phone.

Every number that has an id is a link to how it was made, at the end of the page.
"""

from collections.abc import Iterator
from html import escape
from importlib.resources import files

from localfleet.cost.figures import Figure
from localfleet.cost.paper import measured
from localfleet.cost.sheet import Answer, Cell, Grid, Picture, Section, Sheet

__all__ = ["as_html"]


def as_html(sheet: Sheet) -> str:
    """The file's text."""
    style = files("localfleet").joinpath("data/report.css").read_text(encoding="utf-8")
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(sheet.title)}</title><style>{style}</style></head><body><main>",
            f'<header><h1>{words(sheet.title)}</h1><p class="verdict">{words(sheet.verdict)}</p></header>',
            *_answers(sheet),
            *_warnings(sheet),
            *map(_section, sheet.sections),
            *_made(sheet),
            f"<footer><p>{words(sheet.made)}</p></footer></main></body></html>",
            "",
        )
    )


def words(text: str) -> str:
    """Escaped, and a number never parts from its per cent sign."""
    return escape(text).replace(" %", "&nbsp;%")


def _answer(answer: Answer) -> str:
    short = _linked(answer.short, answer.id)
    head = f'<h2>{words(answer.question)}</h2><p class="short">{short}</p>'
    return f"<article>{head}<p>{words(answer.detail)}</p></article>"


def _answers(sheet: Sheet) -> Iterator[str]:
    if sheet.answers:
        yield f'<section class="answers" aria-label="The answers">{"".join(map(_answer, sheet.answers))}</section>'


def _warnings(sheet: Sheet) -> Iterator[str]:
    if sheet.warnings:
        items = "".join(f"<li>{words(item)}</li>" for item in sheet.warnings)
        yield f'<section class="doubts"><h2>What to doubt</h2><ul>{items}</ul></section>'


def _section(section: Section) -> str:
    prose = "".join(f"<p>{words(item)}</p>" for item in section.prose)
    plots = "".join(map(_picture, section.pictures))
    plots = f'<div class="plots">{plots}</div>' if plots else ""
    return f"<section><h2>{words(section.title)}</h2>{prose}{''.join(map(_grid, section.grids))}{plots}</section>"


def _picture(picture: Picture) -> str:
    return f"<figure>{picture.svg}<figcaption>{words(picture.caption)}</figcaption></figure>"


def _grid(grid: Grid) -> str:
    head = "".join(
        f'<th scope="col"{_numeric(number, grid)}>{words(title)}</th>' for number, title in enumerate(grid.head)
    )
    rows = "".join(
        f"<tr{_strong(number, grid)}>{''.join(_cell(column, cell, grid) for column, cell in enumerate(row))}</tr>"
        for number, row in enumerate(grid.rows)
    )
    return f'<div class="grid"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(column: int, cell: Cell | str, grid: Grid) -> str:
    inner = words(cell) if isinstance(cell, str) else _linked(cell.words, cell.id)
    tag = 'th scope="row"' if column == 0 else "td"
    return f"<{tag}{_numeric(column, grid)}>{inner}</{tag.split(maxsplit=1)[0]}>"


def _numeric(column: int, grid: Grid) -> str:
    return ' class="number"' if column >= grid.first_number else ""


def _strong(number: int, grid: Grid) -> str:
    return ' class="strong"' if number == grid.strong else ""


def _linked(shown: str, figure_id: str) -> str:
    return f'<a href="#{escape(figure_id)}">{words(shown)}</a>' if figure_id else words(shown)


def _made(sheet: Sheet) -> Iterator[str]:
    if not sheet.book.figures:
        return
    rows = "".join(_figure(figure) for figure in sheet.book.figures.values())
    yield (
        '<section class="made"><h2>How each number was made</h2><p>The same as '
        "<code>localfleet cost explain ID</code> prints.</p>"
        f"<details><summary>{len(sheet.book.figures)} figures</summary><dl>{rows}</dl></details></section>"
    )


def _figure(figure: Figure) -> str:
    inputs = "".join(
        f"<li>{words(item.name)} = {words(measured(item.value, item.unit))} <em>{words(item.source)}</em></li>"
        for item in figure.inputs
    )
    basis = f" ({escape(figure.basis)})" if figure.basis else ""
    note = f"<p>{words(figure.note)}</p>" if figure.note else ""
    return (
        f'<dt id="{escape(figure.id)}"><code>{escape(figure.id)}</code>{basis}</dt><dd><p>'
        f"<strong>{words(measured(figure.value, figure.unit))}</strong> = {words(figure.formula)}</p>"
        f"{note}<ul>{inputs}</ul></dd>"
    )
