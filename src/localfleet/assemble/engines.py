"""Builds one engine for each model of the file: hosted ones here, the local tier in `tier.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from localfleet.assemble.tier import LocalTier
from localfleet.catalogue import secret_of
from localfleet.config import HostedModel, Settings
from localfleet.core.ask import Api
from localfleet.engines.by_api import ByApi
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.litellm_sdk import LitellmEngine
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.ports import Engine
from localfleet.providers import base_url_of, dialect_of

__all__ = ["Engines"]

COMPATIBLE_SPEAKS = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING})
OPENAI_SPEAKS = COMPATIBLE_SPEAKS | {Api.RESPONSES}


@dataclass(slots=True, kw_only=True)
class Engines:
    """Builds one engine per model, and the residents for those that need a process."""

    settings: Settings
    env: Mapping[str, str]
    home: Path
    start: bool
    on_progress: Callable[[Progress], None]
    client: HttpClient = field(default_factory=HttpClient)
    tier: LocalTier = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the local tier."""
        self.tier = LocalTier(
            settings=self.settings,
            env=self.env,
            home=self.home,
            start=self.start,
            on_progress=self.on_progress,
            client=self.client,
        )

    @property
    def residents(self) -> Residents:
        """The models that come and go."""
        return self.tier.residents

    def build(self) -> dict[str, Engine]:
        """Every engine by its model's name."""
        return self.tier.build() | {name: self._hosted(name, model) for name, model in self.settings.hosted.items()}

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
    url = base_url_of(model.provider, model.base_url)
    # Anthropic's own clients write the base URL without the version.
    return f"{url}/v1" if dialect == "anthropic" and not url.endswith("/v1") else url


def _key(model: HostedModel, env: Mapping[str, str]) -> Secret | None:
    value = secret_of(model, env)
    return None if value is None else Secret(value)
