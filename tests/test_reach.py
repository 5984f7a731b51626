"""The proof and the records speak of the hosts that engines really connect to: none can say one and do another."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from localfleet.assemble.engines import Engines
from localfleet.assemble.tier import LocalTier
from localfleet.catalogue import build_models
from localfleet.config import Settings, parse_settings
from localfleet.core.fleet import Model
from localfleet.core.paths import Cargo, Place
from localfleet.core.residency import Room
from localfleet.engines.client import HttpClient
from localfleet.engines.residents import Residents
from localfleet.price_map import PriceMap
from localfleet.providers import BASE_URLS, host_of
from localfleet.reach import outlets, prove

NO_PRICES = PriceMap(entries={}, version="test")
COMMON = "model: m, tier: t, accepts: internal, api_key_env: K, context_tokens: 999"


def _file() -> str:
    """Every provider at its own address and at another; an endpoint with a port, without, and in IPv6."""
    rows = [f"  {name}: {{provider: {name}, {COMMON}}}" for name in BASE_URLS]
    rows += [
        f"  {name}-there: {{provider: {name}, base_url: 'https://LLM.example.com:8443/v1', {COMMON}}}"
        for name in (*BASE_URLS, "bedrock", "somebody")
    ]
    urls = {"a": "http://127.0.0.1:8000/v1", "b": "http://10.0.0.7/v1", "c": "http://[fe80::1]:80/v1"}
    local = [f"  {name}: {{engine: endpoint, url: '{url}', on_premises: true}}" for name, url in urls.items()]
    return "\n".join(["version: 1", "local:", *local, "hosted:", *rows])


def _hosts(engine: Any) -> Iterator[str]:
    """Every host that an engine, or an engine inside it, holds a line to."""
    inner = [getattr(engine, "engine", None), *getattr(engine, "ways", {}).values()]
    for one in inner:
        if one is not None:
            yield from _hosts(one)
    if hasattr(engine, "_host"):
        yield engine._host.name


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Model], dict[str, Any]]:
    """Models as a decision sees them, engines as the router builds them."""
    settings = parse_settings(_file().encode())
    home = tmp_path_factory.mktemp("home")
    env, client = {"K": "sk-x"}, HttpClient()
    tier = LocalTier(
        env=env,
        home=home,
        start=False,
        on_progress=lambda _: None,
        client=client,
        residents=Residents(room=Room(gib={}), clock=lambda: 0.0, moment=lambda: (0, 0)),
        sizes={},
        batch_turn_s=60,
    )
    entries = Engines(env=env, client=client, tier=tier).build(settings, {})
    engines: dict[str, Any] = {name: engine for entry in entries.values() for name, engine in entry.engines.items()}
    models = build_models(settings, NO_PRICES, date(2026, 1, 1))
    return settings, {model.name: model for model in models}, engines


def test_a_model_s_host_is_the_one_its_engine_connects_to(
    built: tuple[Settings, dict[str, Model], dict[str, Any]],
) -> None:
    """For every provider, on the direct way and through litellm, and for endpoints."""
    _, models, engines = built
    assert len(engines) == len(models) > 2 * len(BASE_URLS)
    for name, engine in engines.items():
        found = {host.lower() for host in _hosts(engine)}
        bare = models[name].host.rpartition(":")[0] if models[name].host.endswith(("8443", "8000", "80")) else ""
        assert found == {(bare or models[name].host).strip("[]")}, name


def test_every_model_has_an_outlet_with_that_host(
    built: tuple[Settings, dict[str, Model], dict[str, Any]],
) -> None:
    """The proof lists each, and nothing forbidden; hosted ones stand in the street, whatever their address."""
    settings, models, _ = built
    told = {out.model: out for out in outlets(settings, tuple(models.values())) if out.cargo is Cargo.TEXT}
    assert {name: out.host for name, out in told.items()} == {name: model.host for name, model in models.items()}
    assert {name for name, out in told.items() if out.place is Place.STREET} == set(settings.hosted)
    assert not prove(settings, tuple(models.values())).forbidden


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("https://API.example.com:8443", "api.example.com:8443"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
        ("unix:/run/x", ""),
        ("", ""),
    ],
)
def test_how_a_host_is_written(url: str, host: str) -> None:
    """Lower case, with a port where one is named."""
    assert host_of(url) == host


def test_an_adapter_s_text_goes_where_its_model_s_goes() -> None:
    """An adapter is another name for a process of ours."""
    text = "version: 1\nlocal:\n  q: {engine: vllm, weights: a/b, vllm: {lora: {legal: /x}}}\n"
    settings = parse_settings(text.encode())
    models = build_models(settings, NO_PRICES, date(2026, 1, 1))
    found = [(out.kind, out.model, out.host) for out in outlets(settings, models)]
    assert found == [("model", "q", "this box"), ("adapter", "legal", "this box")]
    assert {model.host for model in models} == {""}
