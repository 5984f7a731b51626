"""
Saved `/metrics` pages of vLLM (or llama.cpp) -> readings of their counters, in the order of time.

A file holds one page or many, each begun by a line that says when it was read:

    # at 2026-11-20T08:30:00Z
    ... the page as the engine gave it ...

A file without such a line is one page, read when the file was last written. Prometheus' own answer to a range query of
these counters (JSON, `resultType: matrix`) is read as well.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from localfleet.core.cost.counters import Reading
from localfleet.errors import BadInput
from localfleet.traces.cells import iso
from localfleet.traces.files import documents, kind_of

__all__ = ["readings"]

AT = "# at "
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?\s+([^\s]+)")
NAMES: dict[str, str] = {
    "vllm:prompt_tokens_total": "input_tokens",
    "vllm:generation_tokens_total": "output_tokens",
    "vllm:request_success_total": "requests",
    "vllm:prompt_tokens_cached_total": "cached_tokens",
    "vllm:request_decode_time_seconds_sum": "decode_s",
    "vllm:inter_token_latency_seconds_sum": "gaps_s",
    "vllm:inter_token_latency_seconds_count": "gaps",
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "process_start_time_seconds": "started_s",
    "llamacpp:prompt_tokens_total": "input_tokens",
    "llamacpp:tokens_predicted_total": "output_tokens",
    "llamacpp:requests_processing": "running",
    "llamacpp:requests_deferred": "waiting",
}
"""vLLM 0.32 (`vllm/v1/metrics/loggers.py`) and llama.cpp's server; labels (ranks, reasons) are added up."""
NEEDED = ("input_tokens", "output_tokens")
Sums = dict[str, float]


def readings(paths: Iterable[Path]) -> list[Reading]:
    """Every reading of the files, sorted by time; raises `BadInput`."""
    found = [reading for path in paths for reading in _of(path)]
    return sorted(found, key=lambda reading: reading.at_s)


def _of(path: Path) -> Iterator[Reading]:
    if kind_of(path) == "document":
        yield from _matrix(path)
        return
    at_s, line_at, lines = path.stat().st_mtime, 1, []
    for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not text.startswith(AT):
            lines.append(text)
            continue
        if any(map(str.strip, lines)):
            yield _reading(path, line_at, at_s, _sums(lines))
        try:
            at_s, line_at, lines = iso(text.removeprefix(AT).strip()), line, []
        except ValueError as exc:
            raise BadInput(path.name, line, AT.strip(), str(exc)) from None
    yield _reading(path, line_at, at_s, _sums(lines))


def _sums(lines: Iterable[str]) -> Sums:
    sums: Sums = {}
    for text in lines:
        found = SAMPLE.match(text)
        if found is None or found[1] not in NAMES:
            continue
        try:
            value = float(found[2])
        except ValueError:
            continue
        if 0 <= value < 1e18:
            field = NAMES[found[1]]
            sums[field] = max(sums.get(field, 0.0), value) if field == "started_s" else sums.get(field, 0.0) + value
    return sums


def _matrix(path: Path) -> Iterator[Reading]:
    _, answer = next(documents(path))
    data = answer.get("data") if isinstance(answer, dict) else None
    series = data.get("result") if isinstance(data, dict) else None
    if not isinstance(series, list):
        raise BadInput(path.name, None, "data.result", "is missing; save the answer of Prometheus' /api/v1/query_range")
    by_time: dict[float, Sums] = {}
    for number, each in enumerate(series):
        try:
            field = NAMES.get(each["metric"]["__name__"])
            values: list[tuple[float, float]] = [(float(at), float(value)) for at, value in each["values"]]
        except (KeyError, TypeError, ValueError):
            raise BadInput(path.name, None, f"data.result[{number}]", "is no series of numbers") from None
        for at, value in values if field is not None else ():
            sums = by_time.setdefault(at, {})
            sums[field or ""] = sums.get(field or "", 0.0) + value
    for at in sorted(by_time):
        yield _reading(path, 1, at, by_time[at])


def _reading(path: Path, line: int, at_s: float, sums: Sums) -> Reading:
    if any(field not in sums for field in NEEDED):
        sentence = "holds no token counters of vLLM (vllm:prompt_tokens_total) or llama.cpp; save the engine's /metrics"
        raise BadInput(path.name, line, "", sentence)
    values: dict[str, Any] = {"started_s": None, **sums}
    return Reading(at_s=at_s, **values)
