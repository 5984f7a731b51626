"""What local models take of the memory they share, and how much of it there is."""

import asyncio
from decimal import Decimal

import pytest

from localfleet.assemble.memory import RAM, gpu_sizes, room_of, settle
from localfleet.config import Settings, parse_settings
from localfleet.core.residency import Room
from localfleet.engines.admission import Admission
from localfleet.engines.launch import Launch
from localfleet.engines.residents import Tenant
from localfleet.engines.supervisor import Supervisor
from localfleet.machine import GpuSeen, Machine

TWO_4090 = (GpuSeen(name="NVIDIA GeForce RTX 4090", memory_mib=24564, count=2),)


def box(gpus: tuple[GpuSeen, ...] = ()) -> Machine:
    """A machine with these GPUs."""
    return Machine(
        driver="ok" if gpus else "absent",
        gpus=gpus,
        cores=2,
        memory_bytes=None,
        memory_free_bytes=None,
        provider_keys=(),
    )


def file(local: str, hardware: str = "") -> Settings:
    """A models.yaml with one local model."""
    return parse_settings(f"version: 1\n{hardware}local: {{one: {{{local}}}}}\n".encode())


def never() -> Machine:
    """A look that costs time, where none is needed."""
    pytest.fail("nobody needs a GPU here")


def test_the_driver_knows_best_and_the_file_may_lower_it() -> None:
    """Each GPU is a place of its own size; `gpu_gib` bounds what models may take of it."""
    settings = file("engine: vllm, weights: a/b", "hardware: {sharing: {gpu_gib: 20, ram_gib: 9, evict: lru}}\n")
    sizes = gpu_sizes(settings, lambda: box(TWO_4090))
    assert sizes == dict.fromkeys(("gpu0", "gpu1"), Decimal(24564) / 1024)
    assert room_of(settings, sizes) == Room(
        gib={"gpu0": Decimal(20), "gpu1": Decimal(20), RAM: Decimal(9)}, evict="lru"
    )


def test_without_a_driver_the_data_sheet_counts_and_unknown_has_no_bound() -> None:
    """GPUs of the file are looked up by name; one of unknown size makes no bound at all."""
    vllm = "engine: vllm, weights: a/b"
    h100 = file(vllm, "hardware: {gpus: [{name: H100, count: 2}]}\n")
    assert gpu_sizes(h100, box) == {"gpu0": Decimal(80), "gpu1": Decimal(80)}
    assert gpu_sizes(file(vllm, "hardware: {gpus: [{name: H100}, {name: home-made}]}\n"), box) == {}
    assert room_of(file(vllm), gpu_sizes(file(vllm), box)) == Room(gib={})


def test_nobody_looks_for_a_gpu_that_nobody_needs() -> None:
    """llama.cpp files and endpoints live in main memory, or elsewhere."""
    assert gpu_sizes(file("weights: smollm2-135m-instruct"), never) == {}
    assert gpu_sizes(file("engine: endpoint, url: 'http://127.0.0.1:1/v1'"), never) == {}


def tenant() -> Tenant:
    """A model about which nothing is known."""
    launch = Launch(name="one", argv=("true",), env={}, api_key="k")
    return Tenant(
        name="one",
        supervisor=Supervisor(launch, clock=lambda: 0.0, sleep=asyncio.sleep, jitter=lambda: 0.0),
        door=Admission(limit=1, slots=1),
    )


SIZES = {"gpu0": Decimal(80), "gpu1": Decimal(80)}


@pytest.mark.parametrize(
    ("local", "places", "gib"),
    [
        ("engine: vllm, weights: a/b", {"gpu0"}, "73.60"),
        ("engine: vllm, weights: a/b, vllm: {tensor_parallel: 2, gpu_memory_utilization: 0.5}", {"gpu0", "gpu1"}, "40"),
        ("engine: vllm, weights: a/b, vllm: {gpus: [1]}", {"gpu1"}, "73.60"),
        ("engine: vllm, weights: a/b, life: {memory_gib: 30}", {"gpu0"}, "30"),
        ("engine: vllm, weights: a/b, vllm: {gpus: [7]}", {"gpu7"}, "0"),
    ],
)
def test_what_a_vllm_model_takes(local: str, places: set[str], gib: str) -> None:
    """Its share of each of its GPUs, unless the file says otherwise; on a GPU of unknown size nothing is assumed."""
    one = tenant()
    settle(one, file(local).local["one"], SIZES, None)
    assert set(one.places) == places
    assert one.gib == Decimal(gib)
    assert one.asleep_gib <= one.gib


def test_what_a_llama_cpp_model_takes_and_when_it_is_there() -> None:
    """Its file and a little more, of main memory; `life` says the rest."""
    life = "{load: always, sleep_after_s: 9, unload_after_s: 99, sleep_times: [sat-sun]}"
    one = tenant()
    settle(one, file(f"weights: smollm2-135m-instruct, life: {life}").local["one"], {}, 2**20)
    assert one.places == {RAM}
    assert Decimal("0.15") < one.gib < Decimal("0.16")
    assert (one.at_start, one.pinned, one.sleep_after_s, one.unload_after_s) == (True, True, 9, 99)
    assert [window.days for window in one.windows] == [frozenset({5, 6})]


@pytest.mark.parametrize(
    ("life", "word"),
    [
        ("{load: never}", "at_start"),
        ("{sleep_times: [night]}", "window"),
        ("{sleep_after_s: 0}", "greater"),
        ("{memory_gib: 0}", "greater"),
        ("{naps: 3}", "naps"),
    ],
)
def test_a_life_that_cannot_be_is_refused(life: str, word: str) -> None:
    """Wrong words, empty windows and zero times are named."""
    with pytest.raises(Exception, match=word):
        file(f"weights: smollm2-135m-instruct, life: {life}")


def test_an_endpoint_has_no_life_here() -> None:
    """What localfleet does not run, it cannot put to sleep."""
    with pytest.raises(Exception, match="models that localfleet runs"):
        file("engine: endpoint, url: 'http://127.0.0.1:1/v1', life: {load: always}")
