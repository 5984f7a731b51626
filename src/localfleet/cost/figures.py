"""
Every number of a report with its id, unit, basis, formula, inputs and sources: what `explain` prints and JSON carries.

A number that is not in the book is not in the report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

__all__ = ["Basis", "Book", "Figure", "Input", "figure_json", "slug"]

Basis = str
"""`total`, `marginal`, `allocated`, `peak`, `list`, or empty where the figure is no money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a formula. `source` says who states it and when; `assumed` where nobody did."""

    name: str
    value: float | str | None
    unit: str
    source: str = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `value` of `None` is unknown. `formula` is written with the names of `inputs` and of other ids."""

    id: str
    value: float | None
    unit: str
    formula: str
    basis: Basis = ""
    inputs: tuple[Input, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Book:
    """Figures by id, in the order in which they were made."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def put(self, figure: Figure) -> float | None:
        """Enter a figure and hand back its value; an id stands once."""
        if figure.id in self.figures:
            raise ValueError(f"the figure {figure.id} stands twice")
        self.figures[figure.id] = figure
        return figure.value

    def find(self, wanted: str) -> tuple[Figure, ...]:
        """The figure of an id, else those whose id begins with or holds the words; empty where none does."""
        if wanted in self.figures:
            return (self.figures[wanted],)
        begun = tuple(figure for name, figure in self.figures.items() if name.startswith(f"{wanted}."))
        return begun or tuple(figure for name, figure in self.figures.items() if wanted in name)

    def near(self, wanted: str) -> list[str]:
        """Ids that look like a mistyped one."""
        return get_close_matches(wanted, list(self.figures), n=3, cutoff=0.5)

    def as_json(self) -> Mapping[str, object]:
        """All figures as plain values, by id."""
        return {name: figure_json(figure) for name, figure in self.figures.items()}


def figure_json(figure: Figure) -> dict[str, object]:
    """One figure as plain values."""
    return {
        "value": figure.value,
        "unit": figure.unit,
        "basis": figure.basis,
        "formula": figure.formula,
        "inputs": [
            {"name": item.name, "value": item.value, "unit": item.unit, "source": item.source} for item in figure.inputs
        ],
        "note": figure.note,
    }


def slug(name: str) -> str:
    """A name as a part of an id: lower case, words joined by dashes."""
    return "-".join("".join(char if char.isalnum() or char in ".-" else " " for char in name.lower()).split())
