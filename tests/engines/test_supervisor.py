"""The life of a supervised process, with tiny real children and a clock that only moves when someone sleeps."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tiny_engine import ENGINE, GOOD, FakeTime, alive, serving, supervise, tiny, until

from localfleet.core.fleet import Readiness
from localfleet.engines.launch import Launch, clean_environment
from localfleet.engines.stages import GAVE_UP, Progress, Stage
from localfleet.engines.supervisor import Supervisor
from localfleet.errors import ConfigError, EngineFailed


def test_ready_only_after_a_real_answer_and_down_after_stop() -> None:
    """The stages come in order, the engine's own API key is used, and nothing is left behind."""
    seen: dict[str, int] = {}

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert supervisor.state().readiness is Readiness.LOADING
        with pytest.raises(EngineFailed):
            str(supervisor.base_url)
        assert await supervisor.wait_ready(10)
        assert supervisor.state().readiness is Readiness.READY
        assert supervisor.base_url.startswith("http://127.0.0.1:")
        seen["pid"] = supervisor.pid or 0

    told = supervise(serving(health=(503, 503, 200), check=lambda: None), story)
    assert [one.stage for one in told] == [
        Stage.CHECKING,
        Stage.STARTING,
        Stage.LOADING,
        Stage.WARMING,
        Stage.READY,
        Stage.DOWN,
    ]
    assert told[4].seconds > told[1].seconds == 0
    assert not alive(seen["pid"])


@pytest.mark.parametrize(
    "launch",
    [
        serving(health=(503,), start_timeout_s=3),
        serving(answer='{"choices": []}', start_timeout_s=3),
        serving(answer="no json", start_timeout_s=3),
        serving(key="another-key", start_timeout_s=3),
    ],
    ids=["never-healthy", "no-choice", "garbled", "wrong-key"],
)
def test_healthy_without_an_answer_is_never_ready(launch: Launch) -> None:
    """A process that does not answer the canary is restarted, and given up in the end."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert not await supervisor.wait_ready(15)
        assert supervisor.state().readiness is Readiness.DOWN
        assert supervisor.state().why == GAVE_UP
        assert Stage.READY not in {one.stage for one in told}

    supervise(launch, story)


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 1.0), (0.5, 1.1), (1.0, 1.2)])
def test_crash_loop_backs_off_and_gives_up(jitter: float, factor: float) -> None:
    """A child that exits at once is started five times, after 0.5, 1, 2 and 4 seconds, then never again."""

    async def story(supervisor: Supervisor, fake: FakeTime, _: list[Progress]) -> None:
        assert not await supervisor.wait_ready(15)
        assert supervisor.state().readiness is Readiness.DOWN
        assert supervisor.state().why == GAVE_UP
        assert fake.slept == pytest.approx([0.5 * factor, 1 * factor, 2 * factor, 4 * factor])
        assert supervisor.pid is None

    told = supervise(tiny("raise SystemExit(7)"), story, jitter)
    assert [one.stage for one in told].count(Stage.STARTING) == 5


def test_known_exit_code_says_what_to_do() -> None:
    """An exit code that the engine explains is told instead of the general sentence."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert not await supervisor.wait_ready(15)
        assert supervisor.state().why == "lower the context"

    supervise(tiny("raise SystemExit(7)", exits={7: "lower the context"}), story)


def test_slow_crashes_are_retried_for_ever_with_at_most_thirty_seconds() -> None:
    """Crashes that are further apart than the window never count as a loop."""

    async def story(supervisor: Supervisor, fake: FakeTime, told: list[Progress]) -> None:
        for _ in range(10):
            told.clear()
            await until(lambda: Stage.STARTING in {one.stage for one in told})
            fake.now += 40
        assert supervisor.state().readiness is Readiness.LOADING
        assert max(fake.slept) == 30
        assert fake.slept.count(30) >= 2

    supervise(tiny("raise SystemExit(7)"), story)


def test_killed_engine_comes_back_and_a_good_run_forgets_old_crashes() -> None:
    """Kill -9 is noticed; after more than a minute of service the back-off begins anew, for ever."""

    async def story(supervisor: Supervisor, fake: FakeTime, told: list[Progress]) -> None:
        for _ in range(7):
            assert await supervisor.wait_ready(10)
            old = supervisor.pid
            fake.now += 61
            told.clear()
            os.kill(old or 0, signal.SIGKILL)
            await until(lambda: supervisor.state().readiness is Readiness.LOADING)
            await until(lambda: supervisor.state().readiness is Readiness.READY)
            assert supervisor.pid not in {None, old}
            assert 0.5 in fake.slept
            assert 1.0 not in fake.slept

    supervise(serving(), story)


def test_hung_engine_is_killed_and_started_again() -> None:
    """Three missed health probes in a row end the process."""

    async def story(supervisor: Supervisor, fake: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        first = supervisor.pid
        await until(lambda: supervisor.pid not in {None, first})
        assert not alive(first or 0)
        assert fake.slept.count(5.0) >= 4
        assert "the engine stopped answering and is being started again" in {one.why for one in told}

    supervise(serving(health=(200, 503, 503, 200, 503)), story)


def test_busy_engine_that_misses_probes_is_left_alone() -> None:
    """While answers come, a silent health path is load, not a hang."""

    async def story(supervisor: Supervisor, fake: FakeTime, _: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        first = supervisor.pid
        before = len(fake.slept)
        while len(fake.slept) < before + 10:
            supervisor.saw_answer()
            await asyncio.sleep(0)
        assert supervisor.pid == first
        assert supervisor.state().readiness is Readiness.READY

    supervise(serving(health=(200, 503)), story)


def test_failed_check_stops_for_good_with_its_own_sentence() -> None:
    """Damaged weights are no crash: the process is never started."""

    def damaged() -> None:
        raise ConfigError("models.yaml", ((None, "weights", "the weights are damaged"),))

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert not await supervisor.wait_ready(10)
        assert "the weights are damaged" in supervisor.state().why
        assert Stage.STARTING not in {one.stage for one in told}

    supervise(serving(check=damaged), story)


def test_missing_program_is_down_at_once() -> None:
    """A program that does not exist is not tried five times."""

    async def story(supervisor: Supervisor, fake: FakeTime, _: list[Progress]) -> None:
        assert not await supervisor.wait_ready(10)
        assert "localfleet doctor" in supervisor.state().why
        assert fake.slept == []

    supervise(tiny("", argv=("/nowhere/engine",)), story)


def test_stop_kills_what_ignores_sigterm_and_its_children(tmp_path: Path) -> None:
    """After the grace nothing of the process group is left."""
    script = "import signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    script += "open(sys.stdin.readline().strip(), 'w').write(str(child.pid))\n"

    async def run(note: Path) -> float:
        launch = tiny(script + ENGINE, stdin=f"{note}\n".encode() + json.dumps(plan).encode() + b"\n")
        fake = FakeTime()
        supervisor = Supervisor(launch, clock=fake.clock, sleep=fake.sleep, jitter=random.random)
        await supervisor.start()
        assert await supervisor.wait_ready(10)
        pid, began = supervisor.pid or 0, time.monotonic()
        await supervisor.stop(0.3)
        assert not alive(pid)
        return time.monotonic() - began

    plan = {"health": [200], "answer": GOOD, "key": "planted-key"}
    note = tmp_path / "grandchild"
    took_s = asyncio.run(run(note))
    grandchild = int(note.read_text())
    assert 0.3 <= took_s < 2
    deadline = time.monotonic() + 2
    while alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(grandchild)


def test_stop_while_loading_and_start_again() -> None:
    """A stop in the middle of a start leaves no process, and a new start works."""

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        await until(lambda: supervisor.pid)
        pid = supervisor.pid or 0
        await supervisor.stop(1)
        assert supervisor.state().readiness is Readiness.DOWN
        assert not alive(pid)
        await supervisor.start()
        assert await supervisor.wait_ready(10)

    supervise(serving(), story)


def test_environment_is_an_allow_list() -> None:
    """Provider keys, proxies and Python's own switches stay outside; paths, language and threads pass."""
    parent = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "2",
        "OPENAI_API_KEY": "planted",
        "HTTPS_PROXY": "http://proxy",
        "PYTHONPATH": "/x",
        "LOCALFLEET_HOME": "/x",
    }
    assert set(clean_environment(parent)) == {"PATH", "LC_ALL", "OMP_NUM_THREADS"}


def test_secrets_are_in_no_repr() -> None:
    """A launch that ends up in a traceback shows neither key nor order nor environment."""
    shown = repr(serving(env={"TOKEN": "planted-env"}))
    assert "planted" not in shown


def test_fixed_port_is_used_without_a_port_line() -> None:
    """An engine that is told its port (vLLM) need not print it, and its output goes nowhere."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def story(supervisor: Supervisor, _: FakeTime, told: list[Progress]) -> None:
        assert await supervisor.wait_ready(10)
        assert supervisor.base_url == f"http://127.0.0.1:{port}"

    fixed = ENGINE.replace('("127.0.0.1", 0)', f'("127.0.0.1", {port})')
    supervise(tiny(fixed, port=port, plan={"health": [200], "answer": GOOD, "key": "planted-key"}), story)


def test_child_goes_when_the_parent_is_killed() -> None:
    """Kill -9 of the parent closes the child's stdin, which ends it."""
    parent = textwrap.dedent(f"""
        import asyncio, json, os, sys, time
        from localfleet.engines.launch import Launch
        from localfleet.engines.supervisor import Supervisor
        plan = {{"health": [200], "answer": {GOOD!r}, "key": "k"}}
        launch = Launch(name="t", argv=(sys.executable, "-I", "-c", {ENGINE!r}), env={{}},
                        stdin=json.dumps(plan).encode() + b"\\n", api_key="k")
        async def run():
            s = Supervisor(launch, clock=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0)
            await s.start()
            assert await s.wait_ready(20)
            print(s.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(run())
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    deadline = time.monotonic() + 2
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_whoever_stops_it_last_reaps_it() -> None:
    """A stop that is cut off at any step leaves nothing unreaped to the next one."""

    async def story() -> None:
        for steps in range(12):
            fake = FakeTime()
            supervisor = Supervisor(
                serving(), clock=fake.clock, sleep=fake.sleep, jitter=lambda: 0.0, on_change=lambda _: None
            )
            await supervisor.start()
            while supervisor._process is None:  # noqa: ASYNC110  # nothing tells when the process begins
                await asyncio.sleep(0.005)
            process = supervisor._process
            cut_off = asyncio.create_task(supervisor.stop(0))
            for _ in range(steps):
                await asyncio.sleep(0)
            cut_off.cancel()
            await asyncio.gather(cut_off, return_exceptions=True)
            await supervisor.stop(0)
            assert process.returncode is not None, steps

    asyncio.run(story())
