"""`fit`: would this model fit these GPUs, before anything is bought, fetched or written."""

import os
from fractions import Fraction
from typing import Annotated

import typer

from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.core.fit import Division, Fit, Serving, Verdict, fit, propose
from localfleet.errors import ShapeUnknown
from localfleet.fit_words import row_of, said_of
from localfleet.fitting import Checked, as_gpu, other_gpus
from localfleet.gpu_facts import GpuFacts, find_gpu, read_gpus
from localfleet.hub.place import hub_cache
from localfleet.shapes import find_shape, read_models
from localfleet.wire.model_format import asked_format

__all__ = ["fit_command"]


def fit_command(
    model: Annotated[str, typer.Argument(help="A folder, or a name on the Hugging Face hub, such as Qwen/Qwen3-8B.")],
    gpu: Annotated[str, typer.Option("--gpu", help="A GPU, by a loose name.")] = "H100",
    count: Annotated[int, typer.Option("--count", help="How many; tensor parallelism over all.", min=1)] = 1,
    context: Annotated[int, typer.Option("--context", help="context_tokens", min=128)] = 8192,
    parallel: Annotated[int, typer.Option("--parallel", help="Requests at a time.", min=1)] = 16,
    quantization: Annotated[str | None, typer.Option("--quantization", help="fp8, awq, gptq ...")] = None,
    kv_cache: Annotated[str, typer.Option("--kv-cache-dtype", help="auto or fp8")] = "auto",
    utilization: Annotated[float, typer.Option("--gpu-memory-utilization", min=0.01, max=1)] = 0.92,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Would a model fit: weights, KV cache and the rest on each GPU, and what fits instead."""
    facts = read_gpus()
    card = as_gpu(_gpu(gpu, facts), count)
    try:
        shape = find_shape(model, read_models(), hub_cache(os.environ))
        stored = shape.stored if quantization is None else asked_format(quantization, shape.stored)
    except ShapeUnknown as exc:
        raise ShapeUnknown(f"{model}: cannot be told: {exc.message}") from None
    serving = Serving(
        context_tokens=context,
        parallel=parallel,
        stored=stored,
        kv_dtype=kv_cache,
        division=Division(tensor=count),
        utilization=Fraction(str(utilization)),
    )
    answer = fit(shape, serving, card)
    fits = isinstance(answer, Fit) and answer.verdict is Verdict.FITS
    ways = () if fits else propose(shape, serving, card, other_gpus(facts))
    one = Checked(
        name=model,
        weights=model,
        place=f"{count} x {card.name}",
        gpus=tuple(range(count)),
        serving=serving,
        answer=answer,
        proposals=ways,
    )
    _print(one, as_json=as_json)
    raise typer.Exit(0 if isinstance(answer, Fit) and answer.starts else 1)


def _gpu(name: str, facts: tuple[GpuFacts, ...]) -> GpuFacts:
    try:
        return find_gpu(name, facts)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--gpu") from exc


def _print(one: Checked, *, as_json: bool) -> None:
    if as_json:
        print_json(row_of(one))
        return
    for line in said_of(one):
        console().print(line, markup=False)
    if isinstance(one.answer, Fit) and one.answer.why:
        console().print(f"  {one.answer.why}", markup=False)
    for way in one.proposals:
        console().print(f"  fits: {way.change}: {way.fit.requests:.2f} requests at full length", markup=False)
