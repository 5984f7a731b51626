"""The tables of docs/concepts/privacy-law.md say what the newest result of `bench/privacy.py` says."""

from types import ModuleType

import pytest
from bench_script import bench_script


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """`bench/privacy_table.py`, which is a script and no package."""
    return bench_script("privacy_table")


def test_the_page_shows_the_newest_result(table: ModuleType) -> None:
    """`python bench/privacy_table.py --write` was run after the last measurement."""
    page = table.PAGE.text()
    assert table.PAGE.placed(page, table.shown()) == page


@pytest.mark.parametrize(
    ("found", "flagged", "reached"),
    [(99, 1, True), (98, 1, False), (99, 3, False), (100, 2, True)],
)
def test_a_target_is_reached_by_both_of_its_numbers(
    table: ModuleType, found: int, flagged: int, *, reached: bool
) -> None:
    """Enough was found and little enough flagged; one of the two is not enough."""
    target = table.Target(what="x", of="x", anchor="-", recall=0.985, alarms=0.02)
    rows = ({"of": 100, "share": found / 100}, {"of": 100, "share": flagged / 100})
    assert table.reaches(*rows, target) is reached


def test_a_target_that_asks_for_what_was_not_measured_is_not_reached(table: ModuleType) -> None:
    """Nothing to find is no proof that it would have been found."""
    target = table.Target(what="x", of="x", anchor="-", recall=0.9)
    assert not table.reaches({"of": 0}, {"of": 0}, target)


def test_what_was_read_blind_stands_beside_what_was_read_since(table: ModuleType) -> None:
    """A set that was read once keeps its first numbers, whatever is mended after its misses were read."""
    page = table.shown()
    (once,) = (one for one in table.BLIND.newest()["sets"] if one["set"] == "grammar")
    (now,) = (one for one in table.PAGE.newest()["sets"] if one["set"] == "grammar")
    assert table.counts(once["recall"][0]) in page
    assert table.counts(now["recall"][0]) in page
    assert once["samples"] >= 1000


def test_no_row_of_a_set_is_in_the_result(table: ModuleType) -> None:
    """Ids, counts and times: no value is longer than an id or a name."""
    for one in (*table.PAGE.newest()["sets"], *table.BLIND.newest()["sets"]):
        assert all(len(name) < 60 for name in (*one["missed"], *one["flagged"]))
        assert set(one) <= {
            "set", "sort", "samples", "recall", "false_alarms", "either", "latency", "missed", "flagged", "kinds",
        }  # fmt: skip
