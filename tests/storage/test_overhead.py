"""What a request pays before any door is tried: told in its receipt, summed, and held against a budget (S80)."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from action_rig import Room, speaking
from gateway_rig import Clock, Talker
from hypothesis import given
from hypothesis import strategies as st
from ledger_rig import Clock as LedgerClock
from ledger_rig import receipt
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.classify import Rules, TextRule
from localfleet.core.label import Label
from localfleet.core.routing.difficulty import Difficulty
from localfleet.core.routing.graded import Graded
from localfleet.core.routing.overhead import FEW, LATEST, REST_S, Overhead
from localfleet.core.routing.table import Table
from localfleet.ports import LedgerHealth
from localfleet.server.metrics import Metrics
from localfleet.steering import Grades, Steering, Tracks
from localfleet.storage.ledger import SqliteLedger


class Finder:
    """A rule's matcher that takes its time."""

    def __init__(self, clock: Clock) -> None:
        """Moves this clock."""
        self.clock, self.asked = clock, 0

    def count(self, _text: str) -> int:
        """A quarter of a second."""
        self.clock.at += 0.25
        self.asked += 1
        return 0


def answered(room: Room, text: str = "hello") -> None:
    """One plain request."""
    letter = room.letter(text, task=None)
    asyncio.run(room.gateway.answer(letter, room.visit(letter)))


def graded(room: Room, overhead: Overhead) -> Talker:
    """Let a local model grade each request, which takes half a second; the engine that does."""

    def grade(_text: str) -> str:
        room.clock.at += 0.5
        return "4"

    engine = Talker("small", hosted=False, books=room.books, reply=speaking(grade))
    room.gateway.steering = Steering(
        table=Table(strategies=(Difficulty(),), signals=(Graded(),)), tracks=Tracks(), clock=room.clock,
        print_key=b"k" * 32, grades=Grades(model="small", deadline_s=5, engine=engine), overhead=overhead,
    )  # fmt: skip
    room.gateway.tell = overhead.watch
    return engine


def test_a_request_says_what_it_paid_before_any_door() -> None:
    """Reading for the law and ordering doors are timed apart, on success and on refusal alike."""
    room = Room()
    rules = room.gateway.rules
    finder = Finder(room.clock)
    room.gateway.rules = Rules(texts=(slow_rule(finder),))
    graded(room, Overhead())
    answered(room)
    (one,) = room.books.receipts
    assert (one.classify_ms, one.route_ms, one.level) == (250.0, 500.0, 4)
    room.gateway.rules = rules
    room.books.shut = True
    room.engines["small"].readiness = room.engines["small"].readiness.DOWN
    answered(room)
    assert (room.books.receipts[-1].model, room.books.receipts[-1].route_ms) == (None, 500.0)


def slow_rule(finder: Finder) -> TextRule:
    """A rule of the operator's that never finds anything."""
    return TextRule(name="slow", label=Label.RESTRICTED, matcher=finder)


def test_over_the_budget_the_dear_signals_rest_and_the_law_does_not() -> None:
    """A grade that takes too long has no opinion for a while and is tried again; every rule reads every request."""
    room, overhead = Room(), Overhead(budget_ms=400)
    finder = Finder(room.clock)
    room.gateway.rules = Rules(texts=(slow_rule(finder),))
    engine = graded(room, overhead)
    for _ in range(FEW):
        answered(room)
    assert (len(engine.calls), overhead.rings) == (FEW, True)
    for _ in range(10):
        answered(room)
    assert (len(engine.calls), finder.asked, overhead.rings) == (FEW, FEW + 10, True)
    assert [one.level for one in room.books.receipts[-10:]] == [2] * 10
    room.clock.at += REST_S
    answered(room)
    assert len(engine.calls) == FEW + 1
    assert not overhead.rings


def test_without_a_budget_nothing_rests() -> None:
    """However long it takes."""
    room, overhead = Room(), Overhead()
    engine = graded(room, overhead)
    for _ in range(FEW + 5):
        answered(room)
    assert (len(engine.calls), overhead.rings) == (FEW + 5, False)


@given(st.lists(st.floats(0, 100), max_size=3 * LATEST), st.floats(0.001, 100))
def test_it_rings_exactly_where_the_95th_percentile_is_over(times: list[float], budget: float) -> None:
    """The running count is the nearest-rank percentile of the latest, also after a budget that changed."""
    overhead = Overhead(budget_ms=50)
    for n, ms in enumerate(times):
        if n == len(times) // 2:
            overhead.budget(budget)
        overhead.watch(receipt(classify_ms=ms, route_ms=0.0))
    overhead.budget(budget)
    latest = sorted(times[-LATEST:])
    rank = (len(latest) * 95 + 99) // 100
    assert overhead.rings is (len(latest) >= FEW and latest[rank - 1] > budget)


def test_the_metrics_tell_it_by_stage() -> None:
    """A histogram and an alarm; a part that was decided with its action counts for neither."""
    metrics = Metrics()
    metrics.before.overhead.budget(5)
    for _ in range(FEW):
        metrics.count(receipt(classify_ms=0.2, route_ms=20.0))
    metrics.count(receipt())
    page = metrics.page({}, LedgerHealth(ok=True)).decode()
    samples = {
        (s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(page) for s in f.samples
    }
    assert samples["localfleet_overhead_seconds_count", "classify"] == FEW
    assert samples["localfleet_overhead_seconds_bucket", "0.0003", "classify"] == FEW
    assert samples["localfleet_overhead_seconds_bucket", "0.01", "route"] == 0
    assert samples["localfleet_overhead_alarm",] == 1


def test_the_review_tells_the_median_and_the_tail(tmp_path: Path) -> None:
    """From the ledger, by stage; a ledger without such figures says nothing."""
    ledger, now = SqliteLedger(tmp_path, clock=LedgerClock()), time.time() - 60
    for n in range(20):
        ledger.settle(receipt(n, at=now, classify_ms=float(n + 1), route_ms=0.5))
    ledger.settle(receipt(21, at=now))
    assert ledger.close()
    env = {"LOCALFLEET_HOME": str(tmp_path), "COLUMNS": "200"}
    words = ["report", "--review", "--config", str(tmp_path / "none.yaml")]
    told = json.loads(CliRunner().invoke(build_cli("report"), [*words, "--json"], env=env).stdout)["overhead"]
    assert told[0] == {"name": "classify", "requests": 20, "median_ms": 10.0, "p95_ms": 19.0}
    assert told[1]["p95_ms"] == 0.5
    assert (
        "overhead: to classify took 10.00 ms in the median"
        in CliRunner().invoke(build_cli("report"), words, env=env).stdout
    )


@pytest.mark.parametrize("home", ["nothing", "empty"])
def test_without_a_ledger_there_is_no_overhead(tmp_path: Path, home: str) -> None:
    """No rows, no sentence."""
    if home == "empty":
        assert SqliteLedger(tmp_path, clock=LedgerClock()).close()
    env = {"LOCALFLEET_HOME": str(tmp_path)}
    done = CliRunner().invoke(build_cli("report"), ["report", "--review", "--config", str(tmp_path / "x")], env=env)
    assert (done.exit_code, "overhead" in done.stdout) == (0, False)
