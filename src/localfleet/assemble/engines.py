"""Builds one engine for each entry of the file, or keeps it: hosted ones here, the local tier in `tier.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from localfleet.assemble.entry import Entry
from localfleet.assemble.tier import LocalTier
from localfleet.catalogue import secret_of
from localfleet.config import HostedModel, LocalModel, Search, Settings
from localfleet.core.ask import Api
from localfleet.engines.by_api import ByApi
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.litellm_sdk import LitellmEngine
from localfleet.engines.search import SearchEngine
from localfleet.ports import Engine
from localfleet.providers import base_url_of, dialect_of
from localfleet.wire.search import SearchForm

__all__ = ["Engines", "Place"]

COMPATIBLE_SPEAKS = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDING, Api.RERANK})
Place = tuple[Literal["local", "hosted", "search"], str]
"""A section and a name in it."""
OPENAI_SPEAKS = COMPATIBLE_SPEAKS | {Api.RESPONSES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Builds what serves one entry, or keeps what serves it already."""

    env: Mapping[str, str]
    client: HttpClient
    tier: LocalTier

    def build(self, settings: Settings, before: Mapping[Place, Entry]) -> dict[Place, Entry]:
        """Every entry by its place in the file, those of `before` where they serve; raises `ConfigError`."""
        models: dict[Place, LocalModel | HostedModel | Search] = {
            ("local", name): m for name, m in settings.local.items()
        }
        models |= {("hosted", name): model for name, model in settings.hosted.items()}
        models |= {("search", name): one for name, one in settings.search.items()}
        return {place: self._entry(place[1], model, before.get(place)) for place, model in models.items()}

    def _entry(self, name: str, model: LocalModel | HostedModel | Search, before: Entry | None) -> Entry:
        secret = secret_of(model, self.env)
        kept = None if before is None else before.kept_for(model, secret)
        if kept is not None:
            return kept
        if isinstance(model, LocalModel):
            return self.tier.build(name, model)
        engine = self._search(name, model, secret) if isinstance(model, Search) else self._hosted(name, model, secret)
        return Entry(model=model, secret=secret, engines={name: engine})

    def _search(self, name: str, one: Search, secret: str | None) -> Engine:
        parts = urlsplit(one.url)
        return SearchEngine(
            name=name,
            base_url=f"{parts.scheme}://{parts.netloc}",
            form=SearchForm(
                path=parts.path or "/",
                send=one.send,
                query_field=one.query_field,
                params=one.params,
                results=tuple(one.results_field.split(".")),
                most_results=one.most_results,
                result_chars=one.result_chars,
                query_chars=one.query_chars,
            ),
            key=None if secret is None else (one.key_header, Secret(secret)),
            client=self.client,
            timeout_s=one.timeout_s,
        )

    def _hosted(self, name: str, model: HostedModel, secret: str | None) -> Engine:
        key = None if secret is None else Secret(secret)
        dialect = dialect_of(model.provider)
        if dialect == "openai":
            speaks = OPENAI_SPEAKS if model.provider == "openai" else COMPATIBLE_SPEAKS
            return self._direct(name, model, key, dialect, speaks)
        sdk = LitellmEngine(
            name=name,
            provider=model.provider,
            upstream_model=model.model,
            base_url=model.base_url,
            key=key,
            client=self.client,
            timeout_s=model.timeout_s,
        )
        if dialect == "litellm":
            return sdk
        native = self._direct(name, model, key, dialect, frozenset({Api.MESSAGES}))
        return ByApi(ways={Api.MESSAGES: native, Api.CHAT: sdk, Api.RESPONSES: sdk})

    def _direct(
        self,
        name: str,
        model: HostedModel,
        key: Secret | None,
        dialect: Literal["openai", "anthropic"],
        speaks: frozenset[Api],
    ) -> HttpEngine:
        return HttpEngine(
            name=name,
            upstream_model=model.model,
            base_url=_base_url(model, dialect),
            key=key,
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
