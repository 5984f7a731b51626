"""A supervised process that sleeps, wakes, is unloaded, finishes, and shows its vital signs."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from tiny_engine import FakeTime, alive, serving, supervise, until

from localfleet.core.fleet import Readiness
from localfleet.engines.launch import Controls
from localfleet.engines.probe import Probe
from localfleet.engines.stages import WOKE_WRONG, Progress, Stage
from localfleet.engines.supervisor import Supervisor

SLEEPER = Controls(sleep_path="/sleep?level=1", wake_path="/wake_up")


def page(*, running: int, tokens: int, cache: float = 0.1, waiting: int = 0) -> str:
    """A metrics page as vLLM writes it."""
    values = {
        "vllm:num_requests_running": running,
        "vllm:num_requests_waiting": waiting,
        "vllm:kv_cache_usage_perc": cache,
        "vllm:prompt_tokens_total": tokens,
        "vllm:generation_tokens_total": 0,
    }
    return "".join(f'{name}{{engine="0"}} {value}\n' for name, value in values.items())


def test_it_sleeps_and_wakes_with_the_same_process() -> None:
    """Asleep it takes no work and keeps its process; awake it works again, once the canary said what it said before."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid = supervisor.pid
        assert await supervisor.sleep()
        assert supervisor.state().readiness is Readiness.ASLEEP
        assert "first request wakes it" in supervisor.state().why
        assert not await supervisor.wait_ready(0.05)
        assert await supervisor.wake()
        assert supervisor.state().readiness is Readiness.READY
        assert supervisor.pid == pid
        assert [one.stage for one in told][-3:] == [Stage.ASLEEP, Stage.WAKING, Stage.READY]

    supervise(serving(controls=SLEEPER), story)


def test_nobody_looks_at_a_sleeper(tmp_path: Path) -> None:
    """However long it sleeps: no canary, no kill for missed health checks."""
    heard = tmp_path / "heard"

    async def story(supervisor: Supervisor, fake: FakeTime, _: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        assert await supervisor.sleep()
        pid, before, looks = supervisor.pid, heard.read_text(), len(fake.slept)
        await until(lambda: len(fake.slept) > looks + 100)
        assert supervisor.pid == pid
        assert supervisor.state().readiness is Readiness.ASLEEP
        assert heard.read_text() == before

    supervise(serving(health=(200, 503), controls=SLEEPER, says={"heard": str(heard)}), story)


def test_an_answer_that_changed_over_the_sleep_is_not_trusted() -> None:
    """An engine that says something else after a wake is killed and started anew before anybody gets an answer."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid = supervisor.pid
        assert await supervisor.sleep()
        assert not await supervisor.wake()
        await until(lambda: supervisor.state().readiness is Readiness.READY)
        assert supervisor.pid != pid
        assert WOKE_WRONG in {one.why for one in told}
        stages = [one.stage for one in told]
        assert Stage.READY not in stages[stages.index(Stage.WAKING) : stages.index(Stage.WAITING)]

    supervise(serving(controls=SLEEPER, says={"forgets": True}), story)


def test_one_that_will_not_sleep_goes_on() -> None:
    """A refused sleep changes nothing; a refused wake starts it anew."""

    async def no_sleep(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        assert not await supervisor.sleep()
        assert supervisor.state().readiness is Readiness.READY

    async def no_wake(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        assert await supervisor.sleep()
        assert not await supervisor.wake()
        await until(lambda: supervisor.state().readiness is Readiness.READY)

    supervise(serving(controls=SLEEPER, says={"refuses": ["/sleep?level=1"]}), no_sleep)
    supervise(serving(controls=SLEEPER, says={"refuses": ["/wake_up"]}), no_wake)
    supervise(serving(), no_sleep)


def test_unloaded_it_leaves_no_process_and_comes_back() -> None:
    """Unloading ends the process without calling it down; the next start is an ordinary one."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid = supervisor.pid or 0
        await supervisor.unload(1)
        assert not alive(pid)
        assert supervisor.pid is None
        assert supervisor.state().readiness is Readiness.ASLEEP
        assert "first request loads it" in supervisor.state().why
        await supervisor.start()
        assert await supervisor.wait_ready(10)

    supervise(serving(), story)


def test_a_sleeper_that_is_killed_comes_back_awake() -> None:
    """A process that dies in its sleep is started again like any other."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        assert await supervisor.sleep()
        os.kill(supervisor.pid or 0, signal.SIGKILL)
        await until(lambda: supervisor.state().readiness is Readiness.READY)

    supervise(serving(controls=SLEEPER), story)


def test_one_that_finishes_still_answers_who_was_let_in() -> None:
    """An engine that makes room takes nothing new; a request that had its turn is not kept from it."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        supervisor.finish()
        assert supervisor.state().readiness is Readiness.DRAINING
        assert await supervisor.wait_ready(0.05)
        assert supervisor.listens

    supervise(serving(), story)


def test_work_without_a_token_is_stuck_and_then_started_anew() -> None:
    """Counters that stand still under work: first stalled, then killed, though the health path says 200."""
    seen: set[Readiness] = set()

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid = supervisor.pid

        def gone() -> bool:
            seen.add(supervisor.state().readiness)
            return supervisor.pid not in {None, pid}

        await until(gone)
        assert Readiness.STALLED in seen

    supervise(serving(metrics_path="/metrics", says={"pages": [page(running=1, tokens=5)]}), story)


def test_a_missed_check_and_a_full_cache_are_told_and_forgiven() -> None:
    """Degraded is not down: work goes on, and it is ready again when the signs are good again."""
    states: set[Readiness] = set()

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid = supervisor.pid

        def over() -> bool:
            states.add(supervisor.state().readiness)
            return [one.stage for one in told][-2:] == [Stage.STRUGGLING, Stage.READY]

        await until(over)
        assert supervisor.pid == pid
        assert states <= {Readiness.READY, Readiness.DEGRADED}

    full = page(running=4, tokens=9, cache=1.0, waiting=3)
    supervise(serving(health=(200, 200, 503, 200)), story)
    supervise(serving(metrics_path="/metrics", says={"pages": [full, full, page(running=0, tokens=10)]}), story)


def test_an_idle_engine_is_asked_for_a_token_now_and_then(tmp_path: Path) -> None:
    """Once in five minutes without traffic, and not at all where answers come."""
    heard = tmp_path / "heard"

    async def story(supervisor: Supervisor, fake: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        asked = len(heard.read_text().split())
        began = fake.now
        await until(lambda: fake.now > began + 1600)
        probes = len(heard.read_text().split()) - asked
        assert 4 <= probes <= 6
        began, asked = fake.now, len(heard.read_text().split())
        while fake.now < began + 900:
            supervisor.saw_answer()
            await asyncio.sleep(0)
        assert len(heard.read_text().split()) - asked <= 1

    supervise(serving(says={"heard": str(heard)}), story)


def test_an_idle_engine_that_gives_no_token_is_started_anew() -> None:
    """Health says 200, but no token comes: three looks later there is a new process."""

    async def story(supervisor: Supervisor, fake: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        pid, began = supervisor.pid, fake.now
        await until(lambda: supervisor.pid not in {None, pid})
        assert 300 <= fake.now - began < 340
        assert Stage.STUCK in {one.stage for one in told}

    supervise(serving(says={"tires_after": 1}), story)


def test_a_connection_that_closes_as_it_is_used_is_no_missed_check() -> None:
    """Servers close idle connections after five seconds, just when the next look comes: it looks again at once."""
    served: list[asyncio.Task[None] | None] = []

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def story() -> None:
        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        probe = Probe(serving(), f"http://127.0.0.1:{port}")
        assert [await probe.healthy() for _ in range(3)] == [True, True, True]
        assert len(served) == 3
        await probe.aclose()
        await asyncio.wait({one for one in served if one})
        server.close()
        await server.wait_closed()

    asyncio.run(story())
