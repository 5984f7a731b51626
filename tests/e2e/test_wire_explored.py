"""
The wire tap, explored: hypothesis combines places, sources, shapes and faults that no deck deals, and shrinks a leak.

`LOCALFLEET_TAP_SEED` and `LOCALFLEET_TAP_EXPLORE` choose the cases; the canaries are new every time. The daily share of
this is in `test_wire_tap.py`, and that it bites in `test_wire_leaks.py`.
"""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from canary_cases import TAPS
from canary_dress import Dress
from canary_sources import Source
from canary_strategies import cases
from tap_behaviour import Fault
from wire_check import balanced, left_behind
from wire_explore import Explored, explore
from wire_tap import Fleet

from localfleet.core.ask import Api

SEED = int(os.environ.get("LOCALFLEET_TAP_SEED", "20260"))
CASES = int(os.environ.get("LOCALFLEET_TAP_EXPLORE", "1600"))
LANES = 8


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_explored_cases_leak_nothing(tmp_path: Path) -> None:
    """More than a thousand cases that hypothesis draws, eight at a time; then the books, the files and the end."""
    stack, rig = Fleet.start(tmp_path, LANES)
    with stack:
        began = time.monotonic()
        explored = explore(rig, cases(), number=CASES, first_seed=SEED)
        took_s = time.monotonic() - began
        assert not explored.leaks, explored.told(SEED)
        assert left_behind(rig, rig.tally, commands=True) == []
        balanced(rig)
        assert rig.router.stop() == 0
        assert left_behind(rig, rig.tally) == []
    covered(explored)
    restricted = sum(case.restricted for case in explored.cases)
    print(f"\nseed {SEED}: {len(explored.cases)} cases ({restricted} restricted, {explored.left} left), {took_s:.0f} s")
    print(f"{len(rig.tally.sent)} requests, {rig.tally.posts.total()} POSTs at hosted taps, 0 leaks")
    print(f"{len(rig.tally.canaries)} canaries, statuses {dict(explored.statuses)}")
    print(f"never shown: {[fault.value for fault in Fault if not sum(rig.tally.shown[tap, fault] for tap in TAPS)]}")


def covered(explored: Explored) -> None:
    """Assert that the search went everywhere: nothing that a case can be was left out, and enough was sent out."""
    drawn = explored.cases
    assert len({repr(case) for case in drawn}) >= 0.7 * CASES  # more than a thousand, of the 1,600 by default
    assert {case.api for case in drawn} == {*Api}
    assert {source for case in drawn for source in case.sources} == {*Source}
    assert {case.dress for case in drawn} == {*Dress}
    assert {one.fault for case in drawn for script in case.faults.values() for one in script} == {*Fault}
    counts = Counter(
        name
        for case in drawn
        for name, has in {
            "grown": any(field.name.startswith("grown") for field in case.fields),
            "several places": bool(case.beside),
            "several sources": bool(case.also),
            "restricted": case.restricted,
            "unrestricted": not case.restricted,
            "streams": case.stream,
            "callers that leave": case.leave_after_bytes is not None,
            "refusing taps": bool(case.down),
        }.items()
        if has
    )
    assert min(counts.values()) >= 0.05 * CASES, counts
    assert len(counts) == 8
    assert explored.left >= 0.05 * CASES
