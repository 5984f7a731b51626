"""`cost claims`: the 31 claims of the study come out as the study says, and a file of one's own is checked by field."""

import contextlib
import json
import re
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner

from localfleet.cli.cost import build_cost
from localfleet.cost.arithmetic import worked_out
from localfleet.cost.claims_file import parse_claims, read_claims
from localfleet.cost.verdicts import work_claim
from localfleet.errors import ConfigError


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `localfleet cost claims`."""
    done = CliRunner().invoke(build_cost("claims"), ["claims", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """The shipped claims as JSON, by id."""
    rows = json.loads(run("--json")[1])
    return {row["id"]: row for row in rows}


def test_v14_every_verdict_of_the_study() -> None:
    """31 claims: 10 reproduced, 5 impossible, 8 false, 8 open; each as the study found it."""
    done = [work_claim(row) for row in read_claims(None).claims]
    assert {item.row.id: item.verdict for item in done} == {item.row.id: item.row.expect for item in done}
    counts = [sum(item.verdict == word for item in done) for word in ("reproduced", "impossible", "false", "open")]
    assert counts == [10, 5, 8, 8]


@pytest.mark.parametrize(
    ("claim", "figure", "low", "high"),
    [("0b", "on Flash", 0.036, 0.045), ("0c", "on mini", 0.54, 0.675), ("0d", "on Haiku", 3.5, 3.5)],
)
def test_v14_bands(found: dict[str, dict[str, Any]], claim: str, figure: str, low: float, high: float) -> None:
    """What the same tokens can cost on the other model, to the rounding of what is printed."""
    (band,) = (item for item in found[claim]["table"]["bands"] if item["name"] == figure)
    assert band["low"] == pytest.approx(low, rel=3e-3)
    assert band["high"] == pytest.approx(high, rel=3e-3)


def test_v14_corrected_totals(found: dict[str, dict[str, Any]]) -> None:
    """2.54 can be 4.08 to 4.22; 67.50 is 108.60; 1.65 is 1.183 at most."""
    bands = {name: {item["name"]: item for item in found[name]["table"]["bands"]} for name in ("0e", "3c", "0h")}
    assert bands["0e"]["routed"]["low"] == pytest.approx(4.08, abs=0.006)
    assert bands["0e"]["routed"]["high"] == pytest.approx(4.22, abs=0.006)
    assert bands["3c"]["Flash, Haiku, Sonnet"]["high"] == pytest.approx(108.60)
    assert bands["0h"]["routed"]["high"] == pytest.approx(1.183, abs=1e-3)


def test_the_report_names_the_nearest_consistent_figure() -> None:
    """Exit 1, the proof, and the figure that would do."""
    code, text, _ = run("--only", "0d")
    assert code == 1
    assert "impossible" in text
    assert re.search(r"on Haiku +printed 2 +can be 3\.499 to 3\.501 +nearest consistent 3\.499", text)
    assert run("--only", "3a")[0] == 0


OWN = """
claims:
  - id: mine
    says: half price
    sums: [{name: saved, printed: 0.5, sum: 1 - 50 / 100}]
    table:
      prices: {a: {in: 2, out: 8}, b: {in: 1, out: 4}}
      tokens: [{name: t}]
      figures:
        - {name: on a, usd: 100, given: true, parts: [{tokens: t, model: a}]}
        - {name: on b, usd: 50, parts: [{tokens: t, model: b}]}
"""


def test_a_claim_of_ones_own(tmp_path: Path) -> None:
    """Possible: the command shows tokens that give it."""
    file = tmp_path / "c.yaml"
    file.write_text(OWN, encoding="utf-8")
    code, text, _ = run(str(file))
    assert code == 0
    assert "mine reproduced" in text
    assert "tokens that give it" in text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model: b}", "model: c}", "no price is given for c"),
        ("{tokens: t, model: b}", "{tokens: x, model: b}", "no tokens of the name x are listed"),
        ("in: 2", "in: -2", "in: Input should be greater than or equal to 0"),
        ("usd: 100", "usd: .nan", "claims.0.table.figures.0.usd"),
        ("1 - 50 / 100", "__import__('os')", "is no sum of numbers"),
        ("1 - 50 / 100", "1 / 0", "divides by zero"),
        ("id: mine", "id: mine\n    colour: red", "unknown key `colour`"),
    ],
)
def test_a_bad_claim_names_its_field(old: str, new: str, says: str) -> None:
    """One sentence with the line."""
    assert old in OWN
    with pytest.raises(ConfigError, match=re.escape(says)):
        parse_claims(OWN.replace(old, new, 1).encode(), "c.yaml")


def test_given_figures_that_contradict_each_other_are_said(tmp_path: Path) -> None:
    """Nothing can be proved from a contradiction: exit 2, and the claim is named."""
    file = tmp_path / "c.yaml"
    again = "- {name: again, usd: 7, given: true, parts: [{tokens: t, model: a}]}\n        - {name: on b"
    file.write_text(OWN.replace("- {name: on b", again), encoding="utf-8")
    code, _, error = run(str(file))
    assert code == 2
    assert "claim mine: given" in error
    assert run("--only", "none")[0] == 2


numbers = some.integers(1, 999)


@given(numbers, numbers, numbers)
def test_sums_are_worked_out_as_written(a: int, b: int, c: int) -> None:
    """Against Python's own arithmetic, with precedence and brackets."""
    assert worked_out(f"{a} + {b} * {c}") == a + b * c
    assert worked_out(f"({a} - {b}) / {c}") == (a - b) / c
    assert worked_out(f"-{a} * 1e3 ** 2") == -a * 1e6


@given(some.text(max_size=30))
def test_nothing_else_is_understood(text: str) -> None:
    """Any text is a finite number or a `ValueError`; nothing is run."""
    with contextlib.suppress(ValueError):
        assert isfinite(worked_out(text))
