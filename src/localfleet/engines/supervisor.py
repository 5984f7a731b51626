"""
Starts one engine process, waits until it really answers, watches it, restarts it, and stops it.

Knows processes, not models: everything about llama.cpp or vLLM is in the `Launch`. The process runs in a session of its
own, so Ctrl-C reaches only the router, which drains first, and so that its own children go with it. What it prints is
thrown away unread, except for the one line with its port, and for known reasons not to start (`start_log.py`): an
engine's log may hold prompts.

What it sees becomes an event, and `core/lifecycle.py` says which state follows; nothing here chooses a state.
"""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable
from pathlib import Path

from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.lifecycle import Event, after
from localfleet.core.reason import Reason
from localfleet.engines.backoff import Backoff
from localfleet.engines.launch import Launch
from localfleet.engines.probe import Probe
from localfleet.engines.stages import (
    EXITED,
    GAVE_UP,
    HUNG,
    NO_PROGRAM,
    QUIET,
    SETTLED,
    STAGES,
    STOPPED,
    TOO_SLOW,
    WOKE_WRONG,
    Progress,
    Stage,
    getting_ready,
    sentence,
)
from localfleet.engines.start_log import StartLog
from localfleet.engines.watch import Watch
from localfleet.errors import EngineFailed, FleetError

__all__ = ["Supervisor"]

POLL_S = 0.1
TERM_S = 5.0
EXIT_AFTER_EOF_S = 5.0
LAST_LINES_S = 1.0


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
        self._readiness = Readiness.DOWN
        self._why = "not started"
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._url: str | None = None
        self._log = StartLog(())
        self._drain: asyncio.Task[None] | None = None
        self._backoff = Backoff()
        self._began = 0.0
        self._ready_since: float | None = None
        self._answers_seen = 0
        self._probe: Probe | None = None
        self._canary: bytes | None = None
        self._last_words_of_wake = ""

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
    def listens(self) -> bool:
        """Whether it has a place where it can be asked."""
        return self._url is not None

    @property
    def api_key(self) -> str:
        """What to send as bearer token."""
        return self._launch.api_key

    @property
    def pid(self) -> int | None:
        """The process, where there is one; for `doctor` and tests."""
        return self._process.pid if self._process else None

    @property
    def can_sleep(self) -> bool:
        """Whether it has a way to sleep without ending its process."""
        return self._launch.controls is not None

    def state(self) -> EngineState:
        """How it is, from memory. `in_flight` is not known here."""
        return EngineState(readiness=self._readiness, why=self._why)

    @property
    def answers(self) -> int:
        """How many answers it gave to real requests."""
        return self._answers_seen

    def saw_answer(self) -> None:
        """Tell that the process just answered something: a busy engine that misses health probes is not hung."""
        self._answers_seen += 1

    async def start(self) -> None:
        """Begin to start the process; returns at once. Does nothing while it is being kept alive."""
        if self._task is None or self._task.done():
            self._settled.clear()
            self._backoff = Backoff()
            self._became(Event.STARTED, getting_ready(Stage.STARTING))
            self._task = asyncio.create_task(self._keep_alive(), name=f"supervise {self._launch.name}")

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it answers; False where it gave up or time is over."""
        if not self._settled.is_set():  # Each request comes by here, and `wait_for` costs a task.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), timeout_s)
        # One that drains still works for whoever was let in before.
        return self._readiness.takes_work or self._readiness is Readiness.DRAINING

    async def stop(self, grace_s: float = TERM_S) -> None:
        """End the process: SIGTERM, then SIGKILL after the grace. Drain before; answers under way are cut."""
        await self._put_down(grace_s)
        self._event(Event.STOPPED, Stage.DOWN, STOPPED)

    async def unload(self, grace_s: float = TERM_S) -> None:
        """End the process as `stop` does, to be started again when somebody asks."""
        self._became(Event.YIELDED, sentence(Event.YIELDED, Stage.FINISHING))  # it takes no work while it ends
        await self._put_down(grace_s)
        self._event(Event.UNLOADED, Stage.UNLOADED)

    def wait_for_somebody(self) -> None:
        """Before the first start: the first request loads it. Tells nobody, for nothing happened."""
        self._became(Event.UNLOADED, sentence(Event.UNLOADED, Stage.UNLOADED))

    async def settled(self) -> None:
        """Wait until it takes work, or will not without help."""
        await self._settled.wait()

    def finish(self) -> None:
        """Say that it finishes what it has and takes nothing new."""
        self._event(Event.YIELDED, Stage.FINISHING)

    async def sleep(self) -> bool:
        """Put it to sleep; false where it has no such way or would not, and then it is as before."""
        probe, controls = self._probe, self._launch.controls
        if probe is None or controls is None or not await probe.command(controls.sleep_path, controls.timeout_s):
            return False
        self._event(Event.SLEPT, Stage.ASLEEP)
        return True

    async def wake(self) -> bool:
        """Wake a sleeper; it takes work once it answers the canary as it did before. False: it is started anew."""
        probe, controls = self._probe, self._launch.controls
        if probe is None or controls is None:
            return False
        self._began = self._clock()
        self._event(Event.WOKE, Stage.WAKING)
        if await probe.command(controls.wake_path, controls.timeout_s) and await probe.says_again(self._canary):
            self._event(Event.ANSWERED, Stage.READY)
            return True
        self._last_words_of_wake = WOKE_WRONG
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)  # Its exit starts it again.
        return False

    async def _put_down(self, grace_s: float) -> None:
        task, self._task = self._task, None
        if task is not None:
            # The watcher would take the coming exit for a crash.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._end(grace_s)

    async def _keep_alive(self) -> None:
        while True:
            try:
                why = await self._one_life()
            except FleetError as exc:
                self._event(Event.GAVE_UP, Stage.DOWN, exc.message)
                return
            except OSError:
                self._event(Event.GAVE_UP, Stage.DOWN, NO_PROGRAM)
                return
            delay_s = self._backoff.delay_s(self._clock(), ready_since=self._ready_since, jitter=self._jitter())
            if delay_s is None:
                self._event(Event.GAVE_UP, Stage.DOWN, self._last_words(why))
                return
            self._event(Event.EXITED, Stage.WAITING, why)
            await self._sleep(delay_s)

    async def _one_life(self) -> str:
        """Run the process until it must be started again; returns the sentence that says why."""
        self._began, self._ready_since = self._clock(), None
        if self._launch.check is not None:
            self._event(Event.STARTED, Stage.CHECKING)
            await asyncio.to_thread(self._launch.check)
        self._event(Event.STARTED, Stage.STARTING)
        process = await self._spawn()
        exit_, serve = asyncio.create_task(process.wait()), asyncio.create_task(self._serve(process))
        try:
            done, _ = await asyncio.wait({exit_, serve}, return_when=asyncio.FIRST_COMPLETED)
            if exit_ in done:
                words, self._last_words_of_wake = self._last_words_of_wake, ""
                return words or await self._why_it_ended(exit_.result())
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
            stdout=PIPE if launch.causes or launch.tells_port else DEVNULL,
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
        self._event(Event.STARTED, Stage.LOADING)
        url = await self._learn_url(process)
        if url is None:
            return TOO_SLOW
        probe = Probe(self._launch, url)
        try:
            if not await self._until(probe.healthy):
                return TOO_SLOW
            self._event(Event.HEALTHY, Stage.WARMING)
            if not await self._until(probe.answers):
                return TOO_SLOW
            if self.can_sleep:
                self._canary = await probe.canary()
            self._log.stop()
            self._url, self._ready_since, self._probe = url, self._clock(), probe
            self._event(Event.ANSWERED, Stage.READY)
            await self._watch(probe).until_dead()
            return HUNG
        finally:
            self._probe = None
            await probe.aclose()

    def _watch(self, probe: Probe) -> Watch:
        return Watch(
            probe,
            clock=self._clock,
            sleep=self._sleep,
            answers=lambda: self._answers_seen,
            quiet=lambda: self._readiness in QUIET,
            tell=lambda event: self._event(event, STAGES[event]),
        )

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
        process = self._process
        if process is None:
            return
        self._url = None
        try:
            if grace_s > 0 and process.returncode is None:
                _signal_group(process.pid, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), grace_s)
        finally:
            # Also after a clean exit, for its children; also where nobody waits for the end any more.
            _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        self._process = None  # Only now: who is cut off above leaves the reaping to whoever stops it next.
        if process.stdin is not None:
            process.stdin.close()
        drain, self._drain = self._drain, None
        if drain is not None:
            with contextlib.suppress(TimeoutError):  # something outside the group may hold the other end
                await asyncio.wait_for(drain, LAST_LINES_S)
        await self._clear_socket()

    def _event(self, event: Event, stage: Stage, why: str = "") -> None:
        """Something happened: take the state that follows, wake who waits for it, tell the terminal."""
        self._became(event, why or sentence(event, stage))
        self._on_change(
            Progress(name=self._launch.name, stage=stage, seconds=self._clock() - self._began, why=why),
        )

    def _became(self, event: Event, why: str) -> None:
        self._readiness, self._why = after(self._readiness, event), why
        if self._readiness in SETTLED:
            self._settled.set()
        else:
            self._settled.clear()


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process and its children; it leads its own group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
