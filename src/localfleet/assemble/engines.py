"""Builds one engine for each model of the file, and a supervisor for each that needs a process."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from localfleet.catalogue import secret_of
from localfleet.config import HostedModel, LocalModel, Settings
from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState
from localfleet.engines.by_api import ByApi
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.launch import Launch
from localfleet.engines.litellm_sdk import LitellmEngine
from localfleet.engines.llamacpp_job import LlamaJob, launch_llamacpp
from localfleet.engines.local import SupervisedEngine
from localfleet.engines.supervisor import Progress, Supervisor
from localfleet.engines.vllm_launch import launch_vllm
from localfleet.engines.weights import Weights, find_weights, opened_for_tools, verify
from localfleet.errors import ConfigError
from localfleet.local_tier import chosen_engine, vllm_fields, vllm_job
from localfleet.ports import Call, Engine
from localfleet.providers import BASE_URLS, dialect_of

__all__ = ["Engines"]

COMPATIBLE_SPEAKS = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING})
OPENAI_SPEAKS = COMPATIBLE_SPEAKS | {Api.RESPONSES}


@dataclass(slots=True, kw_only=True)
class Engines:
    """Builds one engine per model, and a supervisor for each that needs a process."""

    settings: Settings
    env: Mapping[str, str]
    home: Path
    start: bool
    on_progress: Callable[[Progress], None]
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    client: HttpClient = field(default_factory=HttpClient)

    def build(self) -> dict[str, Engine]:
        """Every engine by its model's name."""
        local: dict[str, Engine] = {}
        for name, model in self.settings.local.items():
            local |= self._local(name, model)
        return local | {name: self._hosted(name, model) for name, model in self.settings.hosted.items()}

    def _local(self, name: str, model: LocalModel) -> dict[str, Engine]:
        """The engine of one entry; for vLLM also one for each adapter, all on one process."""
        match chosen_engine(model):
            case "endpoint":
                assert model.url is not None
                key = secret_of(model, self.env)
                return {name: self._http(name, model.model or name, url=model.url, key=key, model=model)}
            case "vllm":
                return self._vllm(name, model)
            case "llamacpp":
                return {name: self._embedded(name, model)}

    def _vllm(self, name: str, model: LocalModel) -> dict[str, Engine]:
        job = vllm_job(name, model, env=self.env, home=self.home, resolve=self.start)
        supervisor = self._supervised(launch_vllm(job, self.env))
        impose = vllm_fields(model)

        def served(upstream: str) -> Engine:
            def connect(url: str) -> HttpEngine:
                return self._http(
                    upstream,
                    upstream,
                    url=f"{url}/v1",
                    key=supervisor.api_key,
                    model=model,
                    readiness=supervisor.state,
                    impose=impose,
                )

            return SupervisedEngine(supervisor=supervisor, connect=connect)

        return {upstream: served(upstream) for upstream in (name, *model.lora)}

    def _supervised(self, launch: Launch) -> Supervisor:
        supervisor = Supervisor(
            launch, clock=time.monotonic, sleep=asyncio.sleep, jitter=random.random, on_change=self.on_progress
        )
        if self.start:
            self.supervisors[launch.name] = supervisor
        return supervisor

    def _embedded(self, name: str, model: LocalModel) -> Engine:
        assert model.weights is not None
        weights = _found(name, model.weights)
        job = LlamaJob(
            model_path=str(weights.path),
            alias=name,
            api_key=secrets.token_urlsafe(24),
            context_tokens=model.context_tokens,
            parallel=model.parallel,
            threads=model.threads,
            chat_template=weights.chat_template,
            temperature=weights.temperature,
            top_p=weights.top_p,
        )
        supervisor = self._supervised(launch_llamacpp(job, self.env, check=partial(verify, weights)))

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

        return SupervisedEngine(supervisor=supervisor, connect=connect)

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
        impose: Callable[[Call, Api], Mapping[str, Any]] | None = None,
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
            impose=impose,
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
