"""Builds one engine for each model of the file, and a supervisor for each that needs a process."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from localfleet.catalogue import secret_of
from localfleet.config import HostedModel, LocalModel, Settings
from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState
from localfleet.engines.admission import Admission, follow
from localfleet.engines.by_api import ByApi
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.in_line import Guarded, InLine
from localfleet.engines.litellm_sdk import LitellmEngine
from localfleet.engines.llamacpp_job import LlamaJob, launch_llamacpp
from localfleet.engines.local import SupervisedEngine
from localfleet.engines.supervisor import Progress, Supervisor
from localfleet.engines.weights import Weights, find_weights, opened_for_tools, verify
from localfleet.errors import ConfigError
from localfleet.ports import Engine
from localfleet.providers import BASE_URLS, dialect_of

__all__ = ["Engines"]

COMPATIBLE_SPEAKS = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING})
OPENAI_SPEAKS = COMPATIBLE_SPEAKS | {Api.RESPONSES}


@dataclass(slots=True, kw_only=True)
class Engines:
    """Builds one engine per model, and a supervisor for each that needs a process."""

    settings: Settings
    env: Mapping[str, str]
    start: bool
    on_progress: Callable[[Progress], None]
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    client: HttpClient = field(default_factory=HttpClient)

    def build(self) -> dict[str, Engine]:
        """Every engine by its model's name."""
        local: dict[str, Engine] = {name: self._local(name, model) for name, model in self.settings.local.items()}
        return local | {name: self._hosted(name, model) for name, model in self.settings.hosted.items()}

    def _local(self, name: str, model: LocalModel) -> Engine:
        if model.engine == "vllm":
            sentence = "start vLLM yourself and name it: `engine: endpoint` with its `url:`"
            raise ConfigError("models.yaml", ((None, f"local.{name}.engine", sentence),))
        if model.engine == "endpoint":
            assert model.url is not None
            http = self._http(name, model.model or name, url=model.url, key=secret_of(model, self.env), model=model)
            return self._in_line(http, self._admission(model))
        return self._embedded(name, model)

    def _admission(self, model: LocalModel, *, shut: bool = False) -> Admission:
        return Admission(
            limit=model.limit,
            slots=model.slots,
            tokens=model.queue_tokens,
            batch_turn_s=self.settings.routing.batch_turn_s,
            shut=shut,
        )

    @staticmethod
    def _in_line(engine: Guarded, admission: Admission) -> InLine:
        return InLine(engine=engine, admission=admission, jitter=random.random)

    def _embedded(self, name: str, model: LocalModel) -> Engine:
        assert model.weights is not None
        weights = _found(name, model.weights)
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
        )
        launch = launch_llamacpp(job, self.env, check=partial(verify, weights))
        admission = self._admission(model, shut=True)

        def changed(progress: Progress) -> None:
            follow(admission, supervisor.state().readiness)
            self.on_progress(progress)

        supervisor = Supervisor(
            launch, clock=time.monotonic, sleep=asyncio.sleep, jitter=random.random, on_change=changed
        )
        if self.start:
            self.supervisors[name] = supervisor

        def connect(url: str) -> HttpEngine:
            return self._http(
                name,
                name,
                url=f"{url}/v1",
                key=supervisor.api_key,
                model=model,
                readiness=supervisor.state,
                prepare=partial(opened_for_tools, weights),
            )

        return self._in_line(SupervisedEngine(supervisor=supervisor, connect=connect), admission)

    def _http(
        self,
        name: str,
        upstream: str,
        *,
        url: str,
        key: str | None,
        model: LocalModel,
        readiness: Callable[[], EngineState] | None = None,
        prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> HttpEngine:
        return HttpEngine(
            name=name,
            upstream_model=upstream,
            base_url=url,
            key=None if key is None else Secret(key),
            dialect="openai",
            speaks=frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING}),
            hosted=False,
            client=self.client,
            readiness=readiness,
            timeout_s=model.timeout_s,
            store_false=False,
            prepare=prepare,
        )

    def _hosted(self, name: str, model: HostedModel) -> Engine:
        dialect = dialect_of(model.provider)
        if dialect == "openai":
            return self._direct(
                name, model, dialect, OPENAI_SPEAKS if model.provider == "openai" else COMPATIBLE_SPEAKS
            )
        sdk = LitellmEngine(
            name=name,
            provider=model.provider,
            upstream_model=model.model,
            base_url=model.base_url,
            key=_key(model, self.env),
            client=self.client,
            timeout_s=model.timeout_s,
        )
        if dialect == "litellm":
            return sdk
        native = self._direct(name, model, dialect, frozenset({Api.MESSAGES}))
        return ByApi(ways={Api.MESSAGES: native, Api.CHAT: sdk, Api.RESPONSES: sdk})

    def _direct(
        self, name: str, model: HostedModel, dialect: Literal["openai", "anthropic"], speaks: frozenset[Api]
    ) -> HttpEngine:
        return HttpEngine(
            name=name,
            upstream_model=model.model,
            base_url=_base_url(model, dialect),
            key=_key(model, self.env),
            dialect=dialect,
            speaks=speaks,
            hosted=True,
            client=self.client,
            readiness=None,
            timeout_s=model.timeout_s,
            store_false=Api.RESPONSES in speaks,
        )


def _base_url(model: HostedModel, dialect: str) -> str:
    url = (model.base_url or BASE_URLS[model.provider]).rstrip("/")
    # Anthropic's own clients write the base URL without the version.
    return f"{url}/v1" if dialect == "anthropic" and not url.endswith("/v1") else url


def _found(name: str, wanted: str) -> Weights:
    """The weights of one model; raises `ConfigError` that names the model."""
    try:
        return find_weights(wanted)
    except ConfigError as exc:
        problems = tuple((line, f"local.{name}.weights", text) for line, _, text in exc.problems)
        raise ConfigError(exc.file, problems) from None


def _key(model: HostedModel, env: Mapping[str, str]) -> Secret | None:
    value = secret_of(model, env)
    return None if value is None else Secret(value)
