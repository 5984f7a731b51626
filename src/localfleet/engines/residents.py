"""
Brings models into memory and puts them away, as `core/residency.py` plans it.

Lives here: the loop that looks, the moves, and the doors that open and shut with them. May not: decide who goes. A look
happens when something changed and once a second; a move never blocks another model's.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.residency import Move, Resident, Room, Step, plan
from localfleet.core.schedule import Window, asleep_now
from localfleet.engines.learned import Learned, Way
from localfleet.engines.stages import Progress, Stage
from localfleet.engines.supervisor import Supervisor

__all__ = ["Door", "Residents", "Tenant"]

GONE = "This model is no longer in models.yaml as it was; ask again."
LOOK_S = 1.0
BUSY_LOOK_S = 0.05
"""While somebody waits for a model that is not up, or one finishes: its last answer may end at any moment."""


class Door(Protocol):
    """The admission of one model, as far as residency needs it."""

    @property
    def inside(self) -> int:
        """Requests that the engine works on."""
        ...

    @property
    def waiting(self) -> int:
        """Requests in line."""
        ...

    @property
    def oldest_wait_s(self) -> float:
        """How long the first in line has waited."""
        ...

    def open(self) -> None:
        """Let them in."""
        ...

    def shut(self) -> None:
        """Keep them in line."""
        ...

    def dismiss(self, message: str) -> None:
        """Send them away: it will not come."""
        ...


@dataclass(slots=True, kw_only=True)
class Tenant:
    """One model that may come and go. The lower half changes with time."""

    name: str
    supervisor: Supervisor
    door: Door
    key: str = ""
    """Tells apart two processes of one name, where a reload lets one go and another come; the name where left out."""
    gib: Decimal = Decimal(0)
    asleep_gib: Decimal = Decimal(0)
    places: frozenset[str] = frozenset()
    at_start: bool = True
    pinned: bool = False
    sleep_after_s: float | None = None
    unload_after_s: float | None = None
    windows: tuple[Window, ...] = ()
    coming: Way | None = None
    """On its way: how it comes."""
    began: float = 0.0
    up_since: float = 0.0
    idle_since: float = 0.0
    answers: int = 0
    """As counted at the last look: a count that moved means that it was not idle."""
    leaving: bool = False
    sulks: bool = False
    """It refused to sleep once; from then on it is unloaded instead."""

    told: Readiness | None = None
    """The state that was last told on."""

    gone: bool = False
    """No longer in the file, and served out."""

    def __post_init__(self) -> None:
        """A key in any case."""
        self.key = self.key or self.name

    @property
    def loaded(self) -> bool:
        """Whether there is a process, or will be in a moment."""
        return self.supervisor.pid is not None or self.coming is not None

    @property
    def can_sleep(self) -> bool:
        """Whether it keeps its process while it sleeps."""
        return self.supervisor.can_sleep and not self.sulks


@dataclass(slots=True, kw_only=True)
class Residents:
    """
    All models that share the memory of this box.

    `clock` gives monotonic seconds, `moment` the weekday (Monday is 0) and minute of the local day.
    """

    room: Room
    clock: Callable[[], float]
    moment: Callable[[], tuple[int, int]]
    learned: Learned = field(default_factory=Learned)
    on_state: Callable[[str, Readiness], None] = lambda _name, _state: None
    """Told when a model is in another state; called on the event loop, must not block."""
    look_s: float = LOOK_S
    """How often it looks around while nobody waits."""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    _moves: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, tenant: Tenant) -> None:
        """Take a model in; before `start`."""
        self.tenants[tenant.key] = tenant

    def admit(self, tenant: Tenant) -> None:
        """Take a model in while the watch goes on: it is brought when there is room, or when somebody asks."""
        tenant.up_since = tenant.idle_since = self.clock()
        self.tenants[tenant.key] = tenant
        self.kick()

    async def retire(self, tenant: Tenant, *, awaited: Callable[[], bool], within_s: float) -> None:
        """
        Let go of a model: whoever is inside or in its line is served, for `within_s`; then its process ends.

        `awaited` says that somebody else may still come to it. Until then it has its turns like any other.
        """
        tenant.at_start = tenant.pinned = False
        tenant.sleep_after_s, tenant.unload_after_s, tenant.windows = None, None, ()
        until = self.clock() + within_s
        while self.clock() < until:
            if not (tenant.door.inside or tenant.door.waiting or awaited()):
                break
            await asyncio.sleep(BUSY_LOOK_S)
        tenant.gone = True
        tenant.door.dismiss(GONE)
        move = self._moves.get(tenant.key)
        if move is not None:
            move.cancel()
            await asyncio.gather(move, return_exceptions=True)
        await tenant.supervisor.stop()
        self.tenants.pop(tenant.key, None)
        self.kick()

    async def start(self) -> None:
        """Load what should be there from the start, in the order of the file, while there is room; then keep watch."""
        for tenant in self.tenants.values():
            tenant.supervisor.wait_for_somebody()
            self._tell(tenant, tenant.supervisor.state().readiness)
            tenant.door.shut()
        for tenant in self.tenants.values():
            if tenant.at_start and self._fits(tenant) and not asleep_now(tenant.windows, *self.moment()):
                self._bring(tenant)
        self._task = asyncio.create_task(self._keep_watch(), name="residents")

    async def stop(self) -> None:
        """End the watch, then every process, all at the same time."""
        tasks = [task for task in (self._task, *self._moves.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(tenant.supervisor.stop() for tenant in self.tenants.values()))

    def kick(self) -> None:
        """Something changed: look now."""
        self._changed.set()

    def progressed(self, progress: Progress, key: str = "") -> None:
        """Follow one supervisor: its door opens and shuts with its state, and what its start took is remembered."""
        tenant = self.tenants.get(key or progress.name)
        if tenant is None:
            return
        state = tenant.supervisor.state()
        self._tell(tenant, state.readiness)
        if state.readiness.takes_work and tenant.coming is not None and progress.stage is Stage.READY:
            self._arrived(tenant)
        elif state.readiness is Readiness.LOADING and tenant.coming is None and progress.stage is Stage.STARTING:
            tenant.coming, tenant.began = "load", self.clock()  # after a crash, by the supervisor's own doing
        elif state.readiness in {Readiness.DOWN, Readiness.ASLEEP}:
            tenant.coming = None
        self._door(tenant, state)
        self._changed.set()

    def _tell(self, tenant: Tenant, state: Readiness) -> None:
        if state is not tenant.told:
            tenant.told = state
            self.on_state(tenant.name, state)

    def state(self, tenant: Tenant) -> EngineState:
        """How a model is, with the time until it takes work where that was learned."""
        return replace(tenant.supervisor.state(), ready_in_s=self._ready_in_s(tenant))

    def _ready_in_s(self, tenant: Tenant) -> float | None:
        if tenant.coming is not None:
            expected_s = self.learned.expected_s(tenant.name, tenant.coming)
            return None if expected_s is None else max(expected_s - (self.clock() - tenant.began), 0.0)
        if tenant.supervisor.state().readiness is Readiness.ASLEEP:
            return self.learned.expected_s(tenant.name, "wake" if tenant.loaded else "load")
        return None

    def _door(self, tenant: Tenant, state: EngineState) -> None:
        if tenant.gone:
            tenant.door.dismiss(GONE)
        elif state.readiness.takes_work and not tenant.leaving:
            tenant.door.open()
        elif state.readiness is Readiness.DOWN:
            tenant.door.dismiss(state.why)
        else:
            tenant.door.shut()

    def _arrived(self, tenant: Tenant) -> None:
        assert tenant.coming is not None
        now = self.clock()
        self.learned.took(tenant.name, tenant.coming, now - tenant.began)
        tenant.coming = None
        tenant.up_since = tenant.idle_since = now

    async def _keep_watch(self) -> None:
        while True:
            for step in plan([self._seen(tenant) for tenant in self.tenants.values()], self.room):
                self._make(step)
            self._changed.clear()
            try:
                async with asyncio.timeout(BUSY_LOOK_S if self._busy() else self.look_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _busy(self) -> bool:
        states = ((tenant, tenant.supervisor.state().readiness) for tenant in self.tenants.values())
        return any(one is Readiness.DRAINING or (tenant.door.waiting and not one.takes_work) for tenant, one in states)

    def _make(self, step: Step) -> None:
        tenant = self.tenants[step.name]
        if step.name in self._moves:
            return
        if step.move is Move.BRING:
            self._bring(tenant)
        elif step.move is Move.YIELD:
            tenant.supervisor.finish()
        else:
            # At once, so that nobody slips in between this look and the move.
            tenant.leaving = True
            tenant.door.shut()
            self._go(tenant, self._away(tenant, step.move))

    def _bring(self, tenant: Tenant) -> None:
        tenant.coming = "wake" if tenant.supervisor.pid is not None else "load"
        tenant.began = self.clock()
        self._go(tenant, self._come(tenant))

    def _go(self, tenant: Tenant, move: Coroutine[None, None, None]) -> None:
        task = self._moves[tenant.key] = asyncio.create_task(move, name=f"move {tenant.key}")
        task.add_done_callback(lambda _: self._moved(tenant))

    def _moved(self, tenant: Tenant) -> None:
        del self._moves[tenant.key]
        tenant.leaving = False
        self._door(tenant, tenant.supervisor.state())
        self._changed.set()

    async def _come(self, tenant: Tenant) -> None:
        if tenant.coming == "wake":
            await tenant.supervisor.wake()
        else:
            await tenant.supervisor.start()
            await tenant.supervisor.settled()
        await asyncio.to_thread(self.learned.save)

    async def _away(self, tenant: Tenant, move: Move) -> None:
        if move is Move.UNLOAD:
            await tenant.supervisor.unload()
        elif not await tenant.supervisor.sleep():
            tenant.sulks = True

    def _seen(self, tenant: Tenant) -> Resident:
        now, door, state = self.clock(), tenant.door, tenant.supervisor.state().readiness
        night = asleep_now(tenant.windows, *self.moment())
        # A night is no lack of work: in the morning it comes back.
        if door.inside or tenant.answers != tenant.supervisor.answers or (night and state is Readiness.ASLEEP):
            tenant.answers, tenant.idle_since = tenant.supervisor.answers, now
        return Resident(
            name=tenant.key,
            gib=tenant.gib,
            places=tenant.places,
            asleep_gib=tenant.asleep_gib,
            state=state,
            loaded=tenant.loaded,
            can_sleep=tenant.can_sleep,
            pinned=tenant.pinned,
            wants_up=tenant.at_start,
            night=night,
            inside=door.inside,
            waiting=door.waiting,
            oldest_wait_s=door.oldest_wait_s,
            idle_s=now - tenant.idle_since,
            served_s=now - tenant.up_since,
            bring_s=self.learned.expected_s(tenant.name, "wake" if tenant.can_sleep else "load") or 0.0,
            sleep_after_s=tenant.sleep_after_s,
            unload_after_s=tenant.unload_after_s,
        )

    def _fits(self, tenant: Tenant) -> bool:
        """Whether there is room beside those that are on their way already."""
        taken = _taken(other for other in self.tenants.values() if other.coming is not None)
        return all(taken.get(place, Decimal(0)) + tenant.gib <= gib for place, gib in self._bounds(tenant).items())

    def _bounds(self, tenant: Tenant) -> Mapping[str, Decimal]:
        return {place: gib for place, gib in self.room.gib.items() if place in tenant.places}


def _taken(tenants: Iterable[Tenant]) -> dict[str, Decimal]:
    taken: dict[str, Decimal] = {}
    for tenant in tenants:
        for place in tenant.places:
            taken[place] = taken.get(place, Decimal(0)) + tenant.gib
    return taken
