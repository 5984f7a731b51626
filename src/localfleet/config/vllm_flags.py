"""
A checked entry of `local:` -> what the operator asked of vLLM, in vLLM's own words.

Pure and total: every key of the `vllm:` section ends in a flag here, or in the environment and the start, which
`engines/vllm_launch.py` adds together with what localfleet asks for itself. Where a key is left out no flag is written,
so that vLLM's own default for the model and the GPU stands.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from localfleet.config.local import LocalModel
from localfleet.config.vllm import Vllm

__all__ = ["NO_DOMAIN", "vllm_flags"]

GIB = 2**30
NO_DOMAIN = "nowhere.invalid"
"""A name that nobody can own (RFC 2606): an empty list would mean to vLLM that every host is allowed."""


def vllm_flags(model: LocalModel) -> tuple[str, ...]:
    """The flags for one entry, without model, name and socket; `extra_args` come last."""
    asked = model.vllm or Vllm()
    return (
        *("--max-model-len", str(model.context_tokens), "--max-num-seqs", str(model.parallel)),
        *_numbers(asked),
        *_memory(asked),
        *_scheduling(asked),
        *_adapters(asked),
        *_speech(asked),
        *_sources(asked),
        *asked.extra_args,
    )


def _given(flag: str, value: object) -> Iterator[str]:
    if value is not None:
        yield from (flag, f"{value:g}" if isinstance(value, float) else str(value))


def _switch(name: str, value: bool | None) -> Iterator[str]:
    if value is not None:
        yield f"--{name}" if value else f"--no-{name}"


def _json(flag: str, value: Mapping[str, Any]) -> Iterator[str]:
    if value:
        yield from (flag, json.dumps(value, sort_keys=True))


def _numbers(asked: Vllm) -> Iterator[str]:
    """How it computes, and on how many GPUs."""
    yield from _given("--dtype", None if asked.dtype == "auto" else asked.dtype)
    yield from _given("--quantization", asked.quantization)
    yield from _switch("enforce-eager", asked.enforce_eager or None)
    for flag, ways in (
        ("--tensor-parallel-size", asked.tensor_parallel),
        ("--pipeline-parallel-size", asked.pipeline_parallel),
        ("--data-parallel-size", asked.data_parallel),
    ):
        yield from _given(flag, ways if ways > 1 else None)
    yield from _switch("enable-expert-parallel", asked.expert_parallel or None)


def _memory(asked: Vllm) -> Iterator[str]:
    cache_bytes = None if asked.kv_cache_gib is None else int(asked.kv_cache_gib * GIB)
    yield from _given("--gpu-memory-utilization", asked.gpu_memory_utilization)
    yield from _given("--kv-cache-memory-bytes", cache_bytes)
    yield from _given("--kv-cache-dtype", asked.kv_cache_dtype)
    yield from _given("--cpu-offload-gb", asked.cpu_offload_gib)
    yield from _given("--kv-offloading-size", asked.kv_offload_gib)
    yield from _switch("enable-prefix-caching", asked.prefix_caching)
    yield from _switch("enable-sleep-mode", asked.sleep or None)


def _scheduling(asked: Vllm) -> Iterator[str]:
    yield from _switch("enable-chunked-prefill", asked.chunked_prefill)
    yield from _given("--max-num-batched-tokens", asked.max_batched_tokens)
    yield from _given("--scheduling-policy", None if asked.scheduling_policy == "fcfs" else asked.scheduling_policy)
    yield from _given("--max-num-queued-reqs", asked.max_queued_requests)
    yield from _given("--max-num-queued-tokens", asked.max_queued_tokens)


def _adapters(asked: Vllm) -> Iterator[str]:
    if asked.lora:
        yield from ("--enable-lora", "--max-lora-rank", str(asked.lora_rank))
        yield from ("--max-loras", str(asked.lora_loaded or len(asked.lora)))
        # As JSON: the short form `name=path` breaks on a path with a comma.
        modules = ({"name": name, "path": path} for name, path in asked.lora.items())
        yield from ("--lora-modules", *(json.dumps(module) for module in modules))
    if asked.speculative is not None:
        yield from _given("--spec-method", asked.speculative.method)
        yield from _given("--spec-model", asked.speculative.model)
        yield from _given("--spec-tokens", asked.speculative.tokens)


def _speech(asked: Vllm) -> Iterator[str]:
    """How it is spoken to: templates, tools, reasoning, media."""
    if asked.tool_parser is not None:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", asked.tool_parser)
    yield from _given("--reasoning-parser", asked.reasoning_parser)
    yield from _given("--chat-template", asked.chat_template)
    yield from _json("--default-chat-template-kwargs", asked.template_args)
    yield from _json("--override-generation-config", asked.sampling)
    if asked.structured_backend is not None:
        yield from _json("--structured-outputs-config", {"backend": asked.structured_backend})
    yield from ("--allowed-media-domains", *(asked.allowed_media_domains or (NO_DOMAIN,)))
    yield from _json("--limit-mm-per-prompt", asked.media_per_prompt)


def _sources(asked: Vllm) -> Iterator[str]:
    """Which files, and whether their code may run."""
    yield from _given("--revision", asked.revision)
    yield from _given("--tokenizer", asked.tokenizer)
    yield from _json("--hf-overrides", asked.hf_overrides)
    yield from _switch("trust-remote-code", asked.trust_remote_code or None)
