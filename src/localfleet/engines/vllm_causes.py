"""
Why vLLM did not start: what its log says in such a case, and what to do, in our words.

The patterns were taken from the source of vLLM 0.32 and from what PyTorch, CUDA and the Hugging Face libraries say. The
table's order is from the particular to the general: a start that fails often prints several of them.
"""

import re

from localfleet.engines.start_log import Cause

__all__ = ["CAUSES", "EXITS"]

KILLED = -9
OUT_OF_MAIN_MEMORY = "vLLM was killed, most often because main memory ran out; free memory, or name smaller weights"
BAD_FLAGS = 2
NO_PROGRAM = 127
EXITS = {
    KILLED: OUT_OF_MAIN_MEMORY,
    BAD_FLAGS: "vLLM does not know a flag that was given: check `extra_args:`, and that it is release 0.32",
    NO_PROGRAM: "the program in `vllm.program:` cannot be started; run `localfleet doctor`",
}

TABLE: tuple[tuple[bool, str, str], ...] = (
    (
        True,
        r"No package metadata was found for|No module named '?vllm|PackageNotFoundError",
        (
            "this Python has no complete vLLM: name another in `vllm.program:`; a build under another name "
            "than `vllm` starts by the path of its Python, not of its `vllm`"
        ),
    ),
    (
        True,
        r"error: (?:unrecognized arguments|argument |the following arguments|ambiguous option)",
        (
            "vLLM does not know a flag or value that was given: check `extra_args:` and the `vllm:` keys, and that it "
            "is release 0.32"
        ),
    ),
    (
        True,
        (
            r"consider setting `trust_remote_code=True`|contains custom code which must be executed"
            r"|requires you to execute the configuration file"
        ),
        (
            "these weights come with their own Python code, which is not run: set `vllm: {trust_remote_code: true}` if "
            "you have read it"
        ),
    ),
    (
        True,
        r"[Mm]odel architectures? .{0,200}not supported|does not recognize this architecture",
        "this vLLM does not know the architecture of these weights: use a newer vLLM, or other weights",
    ),
    (
        True,
        r"GatedRepoError|gated repo|401 Client Error|403 Client Error",
        (
            "the hub gives these weights to known accounts only: set `vllm: {pull: true, hf_token_env: HF_TOKEN}` and "
            "export the token"
        ),
    ),
    (
        True,
        (
            r"LocalEntryNotFoundError|OfflineModeIsEnabled|is not a local folder and is not a valid model identifier"
            r"|is not a valid model identifier|couldn't connect to '?https://huggingface|Cannot find any model weights"
            r"|Can't load the configuration of|RepositoryNotFoundError|Invalid repository ID or local directory"
        ),
        (
            "vLLM did not find these weights: name a folder with config.json and safetensors, fetch them first, or set "
            "`vllm: {pull: true}`"
        ),
    ),
    (
        True,
        r"Unknown quantization method|does not match the quantization",
        "`vllm.quantization:` does not fit these weights: leave it out, so that their own config.json decides",
    ),
    (
        True,
        (
            r"quantization method .{0,80}not supported for the current GPU"
            r"|only supported on GPUs|no kernel image is available"
        ),
        "this GPU is too old for this number format: try `vllm: {dtype: float16}` or another quantization",
    ),
    (
        True,
        r"must be divisible by tensor parallel size",
        "the model's heads cannot be shared among so many GPUs: choose a `vllm.tensor_parallel:` that divides them",
    ),
    (
        True,
        r"Sleep mode is not supported on current|cumem allocator is not supported",
        "this platform cannot put a model to sleep: remove `vllm.sleep:`",
    ),
    (
        True,
        r"invalid tool call parser|invalid reasoning parser",
        "vLLM has no such parser: check `vllm.tool_parser:` and `vllm.reasoning_parser:`",
    ),
    (
        True,
        r"supplied chat template|Invalid chat template",
        "vLLM cannot use the file in `vllm.chat_template:`",
    ),
    (
        True,
        r"is greater than max_lora_rank",
        "an adapter is larger than allowed: raise `vllm.lora_rank:`",
    ),
    (
        True,
        r"adapter_config\.json|No adapter found|does not support LoRA|unsupported LoRA weight",
        "an adapter in `vllm.lora:` cannot be used: each is a folder with adapter_config.json, made for these weights",
    ),
    (
        True,
        r"KV\s+cache is needed, which is larger|larger than the maximum number of tokens that can",
        (
            "the context does not fit: lower `context_tokens:`, set `vllm: {kv_cache_dtype: fp8}`, or raise "
            "`vllm.gpu_memory_utilization:`"
        ),
    ),
    (
        True,
        r"is greater than the derived max_model_len",
        "`context_tokens:` is more than these weights were made for: lower it",
    ),
    (
        False,
        r"No available memory for the cache blocks",
        "no memory is left for the KV cache: raise `vllm.gpu_memory_utilization:`, or name smaller weights",
    ),
    (
        False,
        r"Free memory on device .{0,120}on startup is less than",
        "another program holds the GPU's memory: end it, or lower `vllm.gpu_memory_utilization:`",
    ),
    (
        False,
        r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|DefaultCPUAllocator: can't allocate memory",
        (
            "memory ran out while the model loaded: lower `context_tokens:` or `parallel:`, use quantized weights, or "
            "spread them with `vllm.tensor_parallel:`"
        ),
    ),
    (
        True,
        r"invalid device ordinal|World size .{0,80}is larger than the number of available GPUs",
        "there are fewer GPUs than asked for: check `vllm.gpus:` and `vllm.tensor_parallel:`",
    ),
    (
        False,
        r"CUDA driver version is insufficient|CUDA unknown error|Can't initialize NVML|nvmlInit|libcuda\.so",
        "the NVIDIA driver does not answer this vLLM: run `localfleet doctor`, and `nvidia-smi`",
    ),
    (
        True,
        r"Failed to infer device type|No CUDA GPUs are available",
        "vLLM finds no GPU: check the driver, and that the container may see it",
    ),
    (False, r"Failed core proc\(s\): \{[^}]*: -9", OUT_OF_MAIN_MEMORY),
    (False, r"NCCL error|ncclSystemError|ncclUnhandledCudaError", "the GPUs do not reach each other (NCCL)"),
    (
        False,
        r"Errno 98|EADDRINUSE|address already in use",
        "the engine's socket is taken: another localfleet may run in this folder",
    ),
)
CAUSES = tuple(
    Cause(pattern=re.compile(pattern.encode(), re.DOTALL), sentence=sentence, final=final)
    for final, pattern, sentence in TABLE
)
