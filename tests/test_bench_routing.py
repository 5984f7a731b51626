"""The tables of docs/concepts/routing-classifier.md say what the newest result file says."""

from pathlib import Path
from types import ModuleType

import pytest
from bench_script import bench_script

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """`bench/routing_table.py`, which is a script and no package."""
    return bench_script("routing_table")


def test_the_page_shows_the_newest_result(table: ModuleType) -> None:
    """`python bench/routing_table.py --write` was run after the last measurement."""
    page = table.PAGE.text()
    assert table.PAGE.placed(page, table.markdown(table.PAGE.newest())) == page


def test_the_guard_keeps_it_at_the_length_on_foreign_prompts(table: ModuleType) -> None:
    """On no set that training did not mean is the result below the length's."""
    rows = [row for row in table.PAGE.newest()["pairs"] if "asked" in row["set"]]
    length, ours = ({r["set"]: r["apgr"] for r in rows if r["router"] == who} for who in ("length", "localfleet"))
    assert len(ours) == 8
    assert all(ours[name] >= length[name] for name in ours)


def test_the_page_shows_what_a_prompt_can_tell() -> None:
    """`python bench/routing_ceiling.py --write` was run after the last measurement."""
    ceiling = bench_script("routing_ceiling")
    page = ceiling.PAGE.text()
    assert ceiling.PAGE.placed(page, ceiling.markdown(ceiling.PAGE.newest())) == page
