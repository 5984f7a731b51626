"""
From one `models.yaml` to the next without a restart: read and check, build, swap, let the old one go.

Up to the swap nothing that runs is touched, so any problem leaves all as it was. The swap is one step of the event
loop: a request that came before it ends in the old world, one that comes after it begins in the new one. What the new
world does not know lives until its last request is done, then it is closed.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from localfleet.assemble.ground import Ground
from localfleet.assemble.world import World, build_world
from localfleet.catalogue import Checked
from localfleet.config import differences
from localfleet.core.changes import Changes
from localfleet.core.fleet import Fleet
from localfleet.engines.litellm_sdk import load_litellm
from localfleet.engines.residents import Tenant
from localfleet.errors import ConfigError, LedgerClosed, ReloadRefused
from localfleet.server.data_plane import DataPlane, Porch

__all__ = ["LET_GO_S", "Reloader"]

LET_GO_S = 30.0
"""What is under way at an engine that the file no longer names may take so long to end, as at the end of the router."""
LOOK_S = 0.25
SOW_AGAIN_S = 1.0
NOT_TAKEN = "models.yaml was not taken: all is as it was"

log = logging.getLogger("localfleet.reload")


@dataclass(slots=True, kw_only=True)
class Reloader:
    """Knows the world that holds. `read` reads and checks the file again; it blocks, and raises `ConfigError`."""

    ground: Ground
    porch: Porch
    world: World
    read: Callable[[], Checked]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _old: list[World] = field(default_factory=list)
    _following: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """By the name of an entry: what lets the process before go, then the next one in."""
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def fleet(self) -> Fleet:
        """All models with their states, now."""
        return self.world.fleet()

    def holds(self) -> dict[str, Any]:
        """Which file holds, by the SHA-256 of its bytes, and since when (Unix time)."""
        return {"sha256": self.world.checked.sha256, "since": self.world.since}

    async def reload(self) -> dict[str, Any]:
        """What changed; raises `ConfigError` or `ReloadRefused`, and then nothing did. One after the other."""
        async with self._turn:
            self._refuse_while_draining()
            try:
                checked = await asyncio.to_thread(self.read)
                world = await asyncio.to_thread(build_world, checked, self.ground, self.world.entries)
            except ConfigError as exc:
                _tell_problems(exc)
                raise
            except (OSError, ValueError):
                raise _refused("A file that models.yaml names changed while it was read; try again.") from None
            await self._sow(world)
            self._refuse_while_draining()
            return self._swap(world)

    async def keep_sowing(self) -> None:
        """Until the ledger could be read no hosted door is open: a budget must not forget what was spent before."""
        while not self.world.gateway.seeded:
            if not await self._sow(self.world):
                await asyncio.sleep(SOW_AGAIN_S)

    async def stop(self) -> None:
        """Let nothing more come or go."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for world in (self.world, *self._old):
            await world.plane.stop()
            await asyncio.gather(*(engine.aclose() for engine in world.gateway.engines.values()))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Work that ends by itself, or with `stop`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _refuse_while_draining(self) -> None:
        if self.ground.traffic.draining:
            raise _refused("This router drains and ends; the next one reads models.yaml when it starts.")

    async def _sow(self, world: World) -> bool:
        try:
            await self.ground.seeds.sow(world.tiers, world.gateway.caps, world.shadows)
        except LedgerClosed:
            return False
        world.gateway.seeded = True
        return True

    def _swap(self, new: World) -> dict[str, Any]:
        """One step of the event loop: no other task sees half of it."""
        old = self.world
        changes = differences(old.settings, new.settings)
        self.world, self.porch.plane = new, new.plane
        self._old.append(old)
        self.ground.residents.room = new.room
        for entry in new.entries.values():
            if entry.door is not None:
                new.tier.adjust(entry)
        ends, starts = _moves(old, new)
        for name in ends.keys() | starts.keys():
            self._follow(name, ends.get(name), starts.get(name))
        self.spawn(self._close(old))
        if not new.gateway.seeded:
            self.spawn(self.keep_sowing())
        if new.needs_litellm and not old.needs_litellm:
            self.spawn(asyncio.to_thread(load_litellm))
        return self._told(old, changes, ends=sorted(ends), starts=sorted(starts))

    def _follow(self, name: str, ends: Tenant | None, starts: Tenant | None) -> None:
        """Two processes of one name are never there at the same time: memory may not hold both."""
        planes = tuple(world.plane for world in self._old)
        if starts is not None:
            starts.supervisor.wait_for_somebody()
        self._following[name] = self.spawn(self._succeed(self._following.get(name), ends, starts, planes))

    async def _succeed(
        self,
        before: asyncio.Task[None] | None,
        ends: Tenant | None,
        starts: Tenant | None,
        planes: tuple[DataPlane, ...],
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        if ends is not None:
            await self.ground.residents.retire(
                ends, awaited=lambda: any(plane.seeking for plane in planes), within_s=LET_GO_S
            )
        if starts is not None:
            self.ground.residents.admit(starts)

    async def _close(self, old: World) -> None:
        """When the last request of the old world is done, close what no other world has."""
        while old.plane.busy:  # noqa: ASYNC110  # no request should have to set an event for this
            await asyncio.sleep(LOOK_S)
        self._old.remove(old)
        alive = {id(engine) for world in (self.world, *self._old) for engine in world.gateway.engines.values()}
        gone = [engine for engine in old.gateway.engines.values() if id(engine) not in alive]
        await asyncio.gather(*(engine.aclose() for engine in gone))

    def _told(self, old: World, changes: Changes, *, ends: list[str], starts: list[str]) -> dict[str, Any]:
        was, now = old.checked.sha256, self.world.checked.sha256
        self.ground.ledger.note_reload(changes, at=self.world.since, was=was, now=now)
        told: dict[str, Any] = {
            "sha256": now,
            "was": was,
            "added": changes.added,
            "removed": changes.removed,
            "changed": changes.changed,
            "privacy": changes.privacy,
            "need_restart": changes.need_restart,
            "ends": ends,
            "starts": starts,
        }
        log.info("models.yaml was read again and holds from here on", extra=told)
        return told


def _moves(old: World, new: World) -> tuple[dict[str, Tenant], dict[str, Tenant]]:
    """Processes that end, and those that start, each by its entry."""
    before, after = old.tenants, new.tenants
    ends = {name: tenant for name, tenant in before.items() if after.get(name) is not tenant}
    starts = {name: tenant for name, tenant in after.items() if before.get(name) is not tenant}
    return ends, starts


def _refused(why: str) -> ReloadRefused:
    log.error(NOT_TAKEN, extra={"why": why})
    return ReloadRefused(why)


def _tell_problems(error: ConfigError) -> None:
    for line, path, sentence in error.problems:
        fields = {"file": error.file, "line": line, "path": path, "why": sentence}
        log.error(NOT_TAKEN, extra=fields)
