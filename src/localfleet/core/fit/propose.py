"""
What would fit instead: ordered changes, each computed like the wish itself.

First what costs the least in quality and speed: eight-bit weights, then four; an eight-bit cache; both; a shorter
context; fewer requests; more of the box's GPUs; another box. A change that does not fit is not proposed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from localfleet.core.fit.architecture import Architecture
from localfleet.core.fit.formats import Format, Stored
from localfleet.core.fit.plan import Fit, Gpu, Serving, Verdict, fit

__all__ = ["Proposal", "propose"]

SHORTEST_CONTEXT = 2048
ROUND_TOKENS = 1024
WAYS = (2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A way to serve it that fits, in the words of `models.yaml`, with its own figures."""

    change: str
    serving: Serving
    gpu: Gpu
    fit: Fit


def propose(
    model: Architecture, serving: Serving, gpu: Gpu, others: Iterable[Gpu] = (), most: int = 6
) -> tuple[Proposal, ...]:
    """Up to `most` ways that hold all of `serving.parallel` at full length, in order."""
    found: list[Proposal] = []
    for change, wish, card in _wishes(model, serving, gpu, tuple(others)):
        answer = fit(model, wish, card)
        if isinstance(answer, Fit) and answer.verdict is Verdict.FITS and len(found) < most:
            found.append(Proposal(change=change, serving=wish, gpu=card, fit=answer))
    return tuple(found)


Wish = tuple[str, Serving, Gpu]


def _wishes(model: Architecture, serving: Serving, gpu: Gpu, others: tuple[Gpu, ...]) -> Iterator[Wish]:
    lighter = tuple(_lighter(model, serving))
    yield from ((change, wish, gpu) for change, wish in lighter)
    for change, wish in (("", serving), *lighter):
        yield from _shorter(model, change, wish, gpu)
    yield from _fewer(model, serving, gpu)
    yield from _spread(serving, gpu)
    yield from _elsewhere(model, serving, gpu, others)


def _lighter(model: Architecture, serving: Serving) -> Iterator[tuple[str, Serving]]:
    now = serving.stored or model.stored
    plain = now.format is Format.PLAIN
    weights = [
        (f"quantization: {word}", replace(serving, stored=Stored(dtype=now.dtype, format=form)))
        for word, form in (("fp8", Format.FP8), ("int4 (GPTQ or AWQ weights)", Format.INT4))
        if plain or (now.format in {Format.FP8, Format.INT8} and form is Format.INT4)
    ]
    yield from weights
    if serving.kv_dtype == "auto":
        yield "kv_cache_dtype: fp8", replace(serving, kv_dtype="fp8")
        yield from ((f"{change}, kv_cache_dtype: fp8", replace(wish, kv_dtype="fp8")) for change, wish in weights)


def _shorter(model: Architecture, change: str, serving: Serving, gpu: Gpu) -> Iterator[Wish]:
    """The longest context, in whole thousands of tokens, at which all requests fit."""
    low, high = 0, serving.context_tokens // ROUND_TOKENS
    while low < high:
        middle = (low + high + 1) // 2
        answer = fit(model, replace(serving, context_tokens=middle * ROUND_TOKENS), gpu)
        fits = isinstance(answer, Fit) and answer.verdict is Verdict.FITS
        low, high = (middle, high) if fits else (low, middle - 1)
    context = low * ROUND_TOKENS
    if SHORTEST_CONTEXT <= context < serving.context_tokens:
        words = f"{change}, " if change else ""
        yield f"{words}context_tokens: {context}", replace(serving, context_tokens=context), gpu


def _fewer(model: Architecture, serving: Serving, gpu: Gpu) -> Iterator[Wish]:
    answer = fit(model, serving, gpu)
    if not isinstance(answer, Fit) or answer.verdict is not Verdict.CROWDED:
        return
    parallel = int(answer.requests * serving.division.data)
    if 1 <= parallel < serving.parallel:
        yield f"parallel: {parallel}", replace(serving, parallel=parallel), gpu


def _spread(serving: Serving, gpu: Gpu) -> Iterator[Wish]:
    for ways in WAYS:
        if ways > serving.division.tensor:
            division = replace(serving.division, tensor=ways)
            words = f"tensor_parallel: {ways}"
            words += f" (with {division.gpus} x {gpu.name})" if division.gpus > gpu.count else ""
            yield words, replace(serving, division=division), replace(gpu, count=max(gpu.count, division.gpus))


def _elsewhere(model: Architecture, serving: Serving, gpu: Gpu, others: tuple[Gpu, ...]) -> Iterator[Wish]:
    larger = sorted((one for one in others if one.memory_bytes > gpu.memory_bytes), key=lambda one: one.memory_bytes)
    for one in larger:
        card = replace(one, count=gpu.count)
        answer = fit(model, serving, card)
        if isinstance(answer, Fit) and answer.verdict is Verdict.FITS:
            yield f"another GPU: {card.name}", serving, card
            return
