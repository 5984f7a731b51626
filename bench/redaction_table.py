#!/usr/bin/env python3
"""
The newest result of `bench/redaction_quality.py` as the table of docs/concepts/redaction.md.

    python bench/redaction_table.py --write

Shares have Wilson's interval. What redaction costs is a difference of two shares of the same tasks: its interval is
Newcombe's for pairs (1998, method 10), which holds for few tasks and for shares at the ends.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

from result_page import ROOT, ResultPage

sys.path.insert(0, str(ROOT / "src"))

from localfleet.core.interval import wilson

__all__ = ["PAGE", "lost", "markdown"]

PAGE = ResultPage(path=ROOT / "docs/concepts/redaction.md", results=ROOT / "bench/redaction", mark="quality")
ASKED = {
    "copy": "copy a value out of a note",
    "choose": "which of two values belongs to an office",
    "format": "a telephone number as digits alone",
    "extract": "name and address of a person, as JSON",
    "sum": "what one of two named people bought",
    "all": "all",
}
MODELS = {"gemma": "Gemma 3 270M (4 bits)", "smollm2": "SmolLM2 135M (8 bits)"}


def lost(row: Mapping[str, int]) -> tuple[float, float, float]:
    """The share right as it is less the share right redacted, and its 95 % interval."""
    of, plain, redacted = row["of"], row["plain"], row["redacted"]
    if of == 0:
        return (0.0, -1.0, 1.0)
    (low1, high1), (low2, high2) = wilson(plain, of), wilson(redacted, of)
    first, second = plain / of, redacted / of
    both, neither = plain - row["lost"], of - plain - row["gained"]
    product = plain * (of - plain) * redacted * (of - redacted)
    cross = both * neither - row["lost"] * row["gained"]
    # The correction for continuity holds for pairs that go together.
    phi = 0.0 if product == 0 else (max(cross - of / 2, 0) if cross > 0 else cross) / sqrt(product)
    down = _spread(first - low1, high2 - second, phi)
    up = _spread(high1 - first, second - low2, phi)
    return (first - second, first - second - down, first - second + up)


def _spread(one: float, other: float, phi: float) -> float:
    return sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def markdown(result: Mapping[str, Any]) -> str:
    """The table and where it comes from."""
    return "\n".join([*_rows(result["kinds"]), "", *_closing(result)]) + "\n"


def _rows(kinds: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    yield "| task | tasks | right as it is | right redacted | lost by redaction | one way and not the other |"
    yield "|---|---|---|---|---|---|"
    whole: Counter[str] = Counter()
    for row in kinds.values():
        whole.update(row)
    for kind, row in (*kinds.items(), ("all", whole)):
        shares = " | ".join(_share(row[how], row["of"]) for how in ("plain", "redacted"))
        cost, low, high = (100 * share for share in lost(row))
        apart = row["lost"] + row["gained"]
        yield f"| {ASKED[kind]} | {row['of']} | {shares} | {cost:+.0f} ({low:+.0f} to {high:+.0f}) | {apart} |"


def _share(hits: int, of: int) -> str:
    low, high = (100 * bound for bound in wilson(hits, of))
    return f"{100 * hits / max(1, of):.0f} % ({low:.0f} to {high:.0f})"


def _closing(result: Mapping[str, Any]) -> Iterator[str]:
    left = sum(row["left_out"] for row in result["kinds"].values())
    model, day = MODELS[result["model"]], result["machine"]["date"][:10]
    yield f"{model}, temperature 0; percent, and points for the difference, with 95 % intervals. {left} tasks in which"
    yield f"nothing was redacted are left out. Measured {day}."


if __name__ == "__main__":
    PAGE.tell(markdown(PAGE.newest()))
