"""The line of one model, by properties: fair by tokens, within a proved bound, nobody starves, nobody is held back."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.ask import Priority
from localfleet.core.fairness import Line, Ticket, work_of

LIVE, BATCH = Priority.LIVE, Priority.BATCH
COST = st.integers(1, 50)
WORK = st.lists(st.tuples(COST, COST), min_size=1, max_size=8)
"""What one key asks for, again and again: the estimate and the real cost of each request."""


def join(line: Line, key: str, cost: float = 1, priority: Priority = LIVE, now: float = 0) -> Ticket:
    """One ticket."""
    return line.join(key, cost=cost, input_tokens=int(cost), priority=priority, now=now)


def order(line: Line, now: float = 0) -> list[str]:
    """The keys in the order in which they get their turns, all of them at one time."""
    turns = []
    while (ticket := line.take(now)) is not None:
        turns.append(ticket.key)
    return turns


@dataclass
class Engine:
    """An engine with some slots and keys that always have a request waiting; the oldest turn ends first."""

    slots: int
    work: dict[str, list[tuple[int, int]]]
    weights: dict[str, float] = field(default_factory=dict)
    line: Line = field(default_factory=Line)
    served: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Every key joins, with two requests: so it still waits while one of them has its turn."""
        self.asked: Counter[str] = Counter()
        self.real: dict[int, int] = {}
        self.inside: list[Ticket] = []
        for key in (*self.work, *self.work):
            self.ask(key)

    def ask(self, key: str) -> None:
        """The next request of a key joins the line."""
        guess, real = self.work[key][self.asked[key] % len(self.work[key])]
        self.asked[key] += 1
        ticket = join(self.line, key, guess / self.weights.get(key, 1))
        self.real[ticket.number] = real

    def step(self) -> None:
        """One turn ends where all slots are taken, and one begins; its key asks again at once."""
        if len(self.inside) == self.slots:
            done = self.inside.pop(0)
            real = self.real.pop(done.number)
            self.line.end(done.key, charged=done.cost, cost=real / self.weights.get(done.key, 1))
            self.served[done.key] += real
        ticket = self.line.take(0)
        assert ticket is not None
        self.inside.append(ticket)
        self.turns[ticket.key] += 1
        self.ask(ticket.key)


@settings(max_examples=60, deadline=None)
@given(a=WORK, b=WORK, c=WORK, slots=st.integers(1, 4), steps=st.integers(1, 200))
def test_what_backlogged_keys_are_served_differs_by_a_bound(
    a: list[tuple[int, int]], b: list[tuple[int, int]], c: list[tuple[int, int]], slots: int, steps: int
) -> None:
    """VTC's theorem: the bound knows the slots and the largest request, not the time nor the number of requests."""
    engine = Engine(slots, {"a": a, "b": b, "c": c})
    largest = max(max(pair) for pair in (*a, *b, *c))
    for _ in range(steps):
        engine.step()
        counters = [engine.line.counter(key) or 0 for key in "abc"]
        assert max(counters) - min(counters) <= (slots + 1) * largest
        served = [engine.served[key] for key in "abc"]
        assert max(served) - min(served) <= 2 * (slots + 1) * largest


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, 12), slots=st.integers(1, 4))
def test_cutting_work_into_small_requests_gains_nothing(cut: int, slots: int) -> None:
    """Two keys with the same tokens, one in many small requests, are served the same tokens."""
    engine = Engine(slots, {"large": [(30 * cut, 30 * cut)], "small": [(30, 30)]})
    for _ in range(40 * cut):
        engine.step()
    assert abs(engine.served["large"] - engine.served["small"]) <= 2 * (slots + 1) * 30 * cut
    assert engine.turns["small"] >= engine.turns["large"] * cut - 2 * (slots + 1) * cut


@settings(max_examples=15, deadline=None)
@given(weight=st.sampled_from([0.5, 2.0, 4.0]), cost=COST)
def test_a_weight_is_a_share(weight: float, cost: int) -> None:
    """Twice the weight, twice the tokens."""
    engine = Engine(2, {"a": [(cost, cost)], "b": [(cost, cost)]}, weights={"a": weight})
    for _ in range(600):
        engine.step()
    assert abs(engine.served["a"] / weight - engine.served["b"]) <= 2 * 3 * cost * max(1, 1 / weight)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["join", "take", "end", "drop"]), st.integers(0, 5), COST, st.sampled_from(Priority)),
        max_size=200,
    )
)
def test_every_ticket_goes_once_and_nothing_is_left(steps: list[tuple[str, int, int, Priority]]) -> None:
    """Work conserving over any history: a turn wherever somebody waits; afterwards nothing is remembered."""
    line, waiting, inside, now = Line(batch_turn_s=20), list[Ticket](), list[Ticket](), 0.0
    for what, pick, cost, priority in steps:
        now += 1
        if what == "join":
            waiting.append(join(line, f"k{pick}", cost, priority, now))
        elif what == "take":
            ticket = line.take(now)
            assert (ticket is None) is (not waiting)
            if ticket is not None:
                same = [one for one in waiting if (one.key, one.priority) == (ticket.key, ticket.priority)]
                assert same[0] is ticket, "of one key and class the oldest goes first"
                waiting.remove(ticket)
                inside.append(ticket)
        elif what == "end" and inside:
            done = inside.pop(pick % len(inside))
            line.end(done.key, charged=done.cost, cost=cost)
        elif what == "drop" and waiting:
            line.drop(waiting.pop(pick % len(waiting)))
        assert line.waiting == len(waiting)
        assert line.input_tokens == sum(one.input_tokens for one in waiting)
        assert line.oldest_wait_s(now) == max((now - one.joined_s for one in waiting), default=0)
    for ticket in waiting:
        line.drop(ticket)
        line.drop(ticket)
    for done in inside:
        line.end(done.key, charged=done.cost, cost=1)
    assert (line.waiting, line.keys_known, line.take(now)) == (0, 0, None)


@settings(max_examples=40, deadline=None)
@given(others=st.integers(1, 6), cost=COST, mine=COST, slots=st.integers(1, 3))
def test_nobody_starves(others: int, cost: int, mine: int, slots: int) -> None:
    """One request among keys that always wait is served within a bounded number of turns."""
    work = {f"k{i}": [(cost, cost)] for i in range(others)}
    engine = Engine(slots, work)
    for _ in range(50):
        engine.step()
    engine.work["me"] = [(mine, mine)]
    engine.ask("me")
    turns = 0
    while not engine.turns["me"]:
        engine.step()
        turns += 1
        assert turns <= others * (slots + 2)


def test_idle_time_is_no_credit() -> None:
    """Who comes after a long time shares from now on; it is not first until it has caught up."""
    engine = Engine(1, {"busy": [(10, 10)]})
    for _ in range(100):
        engine.step()
    engine.work["idle"] = [(10, 10)]
    engine.ask("idle")
    engine.ask("idle")
    before = engine.turns["busy"]
    for _ in range(20):
        engine.step()
    assert abs(engine.turns["busy"] - before - engine.turns["idle"]) <= 1


def test_who_took_more_than_its_share_does_not_shed_it_by_leaving() -> None:
    """A key that used a hundred times its estimate waits for the others, also when it went away meanwhile."""
    line = Line()
    for key in ("glutton", "modest"):
        join(line, key, 1)
    first = line.take(0)
    assert first is not None
    assert first.key == "glutton"
    line.end("glutton", charged=1, cost=100)
    assert line.counter("glutton") == 100
    for key in ("glutton", *["modest"] * 5):
        join(line, key, 10)
    assert order(line) == ["modest"] * 6 + ["glutton"]


def test_live_goes_before_batch() -> None:
    """Whatever the counters say, and batch fills the room that live leaves."""
    line = Line(batch_turn_s=60)
    join(line, "b", 1, BATCH)
    for _ in range(3):
        join(line, "a", 100)
    join(line, "b", 1, BATCH)
    assert order(line, now=59) == ["a", "a", "a", "b", "b"]


def test_an_old_batch_ticket_gets_its_turn_but_not_the_engine() -> None:
    """A flood of batch tickets that grew old shares by tokens with live work, and does not take over."""
    line = Line(batch_turn_s=60)
    for _ in range(30):
        join(line, "batch", 10, BATCH, now=0)
    for _ in range(80):
        join(line, "live", 10, now=1)
    for _ in range(50):
        ticket = line.take(59)
        assert ticket is not None
        assert ticket.key == "live"
    turns = order(line, now=61)
    assert abs(turns[:20].count("batch") - 10) <= 2
    assert len(turns) == 60


def test_one_key_with_both_classes_goes_live_first_and_oldest_when_old() -> None:
    """Within one key too."""
    line = Line(batch_turn_s=60)
    join(line, "a", 1, BATCH, now=0)
    join(line, "a", 2, LIVE, now=10)
    first = line.take(11)
    assert first is not None
    assert first.priority is LIVE
    join(line, "a", 2, LIVE, now=61)
    second = line.take(62)
    assert second is not None
    assert second.priority is BATCH


def test_a_batch_key_that_waits_in_vain_lends_its_low_counter_to_nobody() -> None:
    """A newcomer with live work is lifted to the live ones, not to the batch key that stood still."""
    line = Line(batch_turn_s=1e9)
    join(line, "batch", 1, BATCH)
    for _ in range(10):
        join(line, "live", 10)
    for _ in range(5):
        line.take(0)
    for _ in range(5):
        join(line, "new", 10)
    turns = order(line)
    assert turns[:4].count("new") <= 3
    assert turns[-1] == "batch"
    assert turns[:10].count("new") == turns[:10].count("live") == 5


def test_idle_keys_are_forgotten() -> None:
    """Of ten thousand keys that come once each, no more are remembered than may be, and all of those that owe."""
    line = Line(idle_keys=100)
    line.begin("stays", 1)
    line.begin("cheap", 5)
    line.end("cheap", charged=5, cost=0)
    assert line.keys_known == 1, "it owes nothing, so nothing of it is kept"
    join(line, "waits", 1)
    for number in range(10_000):
        line.begin(f"k{number}", 5)
        line.end(f"k{number}", charged=5, cost=5 + number % 7)
        assert line.keys_known <= 104
    line.end("stays", charged=1, cost=1)
    assert line.take(0) is not None
    line.end("waits", charged=1, cost=1)
    assert line.keys_known == 0


def test_work_counts_both_directions_and_never_nothing() -> None:
    """A token written weighs twice one read, as in the paper; a request without tokens still is a turn."""
    assert work_of(100, 50) == 200
    assert work_of(0, 0) == 1
