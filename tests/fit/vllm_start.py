"""Starts the real vLLM on the CPU with made-up weights, and ends. What it logs of its cache is the point."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_ENABLE_V1_MULTIPROCESSING="0")


def start(case: dict[str, Any]) -> None:
    """Load, profile, lay the cache out."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(case["config"]), encoding="utf-8")
        engine = LLMEngine.from_engine_args(
            EngineArgs(
                model=folder,
                skip_tokenizer_init=True,
                load_format="dummy",
                enforce_eager=True,
                dtype="float32",
                max_model_len=case["context_tokens"],
                max_num_seqs=case["parallel"],
            )
        )
        print(json.dumps({"block_tokens": engine.vllm_config.cache_config.block_size}))


if __name__ == "__main__":
    start(json.load(sys.stdin))
