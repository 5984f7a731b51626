"""What each local model takes of the memory that models share, and how much of it there is."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from localfleet.config import LocalModel, Settings
from localfleet.core.residency import Room
from localfleet.engines.residents import Tenant
from localfleet.fitting import cards_of
from localfleet.gpu_facts import read_gpus
from localfleet.machine import Machine

__all__ = ["RAM", "gpu_place", "gpu_sizes", "room_of", "settle"]

RAM = "ram"
GIB = 2**30
USUAL_SHARE = Decimal("0.92")
"""vLLM 0.32's own default of `gpu_memory_utilization`, `vllm/config/cache.py`."""
ROOM_FOR_SLEEPERS_GIB = Decimal(2)
"""
What a sleeping vLLM keeps of each GPU: its CUDA context, its libraries, and what its allocator does not manage. An
assumption on the safe side; nothing was measured here.
"""
OVERHEAD_GIB = Decimal("0.15")
"""llama.cpp beside its weights: code, buffers and the child's Python, as seen with the shipped model."""


def gpu_place(index: int) -> str:
    """The name of one GPU as a place."""
    return f"gpu{index}"


def gpu_sizes(settings: Settings, look: Callable[[], Machine]) -> dict[str, Decimal]:
    """The whole memory of each GPU in GiB; `look` is called only where a model needs one. Empty where nobody knows."""
    if all(model.engine == "endpoint" or model.is_gguf for model in settings.local.values()):
        return {}
    cards = cards_of(settings, look(), read_gpus())
    return {gpu_place(i): Decimal(card.memory_bytes) / GIB for i, card in enumerate(cards)}


def room_of(settings: Settings, sizes: Mapping[str, Decimal]) -> Room:
    """What models may take, by place. What is not known has no bound."""
    sharing = settings.hardware.sharing
    gib = {place: min(sharing.gpu_gib or size, size) for place, size in sizes.items()}
    if sharing.ram_gib is not None:
        gib[RAM] = sharing.ram_gib
    return Room(gib=gib, evict=sharing.evict, turn_s=sharing.turn_s)


def settle(tenant: Tenant, model: LocalModel, sizes: Mapping[str, Decimal], weights_bytes: int | None) -> None:
    """Write into the tenant what its model takes and when it is there. `weights_bytes`: of a llama.cpp model."""
    life = model.life
    tenant.at_start, tenant.pinned = life.load != "on_demand", life.load == "always"
    tenant.sleep_after_s, tenant.unload_after_s = life.sleep_after_s, life.unload_after_s
    tenant.windows = life.windows
    if weights_bytes is not None:
        tenant.places = frozenset({RAM})
        tenant.gib = life.memory_gib or Decimal(weights_bytes) / GIB + OVERHEAD_GIB
        return
    tenant.places = frozenset(map(gpu_place, _indexes(model)))
    tenant.gib = life.memory_gib or _reserved(model, tenant.places, sizes)
    tenant.asleep_gib = min(ROOM_FOR_SLEEPERS_GIB, tenant.gib)


def _indexes(model: LocalModel) -> tuple[int, ...]:
    asked = model.vllm
    if asked is None:
        return (0,)
    return asked.gpus or tuple(range(asked.tensor_parallel * asked.pipeline_parallel * asked.data_parallel))


def _reserved(model: LocalModel, places: frozenset[str], sizes: Mapping[str, Decimal]) -> Decimal:
    """What vLLM takes of each GPU whatever it serves: a share of the whole."""
    share = model.vllm.gpu_memory_utilization if model.vllm is not None else None
    largest = max((sizes[place] for place in places & sizes.keys()), default=Decimal(0))
    return (USUAL_SHARE if share is None else Decimal(str(share))) * largest
