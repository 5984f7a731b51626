"""
Starts one engine process, waits until it really answers, watches it, restarts it, and stops it.

Knows processes, not models: everything about llama.cpp or vLLM is in the `Launch`. The process runs in a session of its
own, so Ctrl-C reaches only the router, which drains first, and so that its own children go with it. What it prints is
thrown away unread, except for the one line with its port, and for known reasons not to start (`start_log.py`): an
engine's log may hold prompts.

    loading ──answers──> ready ──exit, hung──> loading ──5 crashes in 2 minutes──> down
"""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.engines.launch import Launch
from localfleet.engines.probe import Probe
from localfleet.engines.start_log import StartLog
from localfleet.errors import EngineFailed, FleetError

__all__ = ["Progress", "Stage", "Supervisor"]

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
JITTER = 0.2
CRASHES_TO_GIVE_UP = 5
CRASH_WINDOW_S = 120.0
GOOD_RUN_S = 60.0
POLL_S = 0.1
WATCH_S = 5.0
MISSES_TO_KILL = 3
TERM_S = 5.0
EXIT_AFTER_EOF_S = 5.0
LAST_LINES_S = 1.0

EXITED = "the engine process ended and is being started again"
HUNG = "the engine stopped answering and is being started again"
TOO_SLOW = "the engine did not answer in time after its start and is being started again"
NO_PROGRAM = "the engine program cannot be started; run `localfleet doctor`"
GAVE_UP = (
    "the engine crashed 5 times within 2 minutes and stays off; run `localfleet doctor`, "
    "check free memory and `weights:`, then start localfleet again"
)
STOPPED = "stopped"


class Stage(StrEnum):
    """What an engine is busy with, in words for the terminal."""

    CHECKING = "verifying weights"
    STARTING = "starting"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    WAITING = "waiting to start again"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One change, for a line on the terminal. `seconds` counts from the beginning of this start."""

    name: str
    stage: Stage
    seconds: float
    why: str = ""


class Supervisor:
    """
    Keeps one engine process alive.

    `clock` gives monotonic seconds, `sleep` waits, `jitter` gives 0 to 1: all passed in, so that back-off can be tested
    without waiting. `on_change` is called on the event loop at each change and must not block.
    """

    def __init__(
        self,
        launch: Launch,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
        on_change: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Start nothing yet."""
        self._launch = launch
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._on_change = on_change
        self._state = EngineState(readiness=Readiness.DOWN, why="not started")
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._url: str | None = None
        self._log = StartLog(())
        self._drain: asyncio.Task[None] | None = None
        self._crashes: deque[float] = deque()
        self._failures_in_a_row = 0
        self._began = 0.0
        self._ready_since: float | None = None
        self._answers_seen = 0

    @property
    def base_url(self) -> str:
        """
        Where the process listens now: `http://127.0.0.1:PORT`, or `unix:SOCKET:`. A port changes with a restart.

        Raises `EngineFailed` while it is not ready.
        """
        if self._url is None:
            raise EngineFailed(
                "the local engine is not up; wait until /readyz says ready", reason=Reason.CONNECT_FAILED
            )
        return self._url

    @property
    def api_key(self) -> str:
        """What to send as bearer token."""
        return self._launch.api_key

    @property
    def pid(self) -> int | None:
        """The process, where there is one; for `doctor` and tests."""
        return self._process.pid if self._process else None

    def state(self) -> EngineState:
        """How it is, from memory. `in_flight` is not known here."""
        return self._state

    def saw_answer(self) -> None:
        """Tell that the process just answered something: a busy engine that misses health probes is not hung."""
        self._answers_seen += 1

    async def start(self) -> None:
        """Begin to start the process; returns at once. Does nothing while it is being kept alive."""
        if self._task is None or self._task.done():
            self._settled.clear()
            self._crashes.clear()
            self._failures_in_a_row = 0
            self._state = EngineState(readiness=Readiness.LOADING, why=_loading(Stage.STARTING))
            self._task = asyncio.create_task(self._keep_alive(), name=f"supervise {self._launch.name}")

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it answers; False where it gave up or time is over."""
        if not self._settled.is_set():  # Each request comes by here, and `wait_for` costs a task.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), timeout_s)
        return self._state.readiness is Readiness.READY

    async def stop(self, grace_s: float = TERM_S) -> None:
        """End the process: SIGTERM, then SIGKILL after the grace. Drain before; answers under way are cut."""
        task, self._task = self._task, None
        if task is not None:
            # The watcher would take the coming exit for a crash.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._end(grace_s)
        self._change(Stage.DOWN, Readiness.DOWN, STOPPED)

    async def _keep_alive(self) -> None:
        while True:
            try:
                why = await self._one_life()
            except FleetError as exc:
                self._change(Stage.DOWN, Readiness.DOWN, exc.message)
                return
            except OSError:
                self._change(Stage.DOWN, Readiness.DOWN, NO_PROGRAM)
                return
            delay_s = self._delay_after_crash()
            if delay_s is None:
                self._change(Stage.DOWN, Readiness.DOWN, self._last_words(why))
                return
            self._change(Stage.WAITING, Readiness.LOADING, why)
            await self._sleep(delay_s)

    async def _one_life(self) -> str:
        """Run the process until it must be started again; returns the sentence that says why."""
        self._began, self._ready_since = self._clock(), None
        if self._launch.check is not None:
            self._change(Stage.CHECKING, Readiness.LOADING)
            await asyncio.to_thread(self._launch.check)
        self._change(Stage.STARTING, Readiness.LOADING)
        process = await self._spawn()
        exit_, serve = asyncio.create_task(process.wait()), asyncio.create_task(self._serve(process))
        try:
            done, _ = await asyncio.wait({exit_, serve}, return_when=asyncio.FIRST_COMPLETED)
            if exit_ in done:
                return await self._why_it_ended(exit_.result())
            return serve.result()
        finally:
            self._url = None
            for task in (serve, exit_):
                task.cancel()
            await asyncio.gather(serve, exit_, return_exceptions=True)
            if self._task is not None:
                await self._end(0)

    async def _why_it_ended(self, code: int) -> str:
        """What its log told before it was ready, else its exit code; raises `FleetError` where trying again is vain."""
        if self._drain is not None:
            await asyncio.wait({self._drain}, timeout=LAST_LINES_S)
        # A signal says more of the end than what was printed before it.
        cause = self._log.cause if self._ready_since is None and code >= 0 else None
        if cause is None:
            return self._launch.exits.get(code, EXITED)
        if cause.final:
            raise FleetError(cause.sentence)
        return cause.sentence

    async def _spawn(self) -> Process:
        launch = self._launch
        await self._clear_socket()
        self._process = process = await asyncio.create_subprocess_exec(
            *launch.argv,
            env=dict(launch.env),
            stdin=PIPE,
            stdout=PIPE if launch.causes or _tells_port(launch) else DEVNULL,
            stderr=STDOUT if launch.causes else DEVNULL,
            start_new_session=True,
        )
        if launch.causes:
            assert process.stdout is not None
            self._log = StartLog(launch.causes)
            self._drain = asyncio.create_task(self._log.drain(process.stdout))
        assert process.stdin is not None
        process.stdin.write(launch.stdin)
        with contextlib.suppress(ConnectionError):  # It died at once: its exit says so.
            await process.stdin.drain()
        return process

    async def _serve(self, process: Process) -> str:
        """From its place to the end: returns only where the process must be killed, with the reason."""
        self._change(Stage.LOADING, Readiness.LOADING)
        url = await self._learn_url(process)
        if url is None:
            return TOO_SLOW
        probe = Probe(self._launch, url)
        try:
            if not await self._until(probe.healthy):
                return TOO_SLOW
            self._change(Stage.WARMING, Readiness.LOADING)
            if not await self._until(probe.answers):
                return TOO_SLOW
            self._log.stop()
            self._url, self._ready_since = url, self._clock()
            self._change(Stage.READY, Readiness.READY)
            await self._until_hung(probe)
            return HUNG
        finally:
            await probe.aclose()

    async def _learn_url(self, process: Process) -> str | None:
        if self._launch.socket is not None:
            return f"unix:{self._launch.socket}:"
        port = await self._learn_port(process) if self._launch.port is None else self._launch.port
        return None if port is None else f"http://127.0.0.1:{port}"

    async def _learn_port(self, process: Process) -> int | None:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self._launch.start_timeout_s)
            port = json.loads(line)["port"]
        except TimeoutError:
            return None
        except (ValueError, KeyError, TypeError):
            # Usually the end of file of a process that just died: its exit code says more, and comes a moment later.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), EXIT_AFTER_EOF_S)
            return None
        return port if isinstance(port, int) else None

    async def _until(self, probe: Callable[[], Awaitable[bool]]) -> bool:
        """Ask again until yes; False when the time for starting is over."""
        while not await probe():
            if self._clock() - self._began > self._launch.start_timeout_s:
                return False
            await self._sleep(POLL_S)
        return True

    async def _until_hung(self, probe: Probe) -> None:
        """Return after three missed health probes in a row, 5 s apart, during which nothing was answered."""
        misses = 0
        while misses < MISSES_TO_KILL:
            seen = self._answers_seen
            await self._sleep(WATCH_S)
            alive = await probe.healthy() or self._answers_seen != seen
            misses = 0 if alive else misses + 1

    def _delay_after_crash(self) -> float | None:
        """Seconds until the next start, doubling from 0.5 to 30 with up to 20 % jitter; `None`: give up."""
        now = self._clock()
        if self._ready_since is not None and now - self._ready_since > GOOD_RUN_S:
            self._crashes.clear()
            self._failures_in_a_row = 0
        self._crashes.append(now)
        self._failures_in_a_row += 1
        while now - self._crashes[0] > CRASH_WINDOW_S:
            self._crashes.popleft()
        if len(self._crashes) >= CRASHES_TO_GIVE_UP:
            return None
        delay_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self._failures_in_a_row - 1, 10))
        return delay_s * (1 + JITTER * self._jitter())

    def _last_words(self, why: str) -> str:
        """Where the exit code or the log told more than that it ended, that is what helps."""
        known = {*self._launch.exits.values(), *(cause.sentence for cause in self._launch.causes)}
        return why if why in known else GAVE_UP

    async def _clear_socket(self) -> None:
        """A server leaves its socket behind, and the next one could not bind."""
        if self._launch.socket is not None:
            await asyncio.to_thread(Path(self._launch.socket).unlink, missing_ok=True)

    async def _end(self, grace_s: float) -> None:
        """End the process and its children, and reap it."""
        process, self._process = self._process, None
        if process is None:
            return
        self._url = None
        if grace_s > 0 and process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_s)
        # Also after a clean exit: children of the process may have outlived it.
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        drain, self._drain = self._drain, None
        if drain is not None:
            with contextlib.suppress(TimeoutError):  # something outside the group may hold the other end
                await asyncio.wait_for(drain, LAST_LINES_S)
        await self._clear_socket()

    def _change(self, stage: Stage, readiness: Readiness, why: str = "") -> None:
        sentence = why or (_loading(stage) if readiness is Readiness.LOADING else "")
        self._state = EngineState(readiness=readiness, why=sentence)
        if readiness is Readiness.LOADING:
            self._settled.clear()
        else:
            self._settled.set()
        self._on_change(
            Progress(name=self._launch.name, stage=stage, seconds=self._clock() - self._began, why=why),
        )


def _tells_port(launch: Launch) -> bool:
    return launch.port is None and launch.socket is None


def _loading(stage: Stage) -> str:
    return f"the engine is getting ready: {stage}"


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process and its children; it leads its own group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
