"""The numbers in README.md are those of the newest result file, and the table says what the file says."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bench_script import bench_script

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """`bench/table.py`, which is a script and no package."""
    return bench_script("table")


def result_of(**medians: float) -> dict[str, Any]:
    """A result with these requests/s."""
    contestants = {
        name: {
            "title": name,
            "rss_mib": 90.4,
            "start_s": 1.25,
            "rounds": [{"foreign_share": 0.02}],
            "median": {"rps": rps, "cpu_us": 300.0, "p50_ms": 0.5, "p99_ms": 1.5},
        }
        for name, rps in medians.items()
    }
    others = {name: 2.0 for name in medians if not name.startswith("router-")}
    return {
        "commit": "0123456789",
        "dirty": False,
        "machine": {"cpu": "a CPU", "date": "2026-11-22T05:00:00+00:00"},
        "load": {"rounds": 3},
        "contestants": contestants,
        "ratios": {
            "throughput": {"router-local": others, "router-hosted": others, "router-restricted": others},
            "added_ms": dict.fromkeys(medians, 0.25),
            "first_token_added_ms": {"router-local": 0.5, "router-hosted": 0.9},
        },
    }


def test_readme_shows_the_newest_result(table: ModuleType) -> None:
    """`python bench/table.py --write` was run after the last measurement."""
    readme = table.PAGE.text()
    assert table.PAGE.placed(readme, table.markdown(table.PAGE.newest())) == readme


def test_table_ranks_by_throughput_and_leaves_the_upstream_out(table: ModuleType) -> None:
    """One row for each proxy, the fastest first, with its numbers and units."""
    result = result_of(
        upstream=9000, litellm=60, **{"router-local": 2500, "router-hosted": 1500, "passthrough-own": 5000}
    )
    rows = [line for line in table.markdown(result).splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| passthrough-own",
        "| router-local",
        "| router-hosted",
        "| litellm",
    ]
    assert rows[1] == "| router-local | 2,500 | 300 µs | 0.25 ms | 1.50 ms | 90 MiB | 1.2 s |"


def test_sentences_say_ratio_noise_and_changes(table: ModuleType) -> None:
    """The aims' ratios, how busy the machine was, and whether the tree was clean."""
    result = result_of(
        upstream=9000, litellm=60, **{"router-local": 2500, "router-hosted": 1500, "passthrough-own": 5000}
    )
    result["dirty"] = True
    text = table.markdown(result)
    assert "2 times through the local door" in text
    assert "0.50 ms later" in text
    assert "at 0123456 with changes on a CPU" in text
    assert "up to 2% of that core meanwhile." in text
    result["load"]["realtime"] = True
    assert "same real-time priority" in table.markdown(result)


def test_placed_needs_both_markers(table: ModuleType) -> None:
    """A README without markers is an error, not an appended table."""
    assert table.PAGE.placed("a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nb", "new\n") == (
        "a\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nb"
    )
    with pytest.raises(ValueError, match="markers"):
        table.PAGE.placed("a\n<!-- bench:begin -->\nb", "new")
