"""Times of a task against its aims in models.yaml (I7): percentiles that the ledger saw, met or missed."""

from typing import Any

from localfleet.config.settings import Task
from localfleet.storage.report import Total

__all__ = ["aim_rows", "aim_words"]


def aim_rows(task: Task, seen: Total) -> list[dict[str, Any]]:
    """Each aim that the file writes for a task; `met` is `None` where no request had such a time."""
    wanted = task.aims
    if wanted is None:
        return []
    times = {
        "ttft_ms": (wanted.ttft_ms, seen.median_first_byte_ms, seen.p95_first_byte_ms),
        "total_ms": (wanted.total_ms, seen.median_ms, seen.p95_ms),
    }
    found = []
    for what, (aims, median, p95) in times.items():
        for name, aim, ms in () if aims is None else (("p50", aims.p50, median), ("p95", aims.p95, p95)):
            if aim is not None:
                met = None if ms is None else ms <= aim
                found.append({"time": what, "percentile": name, "aim_ms": aim, "seen_ms": ms, "met": met})
    return found


def aim_words(task: str, row: dict[str, Any]) -> str:
    """One line; what is missed begins with a mark."""
    said = {None: "nothing to measure yet", True: "met", False: "MISSED"}[row["met"]]
    seen = "-" if row["seen_ms"] is None else f"{row['seen_ms']:.0f} ms"
    mark = "!" if row["met"] is False else " "
    what = row["time"].removesuffix("_ms")
    return f"{mark} {task}: {row['percentile']} of {what} {seen}, the aim is {row['aim_ms']} ms: {said}"
