"""One engine alone, for `bench`: a local model of the file, started for the while, or a server that already runs."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from localfleet.assemble.tier import LocalTier, moment
from localfleet.bench.sample import Target
from localfleet.config import LocalModel, Settings
from localfleet.core.residency import Room
from localfleet.engines.client import HttpClient
from localfleet.engines.learned import Learned
from localfleet.engines.residents import Residents
from localfleet.engines.stages import Progress
from localfleet.errors import EngineFailed, FleetError
from localfleet.local_tier import chosen_engine

__all__ = ["local_under_test", "url_under_test"]

LOADING_S = 1800.0
URL_SLOTS = 32


@asynccontextmanager
async def local_under_test(
    name: str,
    settings: Settings,
    *,
    env: Mapping[str, str],
    home: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> AsyncIterator[Target]:
    """
    A model of `local:`, loaded and behind its line; it ends with the context. Raises `FleetError`.

    Give a `home` of its own where a router runs on this machine: sockets and learned times are kept there.
    """
    model = settings.local.get(name)
    if model is None:
        known = ", ".join(settings.local) or "none"
        raise FleetError(f"no local model of models.yaml is called {name[:64]}; there are: {known}")
    async with _built(name, _patient(model), env=env, home=home, on_progress=on_progress) as target:
        yield target


@asynccontextmanager
async def url_under_test(
    url: str, model: str, *, key_env: str | None, env: Mapping[str, str], context_tokens: int, slots: int | None
) -> AsyncIterator[Target]:
    """Any running OpenAI-compatible server; `model` is its name there. Raises `FleetError`."""
    together = slots or URL_SLOTS
    entry = LocalModel(
        engine="endpoint",
        url=url,
        model=model,
        api_key_env=key_env,
        on_premises=True,
        context_tokens=context_tokens,
        parallel=min(together, 4096),
        queue_limit=4096,
    )
    async with _built("under-test", entry, env=env, home=Path(), on_progress=lambda _: None) as target:
        yield replace(target, kind=model)


def _patient(model: LocalModel) -> LocalModel:
    """With a line that holds whatever an open loop sends: refusals would hide the waits."""
    return model.model_copy(update={"queue_limit": max(model.limit, 4096), "queue_tokens": None})


@asynccontextmanager
async def _built(
    name: str, model: LocalModel, *, env: Mapping[str, str], home: Path, on_progress: Callable[[Progress], None]
) -> AsyncIterator[Target]:
    client = HttpClient()
    residents = Residents(
        room=Room(gib={}), clock=time.monotonic, moment=moment, learned=Learned(home / "bench_times.json")
    )
    tier = LocalTier(
        env=env,
        home=home,
        start=True,
        on_progress=on_progress,
        client=client,
        residents=residents,
        sizes={},
        batch_turn_s=60.0,
    )
    entry = tier.build(name, model)
    if entry.tenant is not None:
        residents.add(entry.tenant)
        await residents.start()
    try:
        if entry.tenant is not None and not await entry.tenant.supervisor.wait_ready(LOADING_S):
            raise FleetError(f"{name} does not start: `localfleet doctor` tells what is missing")
        kind = f"{model.model or model.weights or name} ({chosen_engine(model)})"
        engine = entry.engines[name]
        yield Target(name=name, engine=engine, slots=model.slots, context_tokens=model.context_tokens, kind=kind)
    except EngineFailed as exc:
        raise FleetError(exc.message) from exc
    finally:
        await entry.engines[name].aclose()
        if entry.tenant is not None:
            await residents.stop()
