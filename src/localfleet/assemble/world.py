"""
One `models.yaml`, built: all that one request may see. A reload builds the next world and puts it in place of this one.

Nothing here starts, stops or changes what runs; `reload.py` does.
"""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial

from localfleet.assemble.engines import Engines, Place
from localfleet.assemble.entry import Entry
from localfleet.assemble.ground import Ground
from localfleet.assemble.memory import gpu_sizes, room_of
from localfleet.assemble.spans import providers_of
from localfleet.assemble.tier import LocalTier
from localfleet.catalogue import Checked, anyone, build_models, build_policy, planned, read_bid
from localfleet.config import Settings
from localfleet.config.hosted import HostedModel
from localfleet.core.ask import Api, Caller
from localfleet.core.fleet import Fleet
from localfleet.core.label import Label
from localfleet.core.receipt import Receipt
from localfleet.core.residency import Room
from localfleet.core.retry_budget import RetryBudget
from localfleet.core.routing.bid import bid_usd
from localfleet.core.routing.lens import engine_of, engine_print
from localfleet.core.routing.table import Table
from localfleet.documents import read_documents
from localfleet.engines.residents import Tenant
from localfleet.experiments import read_states
from localfleet.gateway import Gateway
from localfleet.keeping import Keeper
from localfleet.machine import look
from localfleet.people.last_door import LastDoor
from localfleet.ports import Clock, Engine
from localfleet.providers import dialect_of
from localfleet.readers.embedder import the_embedder
from localfleet.readers.load import load_meaning
from localfleet.redacting import Redactor
from localfleet.rulebook import build_reading, field_names, layers_ever
from localfleet.server.auth import Doorkeeper
from localfleet.server.data_plane import DataPlane
from localfleet.steering import Embeds, EngineEmbeds, Grades, Steering
from localfleet.strategies import build_caps, build_finder, build_table, threshold_of
from localfleet.telling import Told
from localfleet.visit import Visit
from localfleet.wire.read import Letter
from localfleet.workflows import build_actions

__all__ = ["World", "build_world"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """Built from one file; its engines may be those of the world before. `since` is Unix time."""

    checked: Checked
    since: float
    entries: Mapping[Place, Entry]
    tier: LocalTier
    room: Room
    plane: DataPlane

    @property
    def settings(self) -> Settings:
        """The file, checked."""
        return self.checked.settings

    @property
    def gateway(self) -> Gateway:
        """The way of its requests."""
        return self.plane.gateway

    @property
    def tenants(self) -> dict[str, Tenant]:
        """What has a process of ours, by entry."""
        return {name: entry.tenant for (_, name), entry in self.entries.items() if entry.tenant is not None}

    @property
    def tiers(self) -> frozenset[str]:
        """Every hosted tier."""
        return self.settings.hosted_tiers

    @property
    def shadows(self) -> frozenset[str]:
        """Every experiment that mirrors."""
        by_task = {} if self.plane.actions is None else self.plane.actions.shadows.by_task
        return frozenset(one.name for ones in by_task.values() for one in ones)

    @property
    def needs_litellm(self) -> bool:
        """Whether a hosted model is spoken to through it; one of Anthropic's that serves Messages alone is not."""
        return any(_through_litellm(model) for model in self.settings.hosted.values())

    def fleet(self) -> Fleet:
        """All models with their states, now."""
        gateway = self.gateway
        return Fleet(
            models=tuple(gateway.models.values()),
            states={name: engine.state() for name, engine in gateway.engines.items()},
            ledger_open=gateway.seeded and gateway.ledger.health.ok,
        )


def _through_litellm(model: HostedModel) -> bool:
    dialect = dialect_of(model.provider)
    return dialect == "litellm" or (dialect == "anthropic" and model.apis != frozenset({Api.MESSAGES}))


def build_world(checked: Checked, ground: Ground, before: Mapping[Place, Entry]) -> World:
    """Build what `checked` asks for, with the entries of `before` that serve it. Raises `ConfigError`; blocks."""
    settings = checked.settings
    sizes: Mapping[str, Decimal] = gpu_sizes(settings, lambda: look(ground.env)) if ground.start_engines else {}
    tier = LocalTier(
        env=ground.env,
        home=ground.home,
        start=ground.start_engines,
        on_progress=ground.on_progress,
        client=ground.client,
        residents=ground.residents,
        sizes=sizes,
        batch_turn_s=settings.routing.batch_turn_s,
    )
    entries = Engines(env=ground.env, client=ground.client, tier=tier).build(settings, before)
    engines = {name: engine for entry in entries.values() for name, engine in entry.engines.items()}
    return World(
        checked=checked,
        since=ground.clock.now(),
        entries=entries,
        tier=tier,
        room=room_of(settings, sizes),
        plane=_plane(settings, ground, _gateway(checked, ground, engines)),
    )


def _gateway(checked: Checked, ground: Ground, engines: Mapping[str, Engine]) -> Gateway:
    settings = checked.settings
    models = build_models(settings, checked.prices, datetime.now(UTC).date())
    reading = build_reading(settings, load_meaning(), read_documents(ground.home, ground.documents_key))
    table = build_table(settings)
    ground.metrics.alarm.most = settings.limits.escalation_alarm
    ground.metrics.drift.most = settings.limits.quality_drift
    ground.metrics.before.overhead.budget(settings.routing.overhead_ms)
    return Gateway(
        models={model.name: model for model in models},
        engines=engines,
        ledger=ground.ledger,
        policy=build_policy(settings, table),
        caps=build_caps(settings, ground.tracks.shares),
        steering=None if table is None else _steering(settings, ground, table, engines),
        rules=reading.full,
        reading=reading if reading.plans or reading.tasks or reading.output else None,
        redactor=_redactor(settings, ground),
        names=ground.reader.get() if "names" in layers_ever(settings) else None,
        clock=ground.clock,
        print_key=ground.print_key,
        purses=ground.seeds.purses,
        usd_per_day=dict(settings.limits.usd_per_day),
        detector_budget_s=settings.privacy.detector_budget_ms / 1000,
        jitter=random.random,
        tell=_told(settings, ground, table).hear,
        retries=RetryBudget(settings.routing.retry_share),
        traffic=ground.traffic,
        seeded=False,
    )


def _told(settings: Settings, ground: Ground, table: Table | None) -> Told:
    listeners: list[Callable[[Receipt], None]] = [ground.metrics.count, ground.spend_tokens]
    if table is not None:
        listeners.append(ground.tracks.watch)
    if ground.exporter is not None:
        listeners.append(partial(ground.exporter.take, providers=providers_of(settings)))
    return Told(listeners)


def _steering(settings: Settings, ground: Ground, table: Table, engines: Mapping[str, Engine]) -> Steering:
    shape = settings.routing.difficulty
    grade = None if shape is None else shape.grade
    return Steering(
        table=table,
        tracks=ground.tracks,
        clock=ground.clock,
        print_key=ground.print_key,
        finder=build_finder(settings),
        grades=None
        if grade is None
        else Grades(model=grade.model, deadline_s=grade.deadline_ms / 1000, engine=engines[grade.model]),
        embeds=_embeds(settings, table, engines),
        overhead=ground.metrics.before.overhead,
        marginal_usd=_turns(settings, engines, ground.clock),
    )


def _embeds(settings: Settings, table: Table, engines: Mapping[str, Engine]) -> Embeds | EngineEmbeds | None:
    """What makes the embeddings that the classifier was trained with; without it the classifier abstains."""
    scored, shape = threshold_of(table), settings.routing.difficulty
    if scored is None or scored.scorer.lens is None or shape is None or shape.classifier is None:
        return None
    lens, deadline_s = scored.scorer.lens, shape.classifier.deadline_ms / 1000
    if (name := engine_of(lens.folder)) is not None:
        own = settings.local.get(name)
        if own is None or Api.EMBEDDING not in own.apis or engine_print(own.model or own.weights or name) != lens.print:
            _log.warning("classifier abstains: local.%s is not the model of embeddings that it was trained with", name)
            return None
        return EngineEmbeds(model=name, engine=engines[name], deadline_s=deadline_s)
    try:
        model = the_embedder(lens)
    except ValueError as exc:
        _log.warning("classifier abstains: %s", exc)
        return None
    return Embeds(of=model.of, deadline_s=deadline_s)


def _turns(settings: Settings, engines: Mapping[str, Engine], clock: Clock) -> Callable[[], Mapping[str, Decimal]]:
    """What a turn at the local model of the price file is worth, by the hour and its line when asked."""
    file = settings.routing.marginal_prices
    if file is None:
        return dict
    bid = read_bid(file)
    engine = engines[bid.model]
    return lambda: {bid.model: bid_usd(bid, engine.state(), clock.now())}


def _last_door(settings: Settings, ground: Ground) -> LastDoor | None:
    tasks = frozenset(name for name, task in settings.tasks.items() if task.person)
    return LastDoor(tickets=ground.tickets, tasks=tasks) if tasks else None


def _keeper(settings: Settings, ground: Ground) -> Callable[[Letter, Visit], None] | None:
    """Keeps features up to a label, where the file asks for it."""
    routing = settings.routing
    if routing.keep_features is False:
        return None
    upto = Label.RESTRICTED if routing.keep_features == "restricted" else Label.INTERNAL
    return Keeper(file=ground.features, upto=upto, most_bytes=routing.keep_features_mib * 2**20).keep


def _redactor(settings: Settings, ground: Ground) -> Redactor | None:
    if settings.privacy.on_restricted != "redact":
        return None
    return Redactor(key=ground.print_key, sessions=ground.sessions)


def _plane(settings: Settings, ground: Ground, gateway: Gateway) -> DataPlane:
    keys = ground.ledger.keys

    @lru_cache(maxsize=10_000)
    def with_plan(caller: Caller) -> Caller:
        return planned(caller, settings)

    def lookup(token: str) -> Caller | None:
        caller = keys.lookup(token)
        return None if caller is None else with_plan(caller)

    def by_id(key_id: str) -> Caller | None:
        caller = keys.by_id(key_id)
        return None if caller is None else with_plan(caller)

    doorkeeper = Doorkeeper(
        lookup=lookup,
        by_id=by_id,
        has_keys=lambda: not keys.empty,
        anyone=anyone(settings),
        monotonic=ground.clock.monotonic,
        buckets=ground.buckets,
        token_buckets=ground.token_buckets,
    )
    timeouts = {name: model.timeout_s for name, model in (settings.local | settings.adapters).items()}
    timeouts |= {name: model.timeout_s for name, model in settings.hosted.items()}
    timeouts |= {name: one.timeout_s for name, one in settings.search.items()}
    return DataPlane(
        last_door=_last_door(settings, ground),
        gateway=gateway,
        actions=build_actions(settings, gateway, read_states(ground.home), ground.seeds.hours),
        doorkeeper=doorkeeper,
        recall=ground.recall,
        body_bytes=settings.limits.body_mib * 2**20,
        in_flight_limit=settings.limits.in_flight,
        fields=field_names(settings),
        tasks=frozenset(settings.tasks),
        aliases=settings.aliases,
        timeouts=timeouts,
        keep=_keeper(settings, ground),
        refused=ground.metrics.count_refused,
        traffic=ground.traffic,
    )
