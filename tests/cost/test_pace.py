"""How long the person who pays waits, in CPU seconds: a plan, its draws, and a report over a million receipts."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_rig import Clock, receipt

from localfleet.core.plan.case import Sigmas
from localfleet.core.plan.moves import Calls, Ending, Load
from localfleet.core.plan.stakes import INPUTS, Side, Stakes
from localfleet.cost.chances import chances
from localfleet.storage.ledger import SqliteLedger

MILLION = 1_000_000


RUN = """
import resource, runpy, sys
try:
    runpy.run_module("localfleet", run_name="__main__")
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss: that one begins with what the parent had.
    peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    sys.stderr.write(f"\\n{used.ru_utime + used.ru_stime} {peak}")
"""


def child(*words: str, home: Path) -> tuple[str, float, float]:
    """Output, CPU seconds and peak MiB of `localfleet`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "LOCALFLEET_HOME": str(home)},
        timeout=100,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    cpu_s, peak_kib = done.stderr.splitlines()[-1].split()
    return done.stdout, float(cpu_s), float(peak_kib) / 1024


def test_a_plan_takes_less_than_a_second(tmp_path: Path) -> None:
    """From the command to the HTML report, Python's own start and all imports counted."""
    file = tmp_path / "plan.yaml"
    file.write_text(child("cost", "plan", "--example", home=tmp_path)[0], encoding="utf-8")
    text, cpu_s, _ = child("cost", "plan", str(file), "--html", str(tmp_path / "r.html"), home=tmp_path)
    assert "a month" in text.splitlines()[-1]
    assert cpu_s < 1.5, "1 s on a quiet machine; a busy one counts some of the others' time"


def test_a_plan_without_a_trace_loads_no_heavy_library() -> None:
    """No numpy, no database, no litellm: that is what keeps it under a second."""
    code = "import sys, localfleet.cli.cost_plan; print({'numpy', 'sqlalchemy', 'litellm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_twenty_thousand_draws_take_less_than_two_seconds() -> None:
    """Of every uncertain input, four kinds of work, with the tornado, in CPU time."""
    calls, spread = Calls(usd=4358, out=1000, cached=100), (0.5, 1.0, 1.2)
    ends = tuple(
        Ending(on_box=1e6, elsewhere=0, stays=False, success_box=0.9, success_hosted=0.97, passed_on=0.1)
        for _ in range(4)
    )
    own = Side(passed_on=Calls(usd=100, out=10), work=Load(plain=0.4, out=0.2, context=0.05, cached=0.1), spare=1)
    at_stake = Stakes(fixed_per_box=2913, out=Side(calls=calls), own=own, power_per_box=10, ends=ends)
    every = Sigmas(
        output=0.15, cached=spread, fallback=spread, success=spread, derate=spread, api_change=(-0.2, 0.0, 0.1)
    )
    start = time.process_time()
    drawn = chances(at_stake, every)
    assert {reach.name for reach in drawn.reaches} | set(drawn.certain) >= set(INPUTS)
    assert "hosted price over the horizon" in {reach.name for reach in drawn.reaches}
    assert drawn.draws == 20_000
    assert time.process_time() - start < 2


def rows(columns: list[str], first: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """A million receipts of three tasks on three models over 25 days."""
    plain, now = dict(zip(columns, first, strict=True)), time.time()
    kinds = (
        ("intent", "mini", "low_cost", 72_000_000),
        ("essay", "best", "premium", 55 * 10**9),
        ("n", "small", "local", 0),
    )
    for number in range(MILLION):
        task, model, tier, pico = kinds[number % 3]
        row = {**plain, "seq": 1000 + number, "request_id": f"r{number}", "task": task, "model": model, "tier": tier}
        row |= {"at": now - 86_400 * 25 * (1 - number / MILLION), "cost_pico": pico, "input_tokens": 400 + number % 100}
        yield tuple(row[column] for column in columns)


@pytest.mark.slow
def test_a_report_over_a_million_receipts_takes_five_seconds_and_little_memory(tmp_path: Path) -> None:
    """`advise`, and `compare` on the recorded work: the database adds up, so memory does not grow with the ledger."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    ledger.settle(receipt(1, at=time.time() - 86_400))
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        columns = [row[1] for row in connection.execute("pragma table_info(receipts)")]
        first = connection.execute("select * from receipts").fetchone()
        marks = ",".join("?" * len(columns))
        connection.executemany(f"insert into receipts values ({marks})", rows(columns, first))
    text, cpu_s, peak_mib = child("cost", "advise", home=tmp_path)
    assert "1,000,001 requests" in text
    assert cpu_s < 8, "3 s on a quiet machine, 5 are promised; a busy one counts some of the others' time"
    assert peak_mib < 150
    text, cpu_s, peak_mib = child("cost", "compare", "--recorded", "--gpu", "h100", home=tmp_path)
    assert "1,000,001 requests" in text
    assert cpu_s < 8, "3 s on a quiet machine, 5 are promised; a busy one counts some of the others' time"
    assert peak_mib < 150
