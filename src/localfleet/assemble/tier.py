"""Builds entries of `local:`: the engine behind its line, and a tenant where there is a process to keep."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from localfleet.assemble.entry import Entry
from localfleet.assemble.memory import settle
from localfleet.catalogue import secret_of
from localfleet.config import LocalModel
from localfleet.core.ask import WORDLESS, Api
from localfleet.core.fit import GgufShape
from localfleet.core.fleet import EngineState
from localfleet.engines.admission import Admission
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.in_line import Guarded, InLine
from localfleet.engines.launch import Launch
from localfleet.engines.llamacpp_job import LlamaJob, launch_llamacpp
from localfleet.engines.local import SupervisedEngine
from localfleet.engines.residents import Residents, Tenant
from localfleet.engines.stages import Progress
from localfleet.engines.supervisor import Supervisor
from localfleet.engines.vllm_launch import launch_vllm
from localfleet.engines.weights import Weights, find_weights, opened_for_tools, verify
from localfleet.errors import ConfigError, ShapeUnknown
from localfleet.local_tier import chosen_engine, vllm_fields, vllm_job
from localfleet.ports import Call, Engine
from localfleet.shapes import gguf_shape

__all__ = ["LocalTier", "moment"]

SPOKEN = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING, Api.RERANK})

Prepare = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Impose = Callable[[Call, Api], Mapping[str, Any]]


class Bounds(TypedDict):
    """What an `Admission` holds to."""

    limit: int
    slots: int
    tokens: int | None
    batch_turn_s: float


def moment() -> tuple[int, int]:
    """The weekday and the minute of the day, where the box is."""
    now = datetime.now().astimezone()
    return now.weekday(), now.hour * 60 + now.minute


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTier:
    """
    With `start` false (`serve`) nothing is looked for on this machine, and models with a process stay down.

    `sizes` is the whole memory of each GPU. Nothing built here is known to `residents` before somebody says so.
    """

    env: Mapping[str, str]
    home: Path
    start: bool
    on_progress: Callable[[Progress], None]
    client: HttpClient
    residents: Residents
    sizes: Mapping[str, Decimal]
    batch_turn_s: float

    def build(self, name: str, model: LocalModel) -> Entry:
        """One entry; vLLM's adapters are models of their own on one process. Raises `ConfigError`."""
        match chosen_engine(model):
            case "endpoint":
                assert model.url is not None
                key, door = secret_of(model, self.env), self._admission(model)
                http = self._http(name, model.model or name, url=model.url, key=key, model=model)
                return Entry(model=model, secret=key, engines={name: self._in_line(http, door)}, door=door)
            case "vllm":
                return self._vllm(name, model)
            case "llamacpp":
                return self._llamacpp(name, model)

    def adjust(self, entry: Entry) -> None:
        """Tell a running entry what its model says now of its line and its life."""
        assert isinstance(entry.model, LocalModel)
        if entry.door is not None:
            entry.door.adjust(**self._bounds(entry.model))
        if entry.tenant is not None:
            settle(entry.tenant, entry.model, self.sizes, entry.weights_bytes)

    def _vllm(self, name: str, model: LocalModel) -> Entry:
        job = vllm_job(name, model, env=self.env, home=self.home, resolve=self.start)
        return self._supervised(launch_vllm(job, self.env), model, names=(name, *model.lora), impose=vllm_fields(model))

    def _llamacpp(self, name: str, model: LocalModel) -> Entry:
        assert model.weights is not None
        weights = _found(name, model.weights)
        wordless = not model.apis.isdisjoint(WORDLESS)
        shape = _shape(weights.path) if wordless else None
        ranks = shape is not None and shape.ranks
        job = LlamaJob(
            model_path=str(weights.path),
            alias=name,
            api_key=secrets.token_urlsafe(24),
            context_tokens=model.context_tokens,
            parallel=model.slots,
            threads=model.threads,
            chat_template=weights.chat_template,
            temperature=weights.temperature,
            top_p=weights.top_p,
            vectors=wordless and not ranks,
            words=not model.apis <= WORDLESS,
            mean=shape is not None and not shape.pools,
            ranks=ranks,
        )
        launch = launch_llamacpp(job, self.env, check=partial(verify, weights))
        return self._supervised(
            launch,
            model,
            weights_bytes=weights.path.stat().st_size,
            prepare=partial(opened_for_tools, weights),
            speaks=SPOKEN if ranks else SPOKEN - {Api.RERANK},
        )

    def _supervised(
        self,
        launch: Launch,
        model: LocalModel,
        *,
        names: tuple[str, ...] | None = None,
        weights_bytes: int | None = None,
        prepare: Prepare | None = None,
        impose: Impose | None = None,
        speaks: frozenset[Api] = SPOKEN,
    ) -> Entry:
        """One process with one line before it, and an engine for each name that it answers to."""
        door, key = self._admission(model, shut=True), f"{launch.name} {secrets.token_hex(4)}"
        supervisor = Supervisor(
            launch,
            clock=time.monotonic,
            sleep=asyncio.sleep,
            jitter=random.random,
            on_change=partial(self._changed, key),
        )
        tenant, state = None, supervisor.state
        if self.start:
            tenant = Tenant(name=launch.name, supervisor=supervisor, door=door, key=key)
            settle(tenant, model, self.sizes, weights_bytes)
            state = partial(self.residents.state, tenant)
        else:
            door.dismiss()

        def served(upstream: str) -> Engine:
            def connect(url: str) -> HttpEngine:
                return self._http(
                    upstream,
                    upstream,
                    url=f"{url}/v1",
                    key=supervisor.api_key,
                    model=model,
                    readiness=state,
                    prepare=prepare,
                    impose=impose,
                    speaks=speaks,
                )

            return self._in_line(SupervisedEngine(supervisor=supervisor, seen=state, connect=connect), door)

        engines = {upstream: served(upstream) for upstream in names or (launch.name,)}
        return Entry(model=model, secret=None, engines=engines, door=door, tenant=tenant, weights_bytes=weights_bytes)

    def _changed(self, key: str, progress: Progress) -> None:
        self.residents.progressed(progress, key)
        self.on_progress(progress)

    def _admission(self, model: LocalModel, *, shut: bool = False) -> Admission:
        return Admission(**self._bounds(model), shut=shut, on_line=self.residents.kick if shut else None)

    def _bounds(self, model: LocalModel) -> Bounds:
        return Bounds(limit=model.limit, slots=model.slots, tokens=model.queue_tokens, batch_turn_s=self.batch_turn_s)

    @staticmethod
    def _in_line(engine: Guarded, admission: Admission) -> InLine:
        return InLine(engine=engine, admission=admission, jitter=random.random)

    def _http(
        self,
        name: str,
        upstream: str,
        *,
        url: str,
        key: str | None,
        model: LocalModel,
        readiness: Callable[[], EngineState] | None = None,
        prepare: Prepare | None = None,
        impose: Impose | None = None,
        speaks: frozenset[Api] = SPOKEN,
    ) -> HttpEngine:
        return HttpEngine(
            name=name,
            upstream_model=upstream,
            base_url=url,
            key=None if key is None else Secret(key),
            dialect="openai",
            speaks=speaks,
            hosted=False,
            client=self.client,
            readiness=readiness,
            timeout_s=model.timeout_s,
            store_false=False,
            prepare=prepare,
            impose=impose,
        )


def _shape(path: Path) -> GgufShape | None:
    """What the file says of itself; `None` for a family that is not known here."""
    try:
        return gguf_shape(path)
    except ShapeUnknown:
        return None


def _found(name: str, wanted: str) -> Weights:
    """The weights of one model; raises `ConfigError` that names the model."""
    try:
        return find_weights(wanted)
    except ConfigError as exc:
        problems = tuple((line, f"local.{name}.weights", text) for line, _, text in exc.problems)
        raise ConfigError(exc.file, problems) from None
