"""The labelled prompts that ship: what one can train on, and measure by, before there are outcomes of one's own."""

from importlib.resources import files
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["said_of_shipped", "shipped_outcomes"]


def shipped_outcomes() -> "Traversable":
    """The file: JSON lines as `read_labelled` takes them, below a line that says how they came about."""
    return files("localfleet").joinpath("data/routing_outcomes.jsonl")


def said_of_shipped() -> str:
    """One sentence for whoever named no data: what is used in its place."""
    title, *rows = (orjson.loads(line) for line in shipped_outcomes().read_bytes().splitlines())
    weak, strong = (
        f"{title[side]} ({side}, {sum(row[side] for row in rows) / len(rows):.0%} right)" for side in ("weak", "strong")
    )
    return (
        f"no data named: taking the {len(rows)} prompts that ship, as {weak} and {strong} answered them; "
        "outcomes of your own models on your own prompts are better"
    )
