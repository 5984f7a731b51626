"""
Do the local models of a `models.yaml` fit this box: settings, files and GPUs in, one answer for each model out.

The arithmetic is `core.fit`; here stands only which figures it gets. GPUs are what the driver shows; where it shows
none, what `hardware:` names, so that a file can be checked on a laptop.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from localfleet.config import LocalModel, Settings, Vllm
from localfleet.core.fit import (
    Architecture,
    Division,
    Dtype,
    EmbeddedFit,
    Fit,
    Gpu,
    Lora,
    Proposal,
    Serving,
    Stored,
    Untold,
    Verdict,
    embedded_fit,
    fit,
    propose,
)
from localfleet.core.fit.plan import UTILIZATION
from localfleet.engines.weights import find_weights
from localfleet.errors import ConfigError, ShapeUnknown
from localfleet.gpu_facts import GpuFacts, find_gpu, read_gpus
from localfleet.hub.place import hub_cache
from localfleet.local_tier import chosen_engine
from localfleet.machine import Machine
from localfleet.shapes import KnownModel, find_shape, gguf_shape, read_models
from localfleet.wire.model_format import asked_format

__all__ = ["Checked", "as_gpu", "cards_of", "check_fits", "other_gpus", "serving_of", "too_much_together"]

GIB = 2**30
MIB = 2**20
NO_GPU = "the driver shows no GPU and `hardware:` names none whose memory is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One local model and the answer. `gpus` are the indexes it runs on; `place` is what they are, for people."""

    name: str
    weights: str
    place: str
    gpus: tuple[int, ...]
    serving: Serving | None
    answer: Fit | EmbeddedFit | Untold
    proposals: tuple[Proposal, ...] = ()

    @property
    def verdict(self) -> str:
        """One word; `unknown` where it cannot be told."""
        return "unknown" if isinstance(self.answer, Untold) else self.answer.verdict.value


def check_fits(settings: Settings, machine: Machine, env: Mapping[str, str]) -> tuple[Checked, ...]:
    """Every local model that localfleet runs itself; an endpoint's memory is not ours."""
    known, facts = read_models(), read_gpus()
    cards = cards_of(settings, machine, facts)
    found = []
    for name, model in settings.local.items():
        engine = chosen_engine(model)
        if engine == "vllm":
            found.append(_vllm(name=name, model=model, cards=cards, known=known, facts=facts, env=env))
        elif engine == "llamacpp":
            found.append(_embedded(name, model, machine))
    return tuple(found)


def cards_of(settings: Settings, machine: Machine, facts: tuple[GpuFacts, ...]) -> tuple[Gpu, ...]:
    """One `Gpu` of count 1 for each index; empty where one of them has an unknown size."""
    if machine.gpus:
        seen = [(gpu.name, gpu.memory_mib, gpu.count) for gpu in machine.gpus]
        if any(mib is None for _, mib, _ in seen):
            return ()
        return tuple(Gpu(name=name, memory_bytes=(mib or 0) * MIB) for name, mib, count in seen for _ in range(count))
    named = () if settings.hardware.gpus == "detect" else settings.hardware.gpus
    try:
        return tuple(as_gpu(find_gpu(gpu.name, facts)) for gpu in named for _ in range(gpu.count))
    except ValueError:
        return ()


def as_gpu(facts: GpuFacts, count: int = 1) -> Gpu:
    """A GPU of the data that ships, by its nominal memory."""
    return Gpu(name=facts.name, memory_bytes=int(facts.silicon.memory_gib * GIB), count=count)


def other_gpus(facts: Iterable[GpuFacts]) -> tuple[Gpu, ...]:
    """What a proposal may name instead: data-centre cards that run vLLM on CUDA."""
    return tuple(as_gpu(one) for one in facts if one.family in {"l40s", "h100", "h200", "b200"})


def _vllm(
    *,
    name: str,
    model: LocalModel,
    cards: tuple[Gpu, ...],
    known: tuple[KnownModel, ...],
    facts: tuple[GpuFacts, ...],
    env: Mapping[str, str],
) -> Checked:
    asked = model.vllm or Vllm()
    wanted = asked.tensor_parallel * asked.pipeline_parallel * asked.data_parallel
    gpus = asked.gpus or tuple(range(wanted))
    empty = Checked(
        name=name, weights=model.weights or "", place="?", gpus=gpus, serving=None, answer=Untold(why=NO_GPU)
    )
    if not cards:
        return empty
    gpu = _common(cards, gpus)
    place = f"{min(wanted, gpu.count)} of {gpu.count} x {gpu.name}"
    try:
        cache = hub_cache({**env, **{key: str(value) for key, value in asked.env.items()}})
        shape = find_shape(model.weights or "", known, cache)
        serving = serving_of(model, shape, known, cache)
    except ShapeUnknown as exc:
        return replace(empty, place=place, answer=Untold(why=exc.message))
    answer = fit(shape, serving, gpu)
    if model.parallel is None and isinstance(answer, Fit) and answer.verdict is Verdict.CROWDED:
        answer = replace(answer, verdict=Verdict.FITS)  # nobody asked for so many at full length
    fits = isinstance(answer, Fit) and answer.verdict is Verdict.FITS
    ways = () if fits else propose(shape, serving, gpu, other_gpus(facts))
    return replace(empty, place=place, serving=serving, answer=answer, proposals=ways)


def _common(cards: tuple[Gpu, ...], indexes: tuple[int, ...]) -> Gpu:
    """The GPUs it may use as one kind: of different ones the smallest, because every part must fit there."""
    used = [cards[i] for i in indexes if i < len(cards)] or list(cards)
    smallest = min(used, key=lambda card: card.memory_bytes)
    return replace(smallest, count=len(cards))


def serving_of(model: LocalModel, shape: Architecture, known: tuple[KnownModel, ...], cache: Path | None) -> Serving:
    """An entry of `local:` as plain values; raises `ShapeUnknown` for what cannot be told."""
    asked = model.vllm or Vllm()
    share = asked.gpu_memory_utilization
    return Serving(
        context_tokens=model.context_tokens,
        parallel=model.slots,
        stored=_stored(asked, shape),
        kv_dtype=asked.kv_cache_dtype or "auto",
        division=Division(tensor=asked.tensor_parallel, pipeline=asked.pipeline_parallel, data=asked.data_parallel),
        utilization=UTILIZATION if share is None else Fraction(str(share)),
        batched_tokens=asked.max_batched_tokens,
        eager=asked.enforce_eager,
        lora=Lora(count=asked.lora_loaded or len(asked.lora), rank=asked.lora_rank) if asked.lora else None,
        draft=_draft(asked, known, cache),
        kv_cache_bytes=None if asked.kv_cache_gib is None else int(asked.kv_cache_gib * GIB),
        offload_bytes=int((asked.cpu_offload_gib or 0) * GIB),
    )


def _stored(asked: Vllm, shape: Architecture) -> Stored:
    stored = shape.stored
    if asked.dtype != "auto":
        stored = replace(stored, dtype=Dtype(asked.dtype))
    return stored if asked.quantization is None else asked_format(asked.quantization, stored)


def _draft(asked: Vllm, known: tuple[KnownModel, ...], cache: Path | None) -> Architecture | None:
    if asked.speculative is None or asked.speculative.method == "ngram":
        return None
    if asked.speculative.model is None:
        raise ShapeUnknown(f"the layers that `{asked.speculative.method}` adds are not known here")
    return find_shape(asked.speculative.model, known, cache)


def _embedded(name: str, model: LocalModel, machine: Machine) -> Checked:
    """In main memory: the wheel that ships runs on the CPU."""
    answer: EmbeddedFit | Untold
    if machine.memory_bytes is None:
        answer = Untold(why="this system does not tell how much memory it has")
    else:
        try:
            shape = gguf_shape(find_weights(model.weights or "").path)
            answer = embedded_fit(shape, model.context_tokens, model.slots, machine.memory_bytes)
        except ShapeUnknown as exc:
            answer = Untold(why=exc.message)
        except ConfigError:
            answer = Untold(why="its weights are not there")
    return Checked(name=name, weights=model.weights or "", place="main memory", gpus=(), serving=None, answer=answer)


def too_much_together(checked: Iterable[Checked]) -> Iterator[str]:
    """GPUs of which models together ask for more than there is, and who they are."""
    shares: dict[int, list[tuple[str, Fraction]]] = {}
    for one in checked:
        if isinstance(one.answer, Fit):
            for index in one.gpus:
                shares.setdefault(index, []).append((one.name, _share(one.answer)))
    for index, parts in sorted(shares.items()):
        total = sum((share for _, share in parts), Fraction(0))
        if total > 1:
            names = ", ".join(f"{name} {float(share):.2f}" for name, share in parts)
            yield f"GPU {index}: its models together ask for {float(total):.2f} of its memory ({names})"


def _share(answer: Fit) -> Fraction:
    """What vLLM takes of the whole: its budget, or the parts where the cache has a size of its own."""
    parts = answer.breakdown
    taken = parts.weight_bytes + parts.adapter_bytes + parts.peak_bytes + parts.graph_bytes + parts.overhead_bytes
    return Fraction(max(min(taken + parts.cache_bytes, parts.budget_bytes), 0), parts.usable_bytes)
