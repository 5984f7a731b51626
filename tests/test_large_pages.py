"""Memory moves into large pages where the kernel has them, and stays as it is in any case."""

import subprocess
import sys
from pathlib import Path

import pytest

from localfleet.large_pages import PAGE, collapse

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Forty megabytes of small objects, as a program builds them, and then whether all are what they were.
BUILT = """
from pathlib import Path
from localfleet.large_pages import collapse
built = [(number, str(number)) for number in range(300_000)]
asked = collapse()
assert all(built[number] == (number, str(number)) for number in range(300_000))
large = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "AnonHuge" in line]
print(asked, int(large[0][1]) * 1024)
"""


def _has_large_pages() -> bool:
    release = tuple(int(part) for part in Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2])
    return release >= (6, 1) and ENABLED.exists() and "[never]" not in ENABLED.read_text()


def test_what_was_built_moves_into_large_pages_and_stays_what_it_was() -> None:
    """A process that built much holds it in large pages afterwards."""
    if not _has_large_pages():
        pytest.skip("this kernel has no large pages to give on request (Linux 6.1, not switched off)")
    ran = subprocess.run([sys.executable, "-c", BUILT], check=True, capture_output=True, text=True)
    asked, large = map(int, ran.stdout.split())
    assert asked >= 4 * PAGE
    assert large >= 4 * PAGE


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ", 0),
        ("7f0000000000-7f0000800000 r--p 00000000 00:00 0 ", 0),
        ("7f0000000000-7f0000800000 rw-p 00000000 fe:00 12 /usr/lib/libpython3.so", 0),
        ("7f0000000000-7f0000800000 rw-s 00000000 00:05 9 /dev/shm/x", 0),
        ("7f0000000000-7f0000800000 rw-p 00000000 00:00 0 [stack]", 0),
        ("7f0000000000-7f0000800000 rw-p 00000000 00:00 0 ", 4 * PAGE),
        ("7f0000001000-7f0000801000 rw-p 00000000 00:00 0 [heap]", 3 * PAGE),
        ("", 0),
    ],
)
def test_only_whole_large_pages_of_our_own_memory_are_asked_for(tmp_path: Path, line: str, asked: int) -> None:
    """Small areas, files, stacks and shared memory are left alone; what is not there, the kernel refuses."""
    maps = tmp_path / "maps"
    maps.write_text(line)
    assert collapse(maps) == asked


def test_where_nothing_tells_of_memory_nothing_is_done(tmp_path: Path) -> None:
    """Another system, or a closed /proc."""
    assert collapse(tmp_path / "none") == 0
