"""Runs an assembled house: binds, prints what a person needs to know, serves, drains on a signal, ends everything."""

import asyncio
import contextlib
import ctypes
import errno
import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import uvicorn

from localfleet.assemble import House
from localfleet.core.fleet import Fleet
from localfleet.errors import ConfigError, FleetError, ReloadRefused
from localfleet.large_pages import collapse
from localfleet.notify import Herald
from localfleet.server.one_write import OneWrite

__all__ = ["Place", "bind", "serve", "shut_in"]

DRAIN_S = 30
STDIN = 0
PR_SET_DUMPABLE = 4
BACKLOG = 2048
COLLECT_AFTER = (20_000, 20, 20)
TELL_EVERY_S = 0.5
NOBODY = Herald()
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the router listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The base URL for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def bind(place: Place, *, has_keys: bool) -> tuple[socket.socket, Place]:
    """Bind before anything slow starts; refuse a network address without keys. Port 0 takes a free one."""
    if place.host not in LOOPBACK and not has_keys:
        raise FleetError(
            "without keys the router binds to this machine only: run `localfleet keys create NAME` first, "
            "or leave out --host"
        )
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((place.host, place.port))
    except OSError as exc:
        sock.close()
        why = f"cannot bind to {place.host}:{place.port} ({exc.strerror})"
        if exc.errno == errno.EADDRINUSE:
            raise FleetError(f"{why}: is another router running? Try --port {place.port + 1}") from exc
        if exc.errno == errno.EACCES:
            raise FleetError(f"{why}: ports below 1024 are for root; try --port 8080") from exc
        raise FleetError(f"{why}: --host must be an address of this machine, such as 127.0.0.1 or 0.0.0.0") from exc
    return sock, Place(host=place.host, port=sock.getsockname()[1])


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: ours drains first and re-raises nothing."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        """`on_started` is called once, when connections are accepted."""
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def shut_in() -> None:
    """
    Leave no core, and let no program of the same user look into the memory or the environment (law 8).

    The limit alone does not keep crash reporters away that read memory through a pipe. Programs that are started get
    neither: each decides for itself.
    """
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def serve(house: House, sock: socket.socket, on_started: Callable[[], None], herald: Herald = NOBODY) -> bool:
    """
    Serve until SIGINT or SIGTERM, then drain: requests under way finish (at most 30 s), new ones get 503.

    SIGHUP reads `models.yaml` again; it drains where it means that the terminal was closed. `herald` hears when the
    first door opens, of reloads, when the drain begins, and between that the loop turns.
    Returns whether every record reached the disk.
    """
    shut_in()
    server = _Server(_config(house), on_started)
    house.watch(server.server_state.tasks)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        if house.draining:
            server.force_exit = True
        house.drain()
        server.should_exit = True
        herald.stopping("draining: requests under way finish, new ones are refused")

    told = _Told()
    had_terminal = os.isatty(STDIN)

    def hang_up() -> None:
        if had_terminal and not os.isatty(STDIN):
            leave()
        else:
            house.reloader.spawn(_reload(house, told, herald))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    await house.start()
    # What was built at start lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # Beside: it takes a tenth of a second, and the first request need not wait for it.
    threading.Thread(target=collapse, name="localfleet-pages", daemon=True).start()
    # Requests leave next to no cycles behind: looking for some after each 700 new objects costs more than it finds.
    gc.set_threshold(*COLLECT_AFTER)
    telling = asyncio.create_task(_tell(house, server, told, herald))
    await server.serve(sockets=[sock])
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await _cut(server.server_state.tasks)
    return await house.stop()


@dataclass(slots=True)
class _Told:
    """What the service manager was told: once `ready`, always ready."""

    ready: bool = False


async def _reload(house: House, told: _Told, herald: Herald) -> None:
    """Read `models.yaml` again; how it went is in the log."""
    if told.ready:
        herald.reloading("reading models.yaml again", monotonic_us=time.monotonic_ns() // 1000)
    try:
        await house.reloader.reload()
    except (ConfigError, ReloadRefused):
        return  # told by the log, line by line
    finally:
        if told.ready and not house.draining:
            herald.ready(_sentence(house.fleet()))


async def _tell(house: House, server: _Server, told: _Told, herald: Herald) -> None:
    """Keep the service manager informed, until cancelled; nothing to do where there is none."""
    if not herald.listens:
        return
    every_s = min(TELL_EVERY_S, herald.watchdog_s / 2) if herald.watchdog_s else TELL_EVERY_S
    said = ""
    while True:
        fleet = house.fleet()
        sentence = _sentence(fleet)
        if server.started and not house.draining and sentence != said:
            tell = herald.ready if fleet.has_open_door and not told.ready else herald.status
            told.ready, said = told.ready or fleet.has_open_door, sentence
            tell(sentence)
        if herald.watchdog_s:
            herald.alive()
        await asyncio.sleep(every_s)


def _sentence(fleet: Fleet) -> str:
    """How it stands, for `systemctl status`: names from the configuration and words of ours."""
    states = ", ".join(f"{model.name} {fleet.state(model.name).readiness}" for model in fleet.models)
    return f"{'serving' if fleet.has_open_door else 'no door is open yet'}: {states}"


async def _cut(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel what a second signal or the time limit left under way, and wait for its receipts: the books close next."""
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _config(house: House) -> uvicorn.Config:
    return uvicorn.Config(
        house.app,
        interface="asgi3",
        loop="uvloop",
        http=OneWrite,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here believes a forwarded address, and the layer that would costs every request.
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_S,
    )
