"""
A report as values: the answers first, then sections of prose, tables and plots. Three pens write it down.

`as_html.py`, `as_markdown.py` and `as_text.py` take the same sheet: no figure is in one form alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localfleet.cost.figures import Book

__all__ = ["Answer", "Cell", "Grid", "Picture", "Section", "Sheet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Words with the id of the figure they show; an empty id is plain text."""

    words: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the questions of the person who pays: the short answer and the sentence under it."""

    question: str
    short: str
    detail: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table. Columns from `first_number` on hold numbers. The basis of a money column is in its head."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    first_number: int = 1
    strong: int | None = None
    """The row that is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A plot: inline SVG, and its caption, which says what to see in it."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with paragraphs, tables and plots, in this order."""

    title: str
    prose: Sequence[str] = ()
    grids: Sequence[Grid] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The whole. `made` is version, date and hash of the inputs; `warnings` are what to doubt, the gravest first."""

    title: str
    verdict: str
    answers: Sequence[Answer]
    sections: Sequence[Section]
    warnings: Sequence[str]
    book: Book
    made: str
