"""The table of docs/concepts/redaction.md is that of the newest measurement, and its intervals are right."""

from pathlib import Path
from types import ModuleType

import pytest
from bench_script import bench_script
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.interval import wilson

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """`bench/redaction_table.py`, which is a script and no package."""
    return bench_script("redaction_table")


def test_the_page_shows_the_newest_result(table: ModuleType) -> None:
    """`python bench/redaction_table.py --write` was run after the last measurement."""
    page = table.PAGE.text()
    assert table.PAGE.placed(page, table.markdown(table.PAGE.newest())) == page


@given(both=st.integers(0, 60), gone=st.integers(0, 20), come=st.integers(0, 20), neither=st.integers(0, 60))
def test_the_interval_of_pairs(table: ModuleType, both: int, gone: int, come: int, neither: int) -> None:
    """It holds the difference, turns around with the two sides, and is no wider than that of two unrelated groups."""
    of = both + gone + come + neither + 1
    row = {"of": of, "plain": both + gone, "redacted": both + come, "lost": gone, "gained": come}
    turned = {"of": of, "plain": both + come, "redacted": both + gone, "lost": come, "gained": gone}
    share, low, high = table.lost(row)
    assert -1 <= low <= share <= high <= 1
    assert [-bound for bound in reversed(table.lost(turned)[1:])] == pytest.approx([low, high])
    (low1, high1), (low2, high2) = wilson(both + gone, of), wilson(both + come, of)
    if both * (neither + 1) >= gone * come:
        assert low >= low1 - high2 - 1e-9
        assert high <= high1 - low2 + 1e-9


@pytest.mark.parametrize("row", [(0, 0, 0, 0, 0), (40, 40, 40, 0, 0), (40, 40, 0, 40, 0), (40, 0, 40, 0, 40)])
def test_shares_at_the_ends_have_an_interval(table: ModuleType, row: tuple[int, ...]) -> None:
    """No task, all right both ways, all lost, all gained: the bounds hold the difference and are not beyond 1."""
    share, low, high = table.lost(dict(zip(("of", "plain", "redacted", "lost", "gained"), row, strict=True)))
    assert -1 <= low <= share <= high <= 1
    assert low < high
