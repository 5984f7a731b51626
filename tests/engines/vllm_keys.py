"""Every key of the `vllm:` section with what it becomes: the fast tests compare, vLLM's own parser reads the same."""

from typing import Any

__all__ = ["KEYS", "NOT_FLAGS"]

GIB = 2**30
KEYS: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"dtype": "float16"}, ("--dtype", "float16")),
    ({"dtype": "auto"}, ()),
    ({"quantization": "fp8"}, ("--quantization", "fp8")),
    ({"kv_cache_dtype": "fp8"}, ("--kv-cache-dtype", "fp8")),
    ({"tensor_parallel": 4}, ("--tensor-parallel-size", "4")),
    ({"pipeline_parallel": 2}, ("--pipeline-parallel-size", "2")),
    ({"data_parallel": 2}, ("--data-parallel-size", "2")),
    ({"expert_parallel": True}, ("--enable-expert-parallel",)),
    ({"gpu_memory_utilization": 0.9}, ("--gpu-memory-utilization", "0.9")),
    ({"kv_cache_gib": 1.5}, ("--kv-cache-memory-bytes", str(GIB * 3 // 2))),
    ({"cpu_offload_gib": 10}, ("--cpu-offload-gb", "10")),
    ({"kv_offload_gib": 8}, ("--kv-offloading-size", "8")),
    ({"prefix_caching": True}, ("--enable-prefix-caching",)),
    ({"prefix_caching": False}, ("--no-enable-prefix-caching",)),
    ({"chunked_prefill": False}, ("--no-enable-chunked-prefill",)),
    ({"max_batched_tokens": 8192}, ("--max-num-batched-tokens", "8192")),
    ({"enforce_eager": True}, ("--enforce-eager",)),
    ({"scheduling_policy": "priority"}, ("--scheduling-policy", "priority")),
    ({"max_queued_requests": 64}, ("--max-num-queued-reqs", "64")),
    ({"max_queued_tokens": 100000}, ("--max-num-queued-tokens", "100000")),
    (
        {"lora": {"legal": "/adapters/legal", "medical": "/adapters/a,b=c"}, "lora_rank": 32},
        (
            *("--enable-lora", "--max-lora-rank", "32", "--max-loras", "2"),
            "--lora-modules",
            '{"name": "legal", "path": "/adapters/legal"}',
            '{"name": "medical", "path": "/adapters/a,b=c"}',
        ),
    ),
    (
        {"lora": {"legal": "/adapters/legal"}, "lora_loaded": 4},
        (
            *("--enable-lora", "--max-lora-rank", "16", "--max-loras", "4"),
            *("--lora-modules", '{"name": "legal", "path": "/adapters/legal"}'),
        ),
    ),
    ({"speculative": {"method": "ngram", "tokens": 3}}, ("--spec-method", "ngram", "--spec-tokens", "3")),
    (
        {"speculative": {"method": "eagle3", "model": "/draft", "tokens": 5}},
        ("--spec-method", "eagle3", "--spec-model", "/draft", "--spec-tokens", "5"),
    ),
    ({"tool_parser": "hermes"}, ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")),
    ({"reasoning_parser": "qwen3"}, ("--reasoning-parser", "qwen3")),
    ({"structured_backend": "xgrammar"}, ("--structured-outputs-config", '{"backend": "xgrammar"}')),
    ({"template_args": {"enable_thinking": False}}, ("--default-chat-template-kwargs", '{"enable_thinking": false}')),
    ({"sampling": {"temperature": 0.6}}, ("--override-generation-config", '{"temperature": 0.6}')),
    ({"media_per_prompt": {"image": 2, "video": 0}}, ("--limit-mm-per-prompt", '{"image": 2, "video": 0}')),
    ({"revision": "main"}, ("--revision", "main")),
    ({"tokenizer": "Qwen/Qwen3-8B"}, ("--tokenizer", "Qwen/Qwen3-8B")),
    ({"hf_overrides": {"rope_theta": 1000000}}, ("--hf-overrides", '{"rope_theta": 1000000}')),
    ({"trust_remote_code": True}, ("--trust-remote-code",)),
    ({"sleep": True}, ("--enable-sleep-mode",)),
    ({"extra_args": ["--block-size", "32", "--seed=7"]}, ("--block-size", "32", "--seed=7")),
)
"""A section of one key (or of keys that go together), and the flags it adds to those that always stand."""

NOT_FLAGS = frozenset(
    {"program", "gpus", "env", "pull", "hf_token_env", "load_timeout_s", "shared_prefix_cache"}
    | {"allowed_media_domains", "media_on_premises", "chat_template"}
)
"""Keys that act in another way, or change a flag that always stands; each has a test of its own."""
