"""
The wire tap grown: 21,000 cases over all endpoints, ways, faults, batches and redaction, and not one word out.

`LOCALFLEET_TAP_CROWD` says how many (100000 took 27 minutes on two busy cores), `LOCALFLEET_TAP_SEED` which. What is
covered stands at the head of `crowd_cases.py` and is asserted here; the words are random every time.
"""

import os
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import pytest
from crowd_cases import TASKS, Dealt, Way, Weather, deal, uncovered
from crowd_check import Control, left_behind, problems
from crowd_doors import DOORS, places_of, wrong_at_side_doors
from crowd_rig import Crowd, Stage
from leaking_router import FLAWS
from tap_behaviour import Fault

from localfleet.core.ask import Api

SEED = int(os.environ.get("LOCALFLEET_TAP_SEED", "20260"))
CASES = int(os.environ.get("LOCALFLEET_TAP_CROWD", "21000"))
COVERED_FROM = 21_000
WAVE = 400
FLAWED_CASES = 1600
CALM = (Weather.CALM, Weather.BOX_ILL, Weather.CALM, Weather.BOX_DOWN, Weather.STREET_ILL, Weather.ALL_ILL)
COMMANDS = (
    ("report", "--by", "task", "--json"),
    ("report", "--by", "key"),
    ("keys", "list", "--json"),
    ("audit", "verify"),
    ("audit", "export", "exported.jsonl"),
    ("audit", "left", "--from", "2020-01-01"),
    ("doctor",),
)


def waves(cases: Sequence[Dealt]) -> Iterator[tuple[Weather, list[Dealt]]]:
    """Cases by the wave; lines of batches go in calm ones, where nothing makes them wait for minutes."""
    lines = [one for one in cases if one.way is Way.BATCH]
    others = [one for one in cases if one.way is not Way.BATCH]
    rounds = -(-len(others) // WAVE)
    each = -(-len(lines) // max(1, -(-rounds // 3)))
    for number, weather in zip(range(rounds), cycle(CALM), strict=False):
        part = others[number * WAVE : (number + 1) * WAVE]
        if weather is Weather.CALM:
            part, lines = [*part, *lines[:each]], lines[each:]
        yield weather, part
    if lines:
        yield Weather.CALM, lines


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_thousand_cases_leak_nothing(tmp_path: Path) -> None:
    """Every place with every source in every API, by every way, in every weather: nothing leaves, nothing stays."""
    control, met = Control(), list[tuple[Dealt, Weather]]()
    stage, crowd = Stage.start(tmp_path, seed=SEED)
    with stage:
        began = time.monotonic()
        for weather, part in waves([*deal(SEED, CASES)]):
            wave = crowd.wave(part, weather)
            found = problems(wave, crowd.words)
            assert not found, f"seed {SEED}, {weather}:\n" + "\n".join(found[:20])
            control.note(wave, crowd.words)
            met += [(one, weather) for one in part]
        wrong, tried = wrong_at_side_doors(crowd, CASES)
        assert not wrong, "\n".join(wrong[:20])
        assert left_behind(crowd, COMMANDS) == []
        for router in crowd.routers.values():
            assert router.run("audit", "verify").returncode == 0
            assert router.stop() == 0
        assert left_behind(crowd) == []
    print(
        f"\nseed {SEED}: {len(met)} cases, {control.requests} requests, {control.posts} POSTs at hosted taps, 0 leaks"
    )
    print(f"{time.monotonic() - began:.0f} s; statuses {dict(control.statuses)}")
    print(f"{control.sought} queries at the search endpoint, {len(crowd.collector.spans)} spans at the collector")
    print(f"left freely {dict(control.free)}\nleft redacted {dict(control.redacted)}")
    print(f"faults shown {crowd.shown.total()}, of {len({fault for _, fault in crowd.shown})} kinds")
    assert tried == {*places_of("a-word")}
    assert {door for door, _ in tried} == {*DOORS}
    assert len(crowd.collector.spans) >= CASES
    if CASES >= COVERED_FROM:
        assert control.sought
        assert not uncovered(met)
        assert {*control.free} == {*Way} | {*Api}
        assert {*control.redacted} >= {Way.PLAIN, *TASKS, Way.RELEASE}
        assert {fault for _, fault in crowd.shown} >= {*Fault} - {Fault.NONE, Fault.HEADERS_HANG}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FLAWS)
def test_a_planted_leak_is_found(tmp_path: Path, name: str) -> None:
    """A router that is broken on purpose fails the deck within some hundred cases, and the deck says where."""
    stage, crowd = Stage.start(tmp_path, seed=SEED, flaw=name)
    with stage:
        assert any(FLAWS[name][1] in text for text in _found_by_and_by(crowd))


def _found_by_and_by(crowd: Crowd) -> Iterator[str]:
    for weather, part in waves([*deal(SEED, FLAWED_CASES)]):
        yield from problems(crowd.wave(part, weather), crowd.words)
    yield from left_behind(crowd)
    yield from wrong_at_side_doors(crowd, FLAWED_CASES)[0]
