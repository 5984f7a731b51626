"""
Which models stay in the memory that local models share: a pure decision, made anew at each look.

Memory has places: each GPU is one, main memory another. A model takes the same amount at each of its places, as
tensor-parallel ranks do, and fits where all of them have room.

The danger it exists for: two clients in turn, two models that do not fit together, and each request throws out the
other's model. So work is done in turns. A model that came in stays while it has work, until its turn is over and
somebody waits; a turn is several times what the change costs, so that changes cost a bounded share of the time; and one
who waits longer than a turn gets in.

| a model that ... | and ... | then |
|---|---|---|
| somebody waits for | there is room | bring it |
| somebody waits for | others are in the way, at rest or at the end of their turn | put them away, or let them finish |
| finishes | its last request is done | put it away |
| nobody asked for in `sleep_after_s` | | let it sleep |
| sleeps, or cannot | nobody asked in `unload_after_s` | unload it |
| should be up | there is room, and it is not its time to sleep | bring it |
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from localfleet.core.fleet import Readiness

__all__ = ["Move", "Resident", "Room", "Step", "plan"]

LINGER_S = 2.0
"""How long a model without work is left in peace: the client of the last answer asks again a moment later."""
TURN_SHARE = 4.0
"""A turn is at least so many times the change it costs: changes then take a fifth of the time at most."""
SHORTEST_TURN_S = 5.0
NIGHT_SLEEP_S = 60.0
"""Within a window of sleep, a model that was woken sleeps again after so long."""

ZERO = Decimal(0)
UP = frozenset({Readiness.READY, Readiness.DEGRADED})
COMING = frozenset({Readiness.LOADING, Readiness.WARMING, Readiness.STALLED})


class Move(StrEnum):
    """What to do with one model."""

    BRING = "bring"
    YIELD = "yield"
    SLEEP = "sleep"
    UNLOAD = "unload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One model that shares the memory, as it is now. Times in seconds, memory in GiB."""

    name: str
    gib: Decimal
    """What it takes at each of its places while it works."""
    state: Readiness
    loaded: bool
    """Whether its process runs, asleep or not."""
    places: frozenset[str] = frozenset({"gpu0"})
    asleep_gib: Decimal = ZERO
    """What it keeps at each place while it sleeps."""
    can_sleep: bool = False
    pinned: bool = False
    """Never put away to make room."""
    wants_up: bool = False
    """Loaded at start: comes back by itself once there is room."""
    night: bool = False
    """Within one of its windows of sleep."""
    inside: int = 0
    waiting: int = 0
    oldest_wait_s: float = 0.0
    idle_s: float = 0.0
    """Since the last request was done, or since it came up."""
    served_s: float = 0.0
    """Since it came up."""
    bring_s: float = 0.0
    """What it takes to bring it back, as learned."""
    sleep_after_s: float | None = None
    unload_after_s: float | None = None

    @property
    def held_gib(self) -> Decimal:
        """What it holds at each of its places now."""
        if not self.loaded:
            return ZERO
        return self.asleep_gib if self.state is Readiness.ASLEEP else self.gib

    @property
    def resting(self) -> bool:
        """Up, with nobody inside or in line."""
        return self.state in UP and not self.inside and not self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The shared memory by place, and the rules of the house. A place that is not named has no bound."""

    gib: Mapping[str, Decimal]
    evict: Literal["lru", "cost"] = "cost"
    turn_s: float | None = None
    """The shortest turn where the operator sets one; zero changes at every request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One move of one model."""

    name: str
    move: Move


def plan(residents: Sequence[Resident], room: Room) -> tuple[Step, ...]:
    """What to do now; call again when anything changed. The same arguments give the same steps."""
    steps = [*_done(residents), *_room_made(residents, room)]
    busy = {step.name for step in steps}
    return (*steps, *_by_time([one for one in residents if one.name not in busy], residents, room, steps))


def _done(residents: Sequence[Resident]) -> Iterator[Step]:
    """Models that yielded and have finished."""
    for one in residents:
        if one.state is Readiness.DRAINING and not one.inside:
            yield _away(one)


def _room_made(residents: Sequence[Resident], room: Room) -> Iterator[Step]:
    """Bring what somebody waits for, the longest wait first; make room for the first that does not fit."""
    free = _free(residents, room)
    wanted = [one for one in residents if one.waiting and one.state is Readiness.ASLEEP]
    for one in sorted(wanted, key=_line):
        lacks = _lacking(one, free)
        if lacks:
            # Later ones wait: two that make room at once would put away more than either needs.
            yield from _victims(one, lacks, residents, room)
            return
        yield Step(name=one.name, move=Move.BRING)
        free = {place: gib - _need(one) * (place in one.places) for place, gib in free.items()}


def _need(one: Resident) -> Decimal:
    return one.gib - one.held_gib


def _lacking(one: Resident, free: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What is missing at each place where it does not fit."""
    short = {place: _need(one) - free[place] for place in one.places if place in free}
    return {place: gib for place, gib in short.items() if gib > 0}


def _line(one: Resident) -> tuple[float, str]:
    """Who waited longest comes first."""
    return (-one.oldest_wait_s, one.name)


def _victims(one: Resident, lacks: dict[str, Decimal], residents: Sequence[Resident], room: Room) -> Iterator[Step]:
    """The cheapest models to put away so that what `one` lacks comes free; nobody, if that is not enough."""
    for other in residents:
        if other.state is Readiness.DRAINING:
            lacks = _less(lacks, other)
    chosen: list[Resident] = []
    for other in sorted(residents, key=lambda other: _dearness(other, room)):
        if lacks and other is not one and not lacks.keys().isdisjoint(other.places) and _may_go(other, one, room):
            chosen.append(other)
            lacks = _less(lacks, other)
    if not lacks:
        yield from (_away(other) if _goes_at_once(other) else _yield(other) for other in chosen)


def _less(lacks: Mapping[str, Decimal], other: Resident) -> dict[str, Decimal]:
    """What is still missing once `other` is away."""
    freed = other.held_gib - (other.asleep_gib if _away(other).move is Move.SLEEP else ZERO)
    left = {place: gib - freed * (place in other.places) for place, gib in lacks.items()}
    return {place: gib for place, gib in left.items() if gib > 0}


def _may_go(other: Resident, one: Resident, room: Room) -> bool:
    """Whether `other` may be put away for `one`: asleep, at rest for a while, or at the end of its turn."""
    if other.pinned or not other.held_gib:
        return False
    if other.state is Readiness.ASLEEP:
        return not other.waiting or _line(other) > _line(one)
    if other.state not in UP:
        return False
    over = other.served_s >= _turn_s(one, other, room)
    return over or (other.resting and other.idle_s >= LINGER_S)


def _turn_s(one: Resident, other: Resident, room: Room) -> float:
    if room.turn_s is not None:
        return room.turn_s
    return max(SHORTEST_TURN_S, TURN_SHARE * (one.bring_s + other.bring_s))


def _dearness(other: Resident, room: Room) -> tuple[bool, bool, float, str]:
    """What goes first: sleepers, then those at rest, then by the rule of the house."""
    rank = -other.idle_s if room.evict == "lru" else other.bring_s / (1 + other.idle_s)
    return (other.state is not Readiness.ASLEEP, not other.resting, rank, other.name)


def _goes_at_once(other: Resident) -> bool:
    return other.state is Readiness.ASLEEP or not other.inside


def _yield(other: Resident) -> Step:
    return Step(name=other.name, move=Move.YIELD)


def _away(other: Resident) -> Step:
    sleeps = other.can_sleep and other.state is not Readiness.ASLEEP
    return Step(name=other.name, move=Move.SLEEP if sleeps else Move.UNLOAD)


def _by_time(
    quiet: Iterable[Resident], residents: Sequence[Resident], room: Room, steps: Iterable[Step]
) -> Iterator[Step]:
    """What idle time and the windows of sleep ask for."""
    settled = not any(step.move is Move.BRING for step in steps)
    free = _free(residents, room)
    for one in quiet:
        if one.resting and _past(one.idle_s, _sleep_after_s(one)):
            yield _away(one)
        elif _kept_for_nothing(one):
            yield Step(name=one.name, move=Move.UNLOAD)
        elif settled and _comes_back(one) and not _lacking(one, free):
            settled = False
            yield Step(name=one.name, move=Move.BRING)


def _kept_for_nothing(one: Resident) -> bool:
    """Nobody asked for it in `unload_after_s`, and it sleeps or cannot."""
    sleeps = one.state is Readiness.ASLEEP and one.loaded
    return (sleeps or (one.resting and not one.can_sleep)) and _past(one.idle_s, one.unload_after_s)


def _comes_back(one: Resident) -> bool:
    """A model of the start that made room, or whose night is over. One that fell asleep for lack of work stays so."""
    idle_long = _past(one.idle_s, one.sleep_after_s) or _past(one.idle_s, one.unload_after_s)
    return one.wants_up and one.state is Readiness.ASLEEP and not one.night and not idle_long


def _sleep_after_s(one: Resident) -> float | None:
    if not one.night:
        return one.sleep_after_s
    return min(NIGHT_SLEEP_S, one.sleep_after_s or NIGHT_SLEEP_S)


def _past(seconds: float, bound: float | None) -> bool:
    return bound is not None and seconds >= bound


def _free(residents: Iterable[Resident], room: Room) -> dict[str, Decimal]:
    """What is left at each place; models on their way in count as if they were there."""
    free = dict(room.gib)
    for one in residents:
        held = one.gib if one.state in COMING else one.held_gib
        for place in one.places & free.keys():
            free[place] -= held
    return free
