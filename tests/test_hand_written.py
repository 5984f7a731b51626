"""Prompts written by hand that no rule and no weight was made with: what tables and topics say of them (CC0)."""

import json
import random
import re
import string
from pathlib import Path
from typing import Any

import pytest

from localfleet.cli.check import explainer_of
from localfleet.evaluate import judge_all, read_samples, summary

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "bench/hand_written.jsonl"
FIGURES = ROOT / "bench/privacy/hand/2026-11-26.json"
_MARK = re.compile(r"\{(an|hx|b64|url|uu):([0-9]+)\}")
_LETTERS = string.ascii_letters + string.digits
_OF = {"an": _LETTERS, "hx": "0123456789abcdef", "b64": _LETTERS + "+/", "url": _LETTERS + "-_"}


def values(text: str) -> str:
    """A row with values in the places of its marks: no key of anybody's stands in the file."""
    dice = random.Random(7)

    def value(match: re.Match[str]) -> str:
        if match[1] == "uu":
            return "-".join("".join(dice.choices(_OF["hx"], k=size)) for size in (8, 4, 4, 4, 12))
        return "".join(dice.choices(_OF[match[1]], k=int(match[2])))

    return _MARK.sub(value, text)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The figures of the layers that need no model of names."""
    judge = explainer_of(str(ROOT / "models.yaml"), frozenset({"secrets", "patterns", "topics"}))[0].from_public
    rows = [values(line).encode() for line in ROWS.read_text(encoding="utf-8").splitlines()]
    return summary(judge_all(read_samples(rows), judge, lambda: 0.0))


def test_what_was_never_seen_is_found_as_often_as_the_page_says(found: dict[str, Any]) -> None:
    """All layers found 81 of 109 at 9 of 120; without names at least 69 are left, and no more are flagged."""
    recall, alarms = found["recall"][0], found["false_alarms"][0]
    assert (recall["of"], alarms["of"]) == (109, 120)
    assert recall["found"] >= 69
    assert alarms["found"] <= 9


def test_the_page_holds_the_figures_of_the_blind_runs() -> None:
    """The page and the result that was kept say the same."""
    page = (ROOT / "docs/concepts/privacy-law.md").read_text(encoding="utf-8")
    for run in json.loads(FIGURES.read_text(encoding="utf-8")).values():
        recall, alarms = run["recall"][0], run["false_alarms"][0]
        assert f"{recall['found']} of {recall['of']}" in page
        assert f"{alarms['found']} of {alarms['of']}" in page
