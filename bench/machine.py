"""What the numbers were measured on: machine, versions, commit, and how busy the cores were meanwhile."""

import os
import platform
import re
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["Busy", "children", "commit", "cpu_s", "machine", "rss_mib", "versions"]

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ("uvicorn", "uvloop", "httptools", "orjson", "pyreqwest", "sqlalchemy", "google-re2")


def machine() -> dict[str, Any]:
    """CPU, cores, memory, kernel, date."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    total = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": model[1] if model else "unknown",
        "cores": os.cpu_count(),
        "memory_gib": round(int(total[1]) / 2**20, 1) if total else None,
        "kernel": platform.release(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions(extra: dict[str, str]) -> dict[str, str]:
    """Everything whose version moves a number."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
        "nginx": said(["nginx", "-v"]).rpartition("/")[2],
        "wrk": said(["wrk", "-v"]).split(" ")[1],
        **extra,
    }


def commit() -> dict[str, Any]:
    """The commit that is measured, and whether the tree has changes beside it."""
    return {
        "commit": said(["git", "-C", str(ROOT), "rev-parse", "HEAD"]),
        "dirty": bool(said(["git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "bench", "uv.lock"])),
    }


def said(argv: list[str]) -> str:
    """The first line a program says, on either stream."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return ((done.stdout + done.stderr).strip().splitlines() or [""])[0]


def children(pid: int) -> list[int]:
    """A process and everything below it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        direct = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []
    return [pid, *(found for child in direct for found in children(child))]


def cpu_s(pid: int) -> float:
    """CPU seconds used so far by a process and everything below it."""
    ticks = 0
    for one in children(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def rss_mib(pid: int) -> float:
    """Resident memory of a process and everything below it, in MiB; pages shared between them count each time."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in children(pid))
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


class Busy:
    """How much of one core was in use between two moments."""

    def __init__(self, core: int) -> None:
        """Begin now."""
        self._core = core
        self._idle, self._total = self._read()

    def _read(self) -> tuple[int, int]:
        line = re.search(rf"^cpu{self._core} (.*)$", Path("/proc/stat").read_text(), re.MULTILINE)
        assert line is not None
        fields = [int(field) for field in line[1].split()[:8]]
        return fields[3] + fields[4], sum(fields)

    def seconds(self) -> tuple[float, float]:
        """Seconds in use by anybody, and seconds in all, since the beginning."""
        idle, total = self._read()
        passed = total - self._total
        return (passed - (idle - self._idle)) / TICKS, passed / TICKS
