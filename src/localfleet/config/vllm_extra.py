"""
What `extra_args:` and `env:` of a vLLM model may not say: flags and names that localfleet sets itself, or that would
open a door, a log or a network connection that nobody checks.

Arguments are judged by their full name and by every shorter form of it, because vLLM's parser takes abbreviations.
"""

import re
from collections.abc import Iterable, Mapping

__all__ = ["KEYED_FLAGS", "OWNED_FLAGS", "args_problem", "env_problem"]

KEYED_FLAGS: Mapping[str, str] = {
    "--allowed-media-domains": "allowed_media_domains",
    "--chat-template": "chat_template",
    "--cpu-offload-gb": "cpu_offload_gib",
    "--data-parallel-size": "data_parallel",
    "--default-chat-template-kwargs": "template_args",
    "--device-ids": "gpus",
    "--device-memory-utilization": "gpu_memory_utilization",
    "--dtype": "dtype",
    "--enable-auto-tool-choice": "tool_parser",
    "--enable-chunked-prefill": "chunked_prefill",
    "--enable-expert-parallel": "expert_parallel",
    "--enable-lora": "lora",
    "--enable-prefix-caching": "prefix_caching",
    "--enable-sleep-mode": "sleep",
    "--enforce-eager": "enforce_eager",
    "--gpu-memory-utilization": "gpu_memory_utilization",
    "--hf-overrides": "hf_overrides",
    "--kv-cache-dtype": "kv_cache_dtype",
    "--kv-cache-memory-bytes": "kv_cache_gib",
    "--kv-offloading-size": "kv_offload_gib",
    "--limit-mm-per-prompt": "media_per_prompt",
    "--lora-modules": "lora",
    "--max-lora-rank": "lora_rank",
    "--max-loras": "lora_loaded",
    "--max-num-batched-tokens": "max_batched_tokens",
    "--max-num-queued-reqs": "max_queued_requests",
    "--max-num-queued-tokens": "max_queued_tokens",
    "--override-generation-config": "sampling",
    "--pipeline-parallel-size": "pipeline_parallel",
    "--quantization": "quantization",
    "--reasoning-parser": "reasoning_parser",
    "--revision": "revision",
    "--scheduling-policy": "scheduling_policy",
    "--spec-method": "speculative",
    "--spec-model": "speculative",
    "--spec-tokens": "speculative",
    "--speculative-config": "speculative",
    "--structured-outputs-config": "structured_backend",
    "--tensor-parallel-size": "tensor_parallel",
    "--tokenizer": "tokenizer",
    "--tool-call-parser": "tool_parser",
    "--trust-remote-code": "trust_remote_code",
}
"""Flag -> the key of the `vllm:` section that sets it."""

OWNED_FLAGS: Mapping[str, str] = {
    "the entry's own keys set it": "--model --max-model-len --max-num-seqs",
    "localfleet alone speaks to the engine, over a private socket": """
        --host --port --uds --grpc --grpc-port --root-path --middleware --api-key --config --headless --shutdown-timeout
        --api-server-count --served-model-name --allow-credentials --allowed-origins --allowed-methods --allowed-headers
        --ssl-keyfile --ssl-certfile --ssl-ca-certs --enable-ssl-refresh --ssl-cert-reqs --ssl-ciphers --tokens-only
        --disable-fastapi-docs --enable-offline-docs --enable-tokenizer-info-endpoint --enable-scale-out --help
        """,
    "an engine's log or trace may hold prompts": """
        --enable-log-requests --enable-log-outputs --enable-log-deltas --max-log-len --log-level --logging-config
        --log-config-file --log-error-stack --uvicorn-log-level --profiler-config --disable-uvicorn-access-log
        --disable-access-log-for-endpoints --otlp-traces-endpoint --collect-detailed-traces --aggregate-engine-logging
        --enable-logging-iteration-details --enable-trace-replay
        """,
    "its metrics are read": "--disable-log-stats",
    "what the engine knows stays on this machine": """
        --kv-transfer-config --kv-events-config --ec-transfer-config --weight-transfer-config --kv-offloading-backend
        --master-addr --master-port --nnodes --node-rank --distributed-executor-backend --enable-elastic-ep
        --enable-fault-tolerance --data-parallel-address --data-parallel-rpc-port --data-parallel-rank
        --data-parallel-start-rank --data-parallel-backend --data-parallel-size-local --data-parallel-hybrid-lb
        --data-parallel-external-lb --data-parallel-multi-port-external-lb --data-parallel-supervisor-port
        """,
    "it would trust the callers with this machine": """
        --trust-request-chat-template --trust-request-mm-kwargs --allowed-local-media-path --tool-server
        --enable-prompt-embeds --enable-mm-embeds
        """,
    "every user of the machine can read arguments; write `hf_token_env:`": "--hf-token",
}
"""Why flags may not be given -> the flags."""

LEAST_ABBREVIATION = 3
"""`--x`: argparse takes any unambiguous beginning of a name."""
NUMBER = re.compile(r"-\d+(\.\d+)?")
ALLOWED_NAMES = frozenset({"HF_HOME", "HF_HUB_CACHE", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"})
ALLOWED_PREFIXES = ("VLLM_", "NCCL_", "CUDA_", "OMP_", "TRITON_", "FLASHINFER_")
KEYED_NAMES = {"CUDA_VISIBLE_DEVICES": "gpus", "HF_HUB_OFFLINE": "pull", "HF_TOKEN": "hf_token_env"}
OWNED_NAMES = frozenset(
    {
        "VLLM_ALLOW_INSECURE_SERIALIZATION",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
        "VLLM_API_KEY",
        "VLLM_CONFIGURE_LOGGING",
        "VLLM_DO_NOT_TRACK",
        "VLLM_HOST_IP",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE",
        "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS",
        "VLLM_NO_USAGE_STATS",
        "VLLM_PORT",
        "VLLM_RPC_BASE_PATH",
        "VLLM_RUST_FRONTEND_PATH",
        "VLLM_SERVER_DEV_MODE",
        "VLLM_USE_MODELSCOPE",
        "VLLM_USE_RUST_FRONTEND",
    }
)
OWNED_PREFIXES = (
    *("VLLM_LOGGING_", "VLLM_USAGE_", "VLLM_DEBUG_", "VLLM_TRACE_", "VLLM_TORCH_PROFILER_", "VLLM_LORA_RESOLVER_"),
    # Caches that travel between machines, or to the disk.
    *("VLLM_DP_", "VLLM_EC_", "VLLM_NIXL_", "VLLM_P2P_", "VLLM_MOONCAKE_", "VLLM_MEDIA_CACHE", "VLLM_V1_USE_OUTLINES_"),
)


def args_problem(args: Iterable[str]) -> str | None:
    """What is wrong with `extra_args:`, in a sentence for people; `None` where nothing is."""
    for place, arg in enumerate(args):
        if not arg.startswith("-"):
            if place == 0:
                return "begin with a flag, such as `--block-size`; `weights:` names the model"
            continue
        if NUMBER.fullmatch(arg):
            continue
        if not arg.startswith("--") or len(arg) < LEAST_ABBREVIATION:
            return "write flags in full, with two dashes"
        if (problem := _flag_problem(arg)) is not None:
            return problem
    return None


def _flag_problem(arg: str) -> str | None:
    # vLLM takes `--a_b`, `--a-b=c`, `--no-a-b` and, for JSON, `--a-b.c`.
    flag = re.split(r"[=.]", arg.replace("_", "-"), maxsplit=1)[0].lower()
    positive = "--" + flag.removeprefix("--no-") if flag.startswith("--no-") else flag
    for name in {flag, positive}:
        for why, owned in OWNED_FLAGS.items():
            for known in owned.split():
                if known == name or (known.startswith(name) and name not in KEYED_FLAGS):
                    return f"`{known}` may not be given: {why}"
        for known, key in KEYED_FLAGS.items():
            if known.startswith(name):
                return f"`{known}` has a key of its own: write `{key}:`"
    return None


def env_problem(names: Iterable[str]) -> str | None:
    """What is wrong with the names in `env:`; `None` where nothing is."""
    for name in names:
        if name in KEYED_NAMES:
            return f"{name} has a key of its own: write `{KEYED_NAMES[name]}:`"
        if name in OWNED_NAMES or name.startswith(OWNED_PREFIXES):
            return "sets a variable that localfleet sets itself, or that would open a log or a door"
        if name not in ALLOWED_NAMES and not name.startswith(ALLOWED_PREFIXES):
            return "may only set VLLM_*, NCCL_*, CUDA_*, OMP_*, TRITON_*, FLASHINFER_*, HF_HOME and the like"
    return None
