"""Builds everything from settings, once. The only place that knows every class; nothing here decides."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from localfleet.assemble.engines import Engines
from localfleet.books import BookReader, seed_purses
from localfleet.catalogue import anyone, build_models, build_policy, build_rules, field_names, layers_on
from localfleet.config import Settings
from localfleet.core.ask import Caller
from localfleet.core.budget import Purses
from localfleet.core.fleet import Fleet
from localfleet.core.retry_budget import RetryBudget
from localfleet.engines.litellm_sdk import load_litellm
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.errors import LedgerClosed
from localfleet.gateway import Gateway
from localfleet.gpus.nvml import Nvml
from localfleet.gpus.watch import GpuWatch
from localfleet.price_map import PriceMap
from localfleet.providers import dialect_of
from localfleet.readers.aside import Aside
from localfleet.readers.load import load_meaning, load_reader
from localfleet.server.app import Front, build_app
from localfleet.server.auth import Doorkeeper
from localfleet.server.data_plane import DataPlane
from localfleet.server.metrics import Metrics
from localfleet.server.recall import Recall
from localfleet.storage.keys import list_keys
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.secret import derive, load_secret

__all__ = ["House", "SystemClock", "assemble"]

SEED_AGAIN_S = 1.0
SEED_AT_START_S = 2.0


class SystemClock:
    """The real time."""

    def now(self) -> float:
        """Unix time, seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds, for durations."""
        return time.monotonic()


@dataclass(slots=True, kw_only=True)
class House:
    """Everything that was built, and how to start and end it."""

    app: Callable[..., Any]
    plane: DataPlane
    gateway: Gateway
    ledger: SqliteLedger
    residents: Residents
    gpus: GpuWatch
    admin_token: str
    names: Aside | None = None
    needs_litellm: bool = False
    background: list[asyncio.Task[Any]] = field(default_factory=list)

    def fleet(self) -> Fleet:
        """All models with their states, now."""
        return _fleet(self.gateway)

    async def start(self) -> None:
        """Read what budgets have spent, two seconds long at most, and begin to load the local models."""
        self.gpus.start()
        seeding = asyncio.create_task(self._seed_budgets())
        self.background.append(seeding)
        if self.ledger.health.ok:
            # So that the first callers do not find the hosted doors shut. A disk that is away is not waited for.
            await asyncio.wait({seeding}, timeout=SEED_AT_START_S)
        if self.needs_litellm:
            # Its import takes seconds: not within the deadline of the first request that needs it.
            self.background.append(asyncio.create_task(asyncio.to_thread(load_litellm)))
        await self.residents.start()

    async def _seed_budgets(self) -> None:
        """Until this is done no hosted door is open: a budget must not forget because the router restarted."""
        gateway = self.gateway
        while True:
            try:
                keys = [key.id for key in await asyncio.to_thread(list_keys, self.ledger.home)]
                seed_purses(gateway.purses, self.ledger, keys=keys, tiers=gateway.usd_per_day, now=gateway.clock.now())
            except LedgerClosed:
                await asyncio.sleep(SEED_AGAIN_S)
            else:
                gateway.seeded = True
                return

    async def stop(self) -> bool:
        """End the engines, then close the books; whether every record is on disk."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await asyncio.gather(*(engine.aclose() for engine in self.gateway.engines.values()))
        await self.residents.stop()
        await asyncio.to_thread(self.gpus.stop)
        if self.names is not None:
            self.names.close()
        return await asyncio.to_thread(self.ledger.close)


def planned(caller: Caller, settings: Settings) -> Caller:
    """The caller with its plan's limits where the key sets none of its own."""
    plan = settings.plans.get(caller.plan or "")
    if plan is None:
        return caller
    return replace(
        caller,
        models=plan.models if caller.models is None else caller.models,
        usd_per_month=plan.usd_per_month if caller.usd_per_month is None else caller.usd_per_month,
        requests_per_minute=(
            plan.requests_per_minute if caller.requests_per_minute is None else caller.requests_per_minute
        ),
        weight=plan.weight,
    )


def assemble(
    settings: Settings,
    prices: PriceMap,
    *,
    home: Path,
    env: Mapping[str, str],
    start_engines: bool,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> House:
    """Build the house. With `start_engines` false (`serve`) models that need a process of ours stay down."""
    clock = SystemClock()
    secret = load_secret(home)
    ledger = SqliteLedger(home, clock=clock, remember_days=settings.privacy.remember_days)
    builder = Engines(settings=settings, env=env, home=home, start=start_engines, on_progress=on_progress)
    engines = builder.build()
    metrics = Metrics()
    reader = load_reader() if "names" in layers_on(settings) else None
    names = None if reader is None else Aside(reader)
    models = build_models(settings, prices, datetime.now(UTC).date())
    gateway = Gateway(
        models={model.name: model for model in models},
        engines=engines,
        ledger=ledger,
        policy=build_policy(settings),
        rules=build_rules(settings, meaning=load_meaning()),
        names=names,
        clock=clock,
        print_key=derive(secret, "conversations"),
        purses=Purses(),
        usd_per_day=dict(settings.limits.usd_per_day),
        detector_budget_s=settings.privacy.detector_budget_ms / 1000,
        jitter=random.random,
        watchers=(metrics.count,),
        retries=RetryBudget(settings.routing.retry_share),
        seeded=False,
    )
    plane = _plane(settings, gateway, ledger, metrics)
    admin_token = secrets.token_urlsafe(24)
    gpus = GpuWatch(read=Nvml().read, home=home, monotonic=clock.monotonic, now=clock.now)
    front = Front(
        fleet=partial(_fleet, gateway),
        books=BookReader(home=home, ledger=ledger),
        metrics=metrics,
        gpus=gpus.view,
        admin_token=admin_token,
        now=clock.now,
        console=files("localfleet.server").joinpath("console.html").read_bytes(),
    )
    return House(
        app=build_app(plane, front),
        plane=plane,
        gateway=gateway,
        ledger=ledger,
        residents=builder.residents,
        gpus=gpus,
        admin_token=admin_token,
        names=names,
        needs_litellm=any(dialect_of(m.provider) != "openai" for m in settings.hosted.values()),
    )


def _plane(settings: Settings, gateway: Gateway, ledger: SqliteLedger, metrics: Metrics) -> DataPlane:
    @lru_cache(maxsize=10_000)
    def with_plan(caller: Caller) -> Caller:
        return planned(caller, settings)

    def lookup(token: str) -> Caller | None:
        caller = ledger.keys.lookup(token)
        return None if caller is None else with_plan(caller)

    doorkeeper = Doorkeeper(
        lookup=lookup,
        has_keys=lambda: not ledger.keys.empty,
        anyone=anyone(settings),
        monotonic=gateway.clock.monotonic,
    )
    timeouts = {name: model.timeout_s for name, model in (settings.local | settings.adapters).items()}
    timeouts |= {name: model.timeout_s for name, model in settings.hosted.items()}
    return DataPlane(
        gateway=gateway,
        doorkeeper=doorkeeper,
        recall=Recall(now=gateway.clock.monotonic),
        body_bytes=settings.limits.body_mib * 2**20,
        in_flight_limit=settings.limits.in_flight,
        fields=field_names(settings),
        tasks=frozenset(settings.tasks),
        timeouts=timeouts,
        refused=metrics.count_refused,
    )


def _fleet(gateway: Gateway) -> Fleet:
    return Fleet(
        models=tuple(gateway.models.values()),
        states={name: engine.state() for name, engine in gateway.engines.items()},
        ledger_open=gateway.seeded and gateway.ledger.health.ok,
    )
