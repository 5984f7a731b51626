"""
Our figures against vLLM's own code, run here by the Python that has vLLM (slow).

`vllm_numbers.py` builds vLLM's model classes without memory, asks every layer for its cache specification and lets
`get_kv_cache_configs` lay the cache out. Parameters, pages, groups, blocks, tokens and concurrency must be the same.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from vllm_cpu import vllm_cpu

from localfleet.core.fit import Architecture, Division
from localfleet.core.fit.cache import Cache, Demand, build_cache
from localfleet.shapes import read_models
from localfleet.wire.model_config import architecture_of

ROOT = Path(__file__).resolve().parent.parent.parent
GIB = 2**30
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
}
WINDOWED = "a window in every layer of "
"""Mistral's files had no `sliding_window` once, and then every layer has one: the default of `MistralConfig`."""
ASKED = (
    ("meta-llama/Llama-3.1-8B-Instruct", 1, "auto", 8192, 16),
    ("meta-llama/Llama-3.1-8B-Instruct", 1, "fp8", 10_001, 16),
    ("meta-llama/Llama-3.3-70B-Instruct", 4, "auto", 32_768, 16),
    ("meta-llama/Llama-3.3-70B-Instruct", 16, "auto", 32_768, 16),
    ("Qwen/Qwen2.5-7B-Instruct", 1, "auto", 32_768, 16),
    ("Qwen/Qwen3-8B", 1, "auto", 40_960, 16),
    ("Qwen/Qwen3-30B-A3B", 8, "auto", 40_960, 16),
    ("mistralai/Mistral-Small-24B-Instruct-2501", 2, "auto", 32_768, 16),
    (f"{WINDOWED}mistralai/Mistral-Small-24B-Instruct-2501", 2, "auto", 32_768, 64),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", 2, "auto", 32_768, 16),
    ("microsoft/phi-4", 1, "auto", 16_384, 16),
    ("openai/gpt-oss-20b", 1, "auto", 131_072, 64),
    ("openai/gpt-oss-120b", 1, "auto", 32_768, 64),
    ("google/gemma-3-4b-it", 1, "auto", 131_072, 64),
    ("google/gemma-3-12b-it", 1, "auto", 32_768, 64),
    ("google/gemma-3-27b-it", 2, "auto", 131_072, 64),
    ("deepseek-ai/DeepSeek-V3", 1, "auto", 163_840, 64),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", 1, "auto", 8192, 16),
)
"""Model, GPUs, cache type, context, block: vLLM's CPU attention has no sliding blocks below 32 tokens."""
AVAILABLE = 20 * GIB + 12_345


def text_config(name: str) -> dict[str, Any]:
    """The language part of a model's config, as its publisher would write it, without quantisation."""
    models = yaml.safe_load((ROOT / "src/localfleet/data/model_shapes.yaml").read_bytes())["models"]
    config = next(model["config"] for model in models if model["name"] == name.removeprefix(WINDOWED))
    text = {"torch_dtype": "bfloat16", **config.get("text_config", config)}
    text.pop("quantization_config", None)
    if name.startswith(WINDOWED):
        text.pop("sliding_window")
    return {**text, "architectures": [CLASSES[text["model_type"]]]}


@pytest.fixture(scope="module")
def said() -> dict[int, dict[str, Any]]:
    """What vLLM says of each case, by its place."""
    cases = [
        {
            "name": str(place),
            "config": text_config(name),
            "context_tokens": context,
            "batched_tokens": 2048,
            "parallel": 64,
            "block_tokens": block,
            "tensor": tensor,
            "kv_dtype": kv,
            "available_bytes": AVAILABLE,
        }
        for place, (name, tensor, kv, context, block) in enumerate(ASKED)
    ]
    done = subprocess.run(
        [str(vllm_cpu().python), str(Path(__file__).with_name("vllm_numbers.py"))],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=800,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {int(row["name"]): row for row in rows}


def ours(place: int) -> tuple[Architecture, Cache]:
    """Our layout of a case."""
    name, tensor, kv, _, block = ASKED[place]
    model = architecture_of(text_config(name))
    cache = build_cache(model, 1 if kv == "fp8" else 2, Division(tensor=tensor), block_tokens=block)
    assert cache is not None
    return model, cache


@pytest.mark.parametrize("place", range(len(ASKED)), ids=lambda place: f"{ASKED[place][0]}-{ASKED[place][1:4]}")
def test_the_cache_is_laid_out_as_vllm_does(place: int, said: dict[int, dict[str, Any]]) -> None:
    """Parameters, layers, groups, blocks, tokens, concurrency: not near, the same."""
    row = said[place]
    assert "error" not in row, row["error"]
    model, cache = ours(place)
    context = ASKED[place][3]
    demand = Demand(batched_tokens=2048, concurrent_batches=row["in_flight_tokens"] // 2048)
    assert model.parameters == row["parameters"]
    assert len(model.blocks) == row["layers"]
    assert len(cache.groups) == row["groups"]
    assert AVAILABLE // cache.block_bytes == row["blocks"]
    assert cache.capacity_tokens(AVAILABLE, context, demand) == row["capacity_tokens"]
    assert cache.concurrency(AVAILABLE, context, demand) == pytest.approx(row["concurrency"], rel=1e-12)


def test_the_longest_context_is_the_one_vllm_names() -> None:
    """Too little memory: vLLM's refusal names the bytes a request needs and the longest context; both are ours."""
    name, context = "Qwen/Qwen3-8B", 40_960
    case = {
        "name": "0",
        "config": text_config(name),
        "context_tokens": context,
        "batched_tokens": 2048,
        "parallel": 4,
        "block_tokens": 16,
        "tensor": 1,
        "available_bytes": 3 * GIB,
    }
    done = subprocess.run(
        [str(vllm_cpu().python), str(Path(__file__).with_name("vllm_numbers.py"))],
        input=json.dumps([case]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    error = json.loads(done.stdout)["error"]
    cache = build_cache(architecture_of(text_config(name)), 2, Division())
    assert cache is not None
    demand = Demand(batched_tokens=2048)
    longest = re.search(r"estimated maximum model length is (\d+)", error)
    needed = re.search(r"\(([\d.]+) GiB KV", error)
    assert longest is not None
    assert needed is not None
    assert int(longest[1]) == cache.longest_context(3 * GIB, context, demand)
    assert float(needed[1]) == pytest.approx(cache.request_bytes(context, demand) / GIB, abs=0.01)


def test_a_real_start_logs_what_is_computed() -> None:
    """The real vLLM, on the CPU with SmolLM2's shape and 1 GiB of cache: its log line has our tokens and requests."""
    context = 3000
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    done = subprocess.run(
        [str(vllm_cpu().python), str(Path(__file__).with_name("vllm_start.py"))],
        input=json.dumps({"config": text_config(name), "context_tokens": context, "parallel": 4}),
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    block = json.loads(done.stdout.splitlines()[-1])["block_tokens"]
    line = r"KV cache size: ([\d,]+) tokens, Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x"
    logged = re.search(line, done.stdout + done.stderr)
    cache = build_cache(architecture_of(text_config(name)), 4, Division(), block_tokens=block)
    assert cache is not None
    assert logged is not None
    demand = Demand(batched_tokens=2048)
    assert int(logged[1].replace(",", "")) == cache.capacity_tokens(GIB, context, demand)
    assert float(logged[2]) == pytest.approx(cache.concurrency(GIB, context, demand), abs=0.0051)


def test_the_catalogue_s_parsers_are_vllm_s() -> None:
    """Each name of a tool or reasoning parser is one that this vLLM has."""
    program = (
        "import json; from vllm.tool_parsers import ToolParserManager as t; "
        "from vllm.reasoning import ReasoningParserManager as r; "
        "print(json.dumps([t.list_registered(), r.list_registered()]))"
    )
    done = subprocess.run(
        [str(vllm_cpu().python), "-c", program], capture_output=True, text=True, timeout=200, check=True
    )
    tools, reasoning = json.loads(done.stdout.splitlines()[-1])
    assert {model.tool_parser for model in read_models()} - {None} <= set(tools)
    assert {model.reasoning_parser for model in read_models()} - {None} <= set(reasoning)
