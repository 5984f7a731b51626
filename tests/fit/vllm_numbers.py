"""
What vLLM itself says of models it has no weights for. Run by the Python that has vLLM; JSON in, JSON lines out.

For each model: vLLM's own configuration from a `config.json`, its own model class built without memory (the `meta`
device), the cache specification of every layer, and `get_kv_cache_configs` over them. Nothing of localfleet is used.
"""

import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.update(
    VLLM_LOGGING_LEVEL="ERROR",
    HF_HUB_OFFLINE="1",
    VLLM_NO_USAGE_STATS="1",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
)


def engine_config(folder: str, case: dict[str, Any]) -> Any:
    """The `VllmConfig` that `vllm serve` would make for these settings."""
    from vllm.engine.arg_utils import EngineArgs

    return EngineArgs(
        model=folder,
        skip_tokenizer_init=True,
        load_format="dummy",
        enforce_eager=True,
        dtype="bfloat16",
        max_model_len=case["context_tokens"],
        max_num_batched_tokens=case["batched_tokens"],
        max_num_seqs=case["parallel"],
        block_size=case["block_tokens"],
        kv_cache_dtype=case.get("kv_dtype", "auto"),
        async_scheduling=True,
    ).create_engine_config()


def layer_specs(config: Any, tensor: int) -> tuple[dict[str, Any], int]:
    """Name -> cache specification of every layer, of the class that vLLM would run, on one of `tensor` GPUs."""
    import torch
    from vllm.config import ParallelConfig, get_layers_from_vllm_config
    from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase
    from vllm.model_executor.model_loader.utils import initialize_model

    with torch.device("meta"):
        model = initialize_model(config)
    layers = get_layers_from_vllm_config(config, AttentionLayerBase)
    specs = {name: layer.get_kv_cache_spec(config) for name, layer in layers.items()}
    specs = {name: spec for name, spec in specs.items() if spec is not None}
    if tensor > 1 and not config.model_config.use_mla:
        wide = ParallelConfig.__new__(ParallelConfig)
        object.__setattr__(wide, "tensor_parallel_size", tensor)
        heads = config.model_config.get_num_kv_heads(wide)
        specs = {name: replace(spec, num_kv_heads=heads) for name, spec in specs.items()}
    return specs, sum(p.numel() for p in model.parameters())


def numbers(case: dict[str, Any]) -> dict[str, Any]:
    """The figures of one model."""
    from vllm.config import set_current_vllm_config
    from vllm.v1.core.kv_cache_utils import get_kv_cache_capacity, get_kv_cache_configs

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(case["config"]), encoding="utf-8")
        config = engine_config(folder, case)
        config.cache_config.kv_cache_layout = "LBNHC"
        with set_current_vllm_config(config):
            specs, parameters = layer_specs(config, case["tensor"])
            found = get_kv_cache_configs(config, [specs], [case["available_bytes"]])[0]
            tokens, concurrency = get_kv_cache_capacity(config, found)
    return {
        "name": case["name"],
        "parameters": parameters,
        "layers": len(specs),
        "pages": sorted({spec.page_size_bytes for spec in specs.values()}),
        "groups": len(found.kv_cache_groups),
        "blocks": found.num_blocks,
        "capacity_tokens": tokens,
        "concurrency": concurrency,
        "in_flight_tokens": config.max_in_flight_tokens,
    }


def one_process() -> None:
    """The distributed state that a single worker has; model classes ask for it."""
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed.parallel_state import ensure_model_parallel_initialized, init_distributed_environment

    store = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115  # torch opens it by name
    with set_current_vllm_config(VllmConfig()):
        init_distributed_environment(1, 0, f"file://{store.name}", 0, backend="gloo")
        ensure_model_parallel_initialized(1, 1)


def main() -> None:
    """One JSON line out for each case in."""
    cases = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        one_process()
    for case in cases:
        with redirect_stdout(sys.stderr):
            try:
                row = numbers(case)
            except Exception as exc:  # noqa: BLE001  # one model that fails must not hide the others
                row = {"name": case["name"], "error": f"{type(exc).__name__}: {exc}"[:2000]}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
