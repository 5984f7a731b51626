"""The workload of `compare` from a file or from the ledger, in place of the options that would state it."""

import time
from collections.abc import Mapping
from typing import Any

from localfleet.cli.cost_progress import counted
from localfleet.cli.parts import home_path
from localfleet.cost.inputs import Misuse
from localfleet.cost.usage_month import usage_month
from localfleet.cost.workload import MeanMonth, mean_month, recorded_month
from localfleet.traces.arrivals import arrivals
from localfleet.traces.providers import buckets, is_provider_file

__all__ = ["read_off"]

STATED = ("requests_per_month", "input_tokens", "output_tokens", "cached_share", "cache_write_share")


def read_off(options: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Where the workload comes from, in words, and the options with it; as they were where nothing is read."""
    file, recorded = options["workload"], options["recorded"]
    if file is None and not recorded:
        return "", options
    if file is not None and recorded:
        raise Misuse("--workload and --recorded both say where the work is: give one of them")
    if file is not None:
        reading = f"reading {file.name}"
        if is_provider_file(file):
            found = usage_month(counted(buckets(file), reading))
        else:
            found = mean_month(counted(arrivals(file), reading))
        where = f"{file.name}: {found.words}"
    else:
        found = _recorded(options["days"])
        where = f"the ledger: {found.words}"
    return where, {**options, **_as_options(found)}


def _recorded(days: int) -> MeanMonth:
    from localfleet.storage.month import work_done  # noqa: PLC0415  # the database is loaded where it is read

    now = time.time()
    return recorded_month(work_done(home_path(), since=now - days * 86_400, until=now), until=now)


def _as_options(found: MeanMonth) -> dict[str, str]:
    figures = (found.requests, found.input_tokens, found.output_tokens, found.cache_read_share, found.cache_write_share)
    return {name: f"{value:.9f}" for name, value in zip(STATED, figures, strict=True)}
