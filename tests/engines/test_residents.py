"""Models that come and go: real processes, real lines, and requests that wait for a model to come."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from tiny_engine import alive, serving, until

from localfleet.core.ask import Api
from localfleet.core.fleet import Readiness
from localfleet.core.residency import Room
from localfleet.core.schedule import read_window
from localfleet.engines.admission import Admission
from localfleet.engines.launch import Controls
from localfleet.engines.learned import Learned
from localfleet.engines.residents import Residents, Tenant
from localfleet.engines.supervisor import Supervisor
from localfleet.errors import EngineFailed
from localfleet.ports import Call

TWO_OF_THREE = Room(gib={"ram": Decimal(20)})
NIGHT, DAY = (0, 60), (0, 600)
LOOK_S = 0.1
SLEEPER = Controls(sleep_path="/sleep?level=1", wake_path="/wake_up")


class House:
    """Residents with tiny engines; `moment` can be set."""

    def __init__(self, room: Room, learned: Learned | None = None) -> None:
        """Empty."""
        self.moment = DAY
        self.told: list[tuple[str, Readiness]] = []
        self.residents = Residents(
            room=room,
            clock=time.monotonic,
            moment=lambda: self.moment,
            learned=learned or Learned(),
            on_state=lambda name, state: self.told.append((name, state)),
            look_s=LOOK_S,
        )

    def model(
        self, name: str, says: Mapping[str, object] | None = None, *, can_sleep: bool = False, **more: object
    ) -> Tenant:
        """A model of ten GiB in main memory."""
        supervisor = Supervisor(
            serving(name=name, says=dict(says or {}), controls=SLEEPER if can_sleep else None),
            clock=time.monotonic,
            sleep=asyncio.sleep,
            jitter=lambda: 0.0,
            on_change=self.residents.progressed,
        )
        door = Admission(limit=32, slots=2, shut=True)
        known: dict[str, object] = {
            "name": name,
            "supervisor": supervisor,
            "door": door,
            "gib": Decimal(10),
            "places": frozenset({"ram"}),
            "at_start": False,
        }
        tenant = Tenant(**{**known, **more})  # type: ignore[arg-type]  # a table of overrides
        self.residents.add(tenant)
        return tenant

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        """Play a story, then end every process."""

        async def play() -> None:
            await self.residents.start()
            try:
                await asyncio.wait_for(story(), 30)
            finally:
                await self.residents.stop()

        asyncio.run(play())


async def ask(house: House, tenant: Tenant, *, hold_s: float = 0.0, timeout_s: float = 20.0) -> float:
    """One request: wait for the turn, work, leave; how long it waited."""
    call = Call(request_id="r", api=Api.CHAT, body={}, stream=False, wants_usage=False, timeout_s=timeout_s, key_id="k")
    began = time.monotonic()
    house.residents.kick()
    assert isinstance(tenant.door, Admission)
    turn = await tenant.door.enter(call)
    waited = time.monotonic() - began
    await asyncio.sleep(hold_s)
    tenant.supervisor.saw_answer()
    tenant.door.leave(turn, None)
    return waited


def readiness(tenant: Tenant) -> Readiness:
    """How it is."""
    return tenant.supervisor.state().readiness


def test_the_first_request_loads_a_model_and_the_time_is_learned(tmp_path: Path) -> None:
    """Nothing runs until somebody asks; the wait is remembered on disk for the next start of the router."""
    file = tmp_path / "engine_times.json"
    house = House(TWO_OF_THREE, Learned(file))
    one = house.model("one")

    async def story() -> None:
        await asyncio.sleep(0.2)
        assert readiness(one) is Readiness.ASLEEP
        assert one.supervisor.pid is None
        assert house.residents.state(one).ready_in_s is None
        waited = await ask(house, one)
        learned = Learned(file)
        await until(lambda: Learned(file).expected_s("one", "load"))
        assert 0 < (Learned(file).expected_s("one", "load") or 0) <= waited + 0.1
        assert learned.expected_s("one", "wake") is None

    house.run(story)


def test_models_of_the_start_are_loaded_while_there_is_room() -> None:
    """In the order of the file; the third is there for whoever asks."""
    house = House(TWO_OF_THREE)
    one, two, three = (house.model(name, at_start=True) for name in ("one", "two", "three"))

    async def story() -> None:
        await until(lambda: readiness(one).takes_work and readiness(two).takes_work)
        await asyncio.sleep(4 * LOOK_S)
        assert readiness(three) is Readiness.ASLEEP

    house.run(story)


@pytest.mark.slow
def test_one_makes_room_for_another_and_nobody_is_cut_off() -> None:
    """The turn of a busy model ends, its request does not; the other then gets its turn."""
    house = House(Room(gib={"ram": Decimal(10)}, turn_s=0.3))
    one, two = house.model("one"), house.model("two")

    async def story() -> None:
        await ask(house, one)
        long_one = asyncio.create_task(ask(house, one, hold_s=1.0))
        await asyncio.sleep(0.4)
        other = asyncio.create_task(ask(house, two))
        await until(lambda: readiness(one) is Readiness.DRAINING)
        late = asyncio.create_task(ask(house, one))
        assert await long_one < 0.1
        await other
        assert one.supervisor.pid is None
        await late
        assert readiness(one).takes_work
        assert two.supervisor.pid is None

    house.run(story)


def test_pinned_stays_and_the_guest_waits_in_vain() -> None:
    """A model that must stay is never put away: who asks for another one hears so in time."""
    house = House(Room(gib={"ram": Decimal(10)}, turn_s=0))
    house.model("one", at_start=True, pinned=True)
    two = house.model("two")

    async def story() -> None:
        with pytest.raises(EngineFailed):
            await ask(house, two, timeout_s=0.5)

    house.run(story)


@pytest.mark.slow
def test_it_sleeps_when_idle_and_the_next_request_wakes_it(tmp_path: Path) -> None:
    """Idle time puts it to sleep with its process; a request wakes it; asleep for long, it is unloaded."""
    heard = tmp_path / "heard"
    house = House(TWO_OF_THREE)
    one = house.model("one", {"heard": str(heard)}, can_sleep=True, sleep_after_s=0.2, unload_after_s=2.5)

    async def story() -> None:
        await ask(house, one)
        pid = one.supervisor.pid
        await until(lambda: readiness(one) is Readiness.ASLEEP)
        assert one.supervisor.pid == pid
        await ask(house, one)
        assert one.supervisor.pid == pid
        assert house.residents.learned.expected_s("one", "wake") is not None
        assert {"/sleep?level=1", "/wake_up"} <= set(heard.read_text().split())
        await until(lambda: one.supervisor.pid is None)
        assert readiness(one) is Readiness.ASLEEP

    house.run(story)


def test_one_that_refuses_to_sleep_is_unloaded() -> None:
    """An engine whose sleep fails goes on, and is unloaded at the next look."""
    house = House(TWO_OF_THREE)
    one = house.model("one", {"refuses": ["/sleep?level=1"]}, can_sleep=True, sleep_after_s=0.1)

    async def story() -> None:
        await ask(house, one)
        await until(lambda: one.supervisor.pid is None)
        await ask(house, one)

    house.run(story)


@pytest.mark.slow
def test_at_night_it_sleeps_and_in_the_morning_it_comes_back() -> None:
    """A window of sleep: not loaded at start, there for whoever asks, and back by itself when the window ends."""
    house = House(TWO_OF_THREE)
    house.moment = NIGHT
    one = house.model("one", at_start=True, windows=(read_window("mon-sun 00:00-07:00"),), sleep_after_s=600)

    async def story() -> None:
        await asyncio.sleep(1.2)
        assert one.supervisor.pid is None
        house.moment = DAY
        await until(lambda: readiness(one).takes_work)

    house.run(story)


def test_an_engine_that_will_not_come_dismisses_who_waits() -> None:
    """A crash loop ends the wait with an error, and the door stays closed with a reason."""
    house = House(TWO_OF_THREE)
    one = house.model("one")
    broken = serving(name="one", argv=("/nowhere/engine",))
    one.supervisor = Supervisor(
        broken, clock=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0.0, on_change=house.residents.progressed
    )

    async def story() -> None:
        with pytest.raises(EngineFailed):
            await ask(house, one)
        assert readiness(one) is Readiness.DOWN

    house.run(story)


def test_a_killed_model_lets_its_line_wait() -> None:
    """Kill -9: those in line get their turn at the next process, and what its start takes is learned too."""
    house = House(TWO_OF_THREE)
    one = house.model("one")

    async def story() -> None:
        await ask(house, one)
        pid = one.supervisor.pid or 0
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not readiness(one).takes_work)
        await ask(house, one)
        assert one.supervisor.pid not in {None, pid}

    house.run(story)


def test_one_that_is_let_go_serves_its_line_and_the_next_comes_after_it() -> None:
    """Those inside and in the line of the old are served; the new one of the same name has its own line meanwhile."""
    house = House(TWO_OF_THREE)
    old = house.model("one", at_start=True)

    async def story() -> None:
        await until(lambda: readiness(old).takes_work)
        pid = old.supervisor.pid or 0
        new = house.model("one", key="one again", at_start=True)
        del house.residents.tenants[new.key]
        new.supervisor.wait_for_somebody()
        inside = [asyncio.create_task(ask(house, old, hold_s=0.3)) for _ in range(4)]
        await asyncio.sleep(0.05)
        assert (old.door.inside, old.door.waiting) == (2, 2)
        waits = asyncio.create_task(ask(house, new))
        await house.residents.retire(old, awaited=lambda: False, within_s=10)
        assert all(task.done() for task in inside)
        assert not alive(pid)
        assert not waits.done()
        assert new.supervisor.pid is None
        house.residents.admit(new)
        assert await waits > 0.3
        assert list(house.residents.tenants) == ["one again"]
        with pytest.raises(EngineFailed, match="no longer"):
            await ask(house, old)

    house.run(story)


def test_one_that_is_let_go_before_it_came_still_serves_who_waits() -> None:
    """In the line of a model that was never loaded: it is loaded for them, then it goes."""
    house = House(TWO_OF_THREE)
    one = house.model("one")

    async def story() -> None:
        waits = asyncio.create_task(ask(house, one))
        await asyncio.sleep(0)
        await house.residents.retire(one, awaited=lambda: False, within_s=10)
        assert waits.done()
        assert one.supervisor.pid is None

    house.run(story)


def test_one_that_does_not_finish_is_ended_in_time() -> None:
    """Who is inside for ever, or might still come, holds it no longer than told; its line hears so."""
    house = House(Room(gib={"ram": Decimal(20)}, turn_s=0))
    one = house.model("one", at_start=True, pinned=True)

    async def story() -> None:
        await until(lambda: readiness(one).takes_work)
        pid = one.supervisor.pid or 0
        forever = [asyncio.create_task(ask(house, one, hold_s=60)) for _ in range(3)]
        began = time.monotonic()
        await house.residents.retire(one, awaited=lambda: True, within_s=0.5)
        assert 0.5 <= time.monotonic() - began < 5
        assert not alive(pid)
        done = [task for task in forever if task.done()]
        assert [type(task.exception()) for task in done] == [EngineFailed]
        for task in forever:
            task.cancel()

    house.run(story)


def test_whoever_gives_up_the_end_of_a_process_leaves_none() -> None:
    """Cancelled while it waits for an engine that ignores SIGTERM: the engine is killed all the same."""
    house = House(TWO_OF_THREE)
    one = house.model("one", {"deaf": True}, at_start=True)

    async def story() -> None:
        await until(lambda: readiness(one).takes_work)
        pid = one.supervisor.pid or 0
        going = asyncio.create_task(house.residents.retire(one, awaited=lambda: False, within_s=1))
        await asyncio.sleep(0.3)
        assert alive(pid)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await until(lambda: not alive(pid))
        await asyncio.sleep(0.2)  # its pipes end a moment later

    house.run(story)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"one load": []}', '{"one load": ["x"]}', '{"one load": [-1]}', '{"one load": [true]}']
)
def test_a_file_that_is_none_costs_nothing(tmp_path: Path, text: str) -> None:
    """A damaged file of times is as good as no file."""
    file = tmp_path / "times.json"
    file.write_text(text)
    learned = Learned(file)
    assert learned.expected_s("one", "load") is None
    learned.took("one", "load", 2.0)
    learned.save()
    assert json.loads(file.read_text()) == {"one load": [2.0]}


def test_the_last_runs_count_and_a_full_disk_does_not(tmp_path: Path) -> None:
    """The median of five; where the file cannot be written, the knowledge stays in memory."""
    learned = Learned(tmp_path / "gone" / "times.json")
    for seconds in (90.0, 90.0, 1.0, 2.0, 3.0, 4.0, 5.0):
        learned.took("one", "load", seconds)
    learned.save()
    assert learned.expected_s("one", "load") == 3.0


def test_every_change_of_state_is_told_once() -> None:
    """From waiting for somebody over loading to ready, to sleep, and down at the end: what the ledger then holds."""
    house = House(Room(gib={"ram": Decimal(20)}))
    tenant = house.model("one")

    async def story() -> None:
        await ask(house, tenant)

    house.run(story)
    states = [state for name, state in house.told if name == "one"]
    assert states[:4] == [Readiness.ASLEEP, Readiness.LOADING, Readiness.WARMING, Readiness.READY]
    assert states[-1] is Readiness.DOWN
    assert all(one is not other for one, other in pairwise(states))
