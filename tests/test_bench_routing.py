"""The tables of docs/concepts/routing-classifier.md say what the newest result file says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """`bench/routing_table.py`, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("bench_routing_table", ROOT / "bench/routing_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_newest_result(table: ModuleType) -> None:
    """`python bench/routing_table.py --write` was run after the last measurement."""
    page = table.PAGE.read_text(encoding="utf-8")
    assert table.placed(page, table.markdown(table.newest())) == page


def test_the_guard_keeps_it_at_the_length_on_foreign_prompts(table: ModuleType) -> None:
    """On no set that training did not mean is the result significantly below the length's."""
    foreign = [row for row in table.newest()["pairs"] if "asked" in row["set"] and row["router"] == "localfleet"]
    assert len(foreign) == 4
    assert all(row["lead_high"] >= 0 for row in foreign)


def test_placed_needs_both_markers(table: ModuleType) -> None:
    """A page without markers is an error, not an appended table."""
    assert table.placed(f"a\n{table.BEGIN}old\n{table.END}b", "new\n") == f"a\n{table.BEGIN}new\n{table.END}b"
    with pytest.raises(ValueError, match="markers"):
        table.placed(f"a\n{table.BEGIN}b", "new")
