"""Builds everything from settings, once, and again at each reload. Knows every class; nothing here decides."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from localfleet.assemble.batches import build_batches
from localfleet.assemble.ground import Ground, SystemClock
from localfleet.assemble.heads import build_keeper
from localfleet.assemble.people import build_tickets
from localfleet.assemble.reload import Reloader
from localfleet.assemble.spans import build_exporter
from localfleet.assemble.tier import moment
from localfleet.assemble.world import build_world
from localfleet.batches.runner import Runner
from localfleet.books import BookReader, Seeds
from localfleet.catalogue import Checked
from localfleet.core.budget import Purses
from localfleet.core.feedback import Feedback
from localfleet.core.fleet import Fleet
from localfleet.core.residency import Room
from localfleet.engines.learned import Learned
from localfleet.engines.litellm_sdk import load_litellm
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.errors import LedgerClosed
from localfleet.gpus.nvml import Nvml
from localfleet.gpus.watch import GpuWatch
from localfleet.keeping import FeatureFile
from localfleet.server.app import Front, build_app
from localfleet.server.data_plane import Porch
from localfleet.server.metrics import Metrics
from localfleet.server.recall import Recall
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.ratings import ratings
from localfleet.storage.secret import derive, load_secret
from localfleet.storage.tallies import tallies
from localfleet.witness.keeper import Keeper

__all__ = ["House", "assemble"]

SOW_AT_START_S = 2.0
RATINGS_S = 90 * 86_400
"""How far back ratings of answers count for the alarm on quality."""
LAST_SPANS_S = 5.0
"""A collector that is slow keeps no router from ending."""
TIMES_FILE = "engine_times.json"


@dataclass(slots=True, kw_only=True)
class House:
    """Everything that was built, and how to start and end it."""

    ground: Ground
    reloader: Reloader
    gpus: GpuWatch
    heads: Keeper
    batches: Runner | None = None
    admin_token: str = field(repr=False)
    app: Callable[..., Any]

    @property
    def ledger(self) -> SqliteLedger:
        """The books."""
        return self.ground.ledger

    @property
    def draining(self) -> bool:
        """Whether new requests are refused."""
        return self.ground.traffic.draining

    def drain(self) -> None:
        """Take no new requests, and no new `models.yaml`."""
        self.ground.traffic.draining = True

    def watch(self, begun: Sized) -> None:
        """Look at the server's tasks, to know which requests come together."""
        self.ground.traffic.begun = begun

    def fleet(self) -> Fleet:
        """All models with their states, now."""
        return self.reloader.fleet()

    async def start(self) -> None:
        """Read what budgets have spent, two seconds long at most, and begin to load the local models."""
        self.gpus.start()
        self.heads.begin()
        if self.ground.exporter is not None:
            self.ground.exporter.start()
        sowing = self.reloader.spawn(self.reloader.keep_sowing())
        if self.ledger.health.ok:
            # So that the first callers do not find the hosted doors shut. A disk that is away is not waited for.
            await asyncio.wait({sowing}, timeout=SOW_AT_START_S)
        if self.reloader.world.needs_litellm:
            # Its import takes seconds: not within the deadline of the first request that needs it.
            self.reloader.spawn(asyncio.to_thread(load_litellm))
        self.reloader.spawn(self._recall_ratings())
        await self.ground.residents.start()
        if self.batches is not None:
            self.reloader.spawn(self.batches.run())

    async def _recall_ratings(self) -> None:
        """What was said of answers before this start, so that a fall is seen against it."""
        now = self.ground.clock.now()
        with suppress(LedgerClosed):
            for one in await asyncio.to_thread(ratings, self.ground.home, since=now - RATINGS_S, until=now):
                self.ground.metrics.drift.see((one.tier, one.by), one.quality)
            for said in await asyncio.to_thread(tallies, self.ground.home, since=now - RATINGS_S, until=now):
                self.ground.tracks.outcomes.see((said.model, said.task or ""), said.total, said.count)

    async def stop(self) -> bool:
        """End the engines, then close the books; whether every record is on disk."""
        await self.reloader.stop()
        await self.ground.residents.stop()
        await asyncio.to_thread(self.gpus.stop)
        self.ground.reader.close()
        await asyncio.to_thread(self.ground.features.close)
        await asyncio.to_thread(self.heads.stand_aside)
        closed = await asyncio.to_thread(self.ledger.close)
        await asyncio.to_thread(self.heads.end)
        if self.ground.exporter is not None:
            self.ground.exporter.close()
            await asyncio.to_thread(self.ground.exporter.join, LAST_SPANS_S)
        return closed


def assemble(
    checked: Checked,
    *,
    home: Path,
    env: Mapping[str, str],
    start_engines: bool,
    read_again: Callable[[], Checked],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> House:
    """
    Build the house. With `start_engines` false (`serve`) models that need a process of ours stay down.

    `read_again` gives the file as it is at a reload, with all checks; it may block, and raises `ConfigError`.
    """
    ground = _ground(checked, home=home, env=env, start_engines=start_engines, on_progress=on_progress)
    world = build_world(checked, ground, {})
    ground.residents.room = world.room
    for tenant in world.tenants.values():
        ground.residents.add(tenant)
    reloader = Reloader(ground=ground, porch=Porch(world.plane), world=world, read=read_again)
    gpus = GpuWatch(read=Nvml().read, home=home, monotonic=ground.clock.monotonic, now=ground.clock.now)
    admin_token = secrets.token_urlsafe(24)
    heads = build_keeper(checked.settings.audit, home, load_secret(home))
    front = Front(
        fleet=reloader.fleet,
        settings=reloader.holds,
        reload=reloader.reload,
        books=BookReader(home=home, ledger=ground.ledger),
        metrics=ground.metrics,
        gpus=gpus.view,
        heads=heads.states,
        feedback=partial(_heard, ground),
        tickets=ground.tickets,
        admin_token=admin_token,
        now=ground.clock.now,
        console=files("localfleet.server").joinpath("console.html").read_bytes(),
    )
    batches = build_batches(checked.settings.batches, home, env, reloader.porch)
    app = build_app(reloader.porch, front, None if batches is None else batches[0])
    return House(
        ground=ground,
        reloader=reloader,
        gpus=gpus,
        heads=heads,
        batches=None if batches is None else batches[1],
        admin_token=admin_token,
        app=app,
    )


def _heard(ground: Ground, said: Feedback) -> None:
    ground.ledger.note_feedback(said)
    ground.metrics.count_feedback(said)
    ground.tracks.outcomes.hear(said)


def _ground(
    checked: Checked,
    *,
    home: Path,
    env: Mapping[str, str],
    start_engines: bool,
    on_progress: Callable[[Progress], None],
) -> Ground:
    clock, secret = SystemClock(), load_secret(home)
    ledger = SqliteLedger(home, clock=clock, remember_days=checked.settings.privacy.remember_days)
    exporter, metrics = build_exporter(checked.settings.traces, env), Metrics()
    if exporter is not None:
        metrics.spans = exporter.counts
    return Ground(
        home=home,
        env=env,
        clock=clock,
        ledger=ledger,
        print_key=derive(secret, "conversations"),
        documents_key=derive(secret, "documents"),
        seeds=Seeds(home=home, ledger=ledger, purses=Purses(), now=clock.now),
        residents=Residents(
            room=Room(gib={}),
            clock=time.monotonic,
            moment=moment,
            learned=Learned(home / TIMES_FILE),
            on_state=lambda name, state: ledger.note_state(name, state, at=clock.now()),
        ),
        recall=Recall(now=clock.monotonic),
        start_engines=start_engines,
        on_progress=on_progress,
        features=FeatureFile(home),
        metrics=metrics,
        exporter=exporter,
        tickets=build_tickets(checked.settings.people, home, env),
    )
