"""Who stays in the memory that models share: a table of cases, laws for any fleet, and whole days played through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.core.fleet import Readiness
from localfleet.core.residency import Move, Resident, Room, Step, plan

SMALL = Room(gib={"gpu0": Decimal(24)})
UP: dict[str, Any] = {"state": Readiness.READY, "loaded": True}
NAP: dict[str, Any] = {"state": Readiness.ASLEEP, "loaded": True, "can_sleep": True, "asleep_gib": Decimal(2)}
OUT: dict[str, Any] = {"state": Readiness.ASLEEP, "loaded": False}


def model(name: str, gib: int = 16, **more: Any) -> Resident:
    """A resident; the rest of its facts as given."""
    return Resident(name=name, gib=Decimal(gib), **more)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A moment, and what should be done in it."""

    residents: Sequence[Resident]
    steps: str
    room: Room = SMALL


CASES = {
    "nothing to do": Case(residents=[model("a", **UP, inside=1), model("b", **OUT)], steps=""),
    "somebody asks and there is room": Case(residents=[model("a", **OUT, waiting=1)], steps="a:bring"),
    "no bound is known": Case(
        residents=[model("a", 90, **UP, inside=1), model("b", 90, **OUT, waiting=1)],
        steps="b:bring",
        room=Room(gib={}),
    ),
    "the one in the way just answered": Case(
        residents=[model("a", **UP, idle_s=0.5, served_s=2), model("b", **OUT, waiting=1)], steps=""
    ),
    "the one in the way is at rest": Case(
        residents=[model("a", **UP, idle_s=3, served_s=9), model("b", **OUT, waiting=1)], steps="a:unload"
    ),
    "the one in the way is at rest and can sleep": Case(
        residents=[model("a", **UP, can_sleep=True, asleep_gib=Decimal(2), idle_s=3), model("b", **OUT, waiting=1)],
        steps="a:sleep",
    ),
    "the one in the way works on its turn": Case(
        residents=[model("a", **UP, inside=2, waiting=3, served_s=4), model("b", **OUT, waiting=1, oldest_wait_s=9)],
        steps="",
    ),
    "the turn is over": Case(
        residents=[model("a", **UP, inside=2, waiting=3, served_s=6), model("b", **OUT, waiting=1, oldest_wait_s=6)],
        steps="a:yield",
    ),
    "a turn is several changes long": Case(
        residents=[
            model("a", **UP, inside=2, served_s=70, bring_s=10),
            model("b", **OUT, waiting=1, oldest_wait_s=70, bring_s=10),
        ],
        steps="",
    ),
    "it has finished": Case(residents=[model("a", state=Readiness.DRAINING, loaded=True)], steps="a:unload"),
    "it is finishing": Case(
        residents=[model("a", state=Readiness.DRAINING, loaded=True, inside=1), model("b", **OUT, waiting=1)], steps=""
    ),
    "pinned": Case(
        residents=[model("a", **UP, idle_s=999, served_s=999, pinned=True), model("b", **OUT, waiting=1)], steps=""
    ),
    "a sleeper makes room first": Case(
        residents=[model("a", 12, **NAP), model("b", 12, **UP, idle_s=9, served_s=9), model("c", 11, **OUT, waiting=1)],
        steps="a:unload",
    ),
    "two sleepers wanted, and room for one": Case(
        residents=[
            model("a", 22, **NAP, waiting=1, oldest_wait_s=1),
            model("b", 23, **NAP, waiting=1, oldest_wait_s=2),
        ],
        steps="a:unload",
    ),
    "two small ones for a large one": Case(
        residents=[
            model("a", 10, **UP, idle_s=9, served_s=9),
            model("b", 10, **UP, idle_s=8, served_s=9),
            model("c", 20, **OUT, waiting=1),
        ],
        steps="a:unload b:unload",
    ),
    "not for nothing": Case(
        residents=[
            model("a", 10, **UP, idle_s=9, served_s=9),
            model("b", 10, **UP, pinned=True),
            model("c", 20, **OUT, waiting=1),
        ],
        steps="",
    ),
    "the one longest without work": Case(
        residents=[
            model("a", 12, **UP, idle_s=9, served_s=99, bring_s=1),
            model("b", 12, **UP, idle_s=90, served_s=99, bring_s=60),
            model("c", 12, **OUT, waiting=1),
        ],
        room=replace(SMALL, evict="lru"),
        steps="b:unload",
    ),
    "the one that is cheap to bring back": Case(
        residents=[
            model("a", 12, **UP, idle_s=9, served_s=99, bring_s=0.1),
            model("b", 12, **UP, idle_s=30, served_s=99, bring_s=60),
            model("c", 12, **OUT, waiting=1),
        ],
        steps="a:unload",
    ),
    "one at a time": Case(
        residents=[
            model("a", 12, **UP, idle_s=9, served_s=9),
            model("b", 12, **UP, idle_s=8, served_s=9),
            model("c", 12, **OUT, waiting=1, oldest_wait_s=2),
            model("d", 12, **OUT, waiting=1, oldest_wait_s=1),
        ],
        steps="a:unload",
    ),
    "one that loads counts": Case(
        residents=[model("a", state=Readiness.LOADING, loaded=True), model("b", **OUT, waiting=1)], steps=""
    ),
    "no work, so it sleeps": Case(
        residents=[model("a", **UP, can_sleep=True, idle_s=601, sleep_after_s=600)], steps="a:sleep"
    ),
    "no work, and it cannot sleep": Case(residents=[model("a", **UP, idle_s=601, sleep_after_s=600)], steps="a:unload"),
    "slept long enough": Case(residents=[model("a", **NAP, idle_s=3601, unload_after_s=3600)], steps="a:unload"),
    "at night it sleeps again soon": Case(
        residents=[model("a", **UP, can_sleep=True, idle_s=61, night=True, wants_up=True)], steps="a:sleep"
    ),
    "at night it stays asleep": Case(residents=[model("a", **NAP, night=True, wants_up=True)], steps=""),
    "in the morning it comes back": Case(residents=[model("a", **NAP, wants_up=True)], steps="a:bring"),
    "asleep for lack of work, it stays so": Case(
        residents=[model("a", **NAP, wants_up=True, idle_s=700, sleep_after_s=600)], steps=""
    ),
    "another GPU is in nobody's way": Case(
        residents=[model("a", 20, **UP, inside=1), model("b", 20, **OUT, waiting=1, places=frozenset({"gpu1"}))],
        room=Room(gib={"gpu0": Decimal(24), "gpu1": Decimal(24)}),
        steps="b:bring",
    ),
    "over two GPUs": Case(
        residents=[
            model("a", 20, **UP, idle_s=9, served_s=9),
            model("b", 20, **UP, idle_s=9, served_s=9, places=frozenset({"gpu1"})),
            model("c", 20, **OUT, waiting=1, places=frozenset({"gpu0", "gpu1"})),
        ],
        room=Room(gib={"gpu0": Decimal(24), "gpu1": Decimal(24)}),
        steps="a:unload b:unload",
    ),
    "only the GPU that lacks room": Case(
        residents=[
            model("a", 20, **UP, idle_s=9, served_s=9),
            model("b", 2, **UP, idle_s=9, served_s=9, places=frozenset({"gpu1"})),
            model("c", 20, **OUT, waiting=1, places=frozenset({"gpu0", "gpu1"})),
        ],
        room=Room(gib={"gpu0": Decimal(24), "gpu1": Decimal(24)}),
        steps="a:unload",
    ),
    "it comes back when the guest has left": Case(
        residents=[model("a", **OUT, wants_up=True), model("b", **OUT)], steps="a:bring"
    ),
}


def written(steps: Sequence[Step]) -> str:
    """Steps as one line."""
    return " ".join(f"{step.name}:{step.move}" for step in steps)


@pytest.mark.parametrize("name", CASES)
def test_a_moment(name: str) -> None:
    """The table of the module's docstring, case by case."""
    case = CASES[name]
    assert written(plan(case.residents, case.room)) == case.steps


ANY = st.builds(
    Resident,
    name=st.sampled_from("abcdef"),
    gib=st.integers(1, 30).map(Decimal),
    places=st.sampled_from([frozenset({"gpu0"}), frozenset({"gpu1"}), frozenset({"gpu0", "gpu1"})]),
    state=st.sampled_from(Readiness),
    loaded=st.booleans(),
    asleep_gib=st.just(Decimal(1)),
    can_sleep=st.booleans(),
    pinned=st.booleans(),
    wants_up=st.booleans(),
    night=st.booleans(),
    inside=st.integers(0, 2),
    waiting=st.integers(0, 2),
    oldest_wait_s=st.floats(0, 100),
    idle_s=st.floats(0, 5000),
    served_s=st.floats(0, 500),
    bring_s=st.floats(0, 60),
    sleep_after_s=st.none() | st.floats(1, 1000),
    unload_after_s=st.none() | st.floats(1, 5000),
)
FLEETS = st.lists(ANY, max_size=6, unique_by=lambda one: one.name)


def held(one: Resident) -> Decimal:
    """What one holds, with those on their way in counted whole."""
    coming = one.state in {Readiness.LOADING, Readiness.WARMING, Readiness.STALLED}
    return one.gib if coming else one.held_gib


@given(fleet=FLEETS, gib=st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_no_plan_breaks_the_room(fleet: list[Resident], gib: int) -> None:
    """Whatever is there: nothing is brought beyond the room, nobody pinned makes way, nobody moves twice."""
    room = Room(gib={"gpu0": Decimal(gib), "gpu1": Decimal(gib)})
    steps = plan(fleet, room)
    by_name = {one.name: one for one in fleet}
    assert len({step.name for step in steps}) == len(steps)
    brought = [by_name[step.name] for step in steps if step.move is Move.BRING]
    if brought:
        for place in frozenset[str]().union(*(one.places for one in brought)):
            here = sum(held(one) for one in fleet if place in one.places)
            assert here + sum(one.gib - one.held_gib for one in brought if place in one.places) <= gib
    assert all(one.state is Readiness.ASLEEP for one in brought)
    for step in steps:
        one = by_name[step.name]
        if step.move in {Move.SLEEP, Move.UNLOAD}:
            assert not one.inside or one.state is Readiness.ASLEEP
        if step.move is Move.YIELD:
            assert not one.pinned
            assert one.state.takes_work


@dataclass
class Guest:
    """One model in a played day: two requests at a time, `clients` that ask again at once after each answer."""

    name: str
    clients: int
    load_s: float
    request_s: float = 0.25
    think_s: float = 0.01
    state: Readiness = Readiness.ASLEEP
    loaded: bool = False
    up_at: float = 0.0
    idle_since: float = 0.0
    line: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    done: int = 0
    longest_wait_s: float = 0.0
    changes: int = 0

    def pass_to(self, now: float) -> None:
        """Let time pass: come up, finish, take the next from the line."""
        if self.state is Readiness.LOADING and self.up_at <= now:
            self.state, self.idle_since = Readiness.READY, now
        for end in [end for end in self.inside if end <= now]:
            self.inside.remove(end)
            self.line.append(end + self.think_s)
            self.done += 1
            self.idle_since = now
        if self.state is Readiness.READY:
            while len(self.inside) < 2 and any(asked <= now for asked in self.line):
                self.longest_wait_s = max(self.longest_wait_s, now - self.line.pop(0))
                self.inside.append(now + self.request_s)

    def seen(self, now: float) -> Resident:
        """As the plan sees it."""
        waiting = [asked for asked in self.line if asked <= now]
        return model(
            self.name,
            state=self.state,
            loaded=self.loaded,
            inside=len(self.inside),
            waiting=len(waiting),
            oldest_wait_s=now - waiting[0] if waiting else 0.0,
            idle_s=now - self.idle_since,
            served_s=now - self.up_at,
            bring_s=self.load_s,
        )

    def made(self, move: Move, now: float) -> None:
        """Do what the plan says."""
        if move is Move.BRING:
            self.state, self.loaded, self.up_at = Readiness.LOADING, True, now + self.load_s
            self.changes += 1
        elif move is Move.YIELD:
            self.state = Readiness.DRAINING
        else:
            self.state, self.loaded = Readiness.ASLEEP, False


def played(clients: Mapping[str, int], room: Room, *, load_s: float, seconds: float) -> list[Guest]:
    """A day on a box with a virtual clock."""
    guests = {name: Guest(name=name, clients=n, load_s=load_s, line=[0.0] * n) for name, n in clients.items()}
    for tick in range(1, int(seconds / 0.05)):
        now = tick * 0.05
        for guest in guests.values():
            guest.pass_to(now)
        for step in plan([guest.seen(now) for guest in guests.values()], room):
            guests[step.name].made(step.move, now)
    return list(guests.values())


def test_two_clients_do_not_throw_out_each_others_model() -> None:
    """In turns, changes take about a fifth of the time; a change at each request leaves a tenth of the work done."""
    turns = played({"a": 1, "b": 1}, SMALL, load_s=5, seconds=600)
    each = played({"a": 1, "b": 1}, replace(SMALL, turn_s=0), load_s=5, seconds=600)
    assert sum(guest.changes for guest in turns) * 5 / 600 < 0.25
    assert sum(guest.done for guest in turns) > 8 * sum(guest.done for guest in each)
    assert turns[0].done == pytest.approx(turns[1].done, rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("clients", [{"a": 1, "b": 4}, {"a": 2, "b": 2, "c": 1}, {"a": 8, "b": 1, "c": 1, "d": 1}])
def test_nobody_waits_for_ever(clients: Mapping[str, int]) -> None:
    """Whoever waits gets in after a turn of each of the others, changes and all."""
    load_s = 2.0
    guests = played(clients, SMALL, load_s=load_s, seconds=900)
    turn_s = 4 * 2 * load_s
    assert all(guest.done for guest in guests)
    assert max(guest.longest_wait_s for guest in guests) < len(clients) * (turn_s + load_s + 1) + 2
