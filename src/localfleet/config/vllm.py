"""
`local.<name>.vllm:`, how vLLM serves one model. Keys are ours, values are checked here; `vllm_flags.py` turns them to
vLLM's words.

Left out means: as vLLM decides for this model and this GPU. Nothing here can open a port, a file or a log; see
`vllm_extra.py` for what `extra_args:` and `env:` may not say.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from localfleet.config.shape import ModelRef, Name, Shape
from localfleet.config.vllm_extra import args_problem, env_problem

__all__ = ["Speculative", "Vllm"]

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$")]
Path = Annotated[str, Field(min_length=1, max_length=4096)]
Gib = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Ways = Annotated[int, Field(ge=1, le=1024)]
Rank = Literal[1, 8, 16, 32, 64, 128, 256, 320, 512]


class Speculative(Shape):
    """A cheap guess at the next tokens, checked by the model: the same answers, sooner."""

    method: Word | None = None
    """vLLM's word: `ngram`, `eagle3`, `mtp` ...; default: what the draft model's files say."""
    model: Path | None = None
    """The draft model: a folder, or a name in the cache. `ngram` and `mtp` need none."""
    tokens: int = Field(default=4, ge=1, le=32)
    """How many tokens to guess at a time."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Speculative":
        if self.method is None and self.model is None:
            msg = "say the `method:` (such as ngram or mtp), or the draft `model:`"
            raise ValueError(msg)
        return self


class Vllm(Shape):
    """How vLLM serves one model."""

    program: Path = "vllm"
    """`vllm` on the PATH, the path of that program, or the path of a Python that has vLLM installed."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    quantization: Word | None = None
    kv_cache_dtype: Word | None = None
    tensor_parallel: Ways = 1
    pipeline_parallel: Ways = 1
    data_parallel: Ways = 1
    expert_parallel: bool = False
    gpus: tuple[Annotated[int, Field(ge=0, le=1023)], ...] | None = None
    """Indexes of the GPUs to use, as the driver counts them; default: all."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    kv_cache_gib: Gib | None = None
    """The size of the KV cache on each GPU, in place of what `gpu_memory_utilization` leaves."""
    cpu_offload_gib: Gib | None = None
    """Weights kept in main memory, for each GPU: for models that do not fit. Slow."""
    kv_offload_gib: Gib | None = None
    """Main memory for KV blocks that fall out of the GPU, over all GPUs."""
    prefix_caching: bool | None = None
    shared_prefix_cache: bool = False
    """Let keys profit from each other's prompts; the time to the first token then tells what others have asked."""
    chunked_prefill: bool | None = None
    max_batched_tokens: int | None = Field(default=None, ge=1)
    enforce_eager: bool = False
    scheduling_policy: Literal["fcfs", "priority"] = "fcfs"
    max_queued_requests: int | None = Field(default=None, ge=0)
    max_queued_tokens: int | None = Field(default=None, ge=0)
    lora: dict[Name, Path] = Field(default_factory=dict)
    """Adapters: the model name that clients use -> the adapter's folder."""
    lora_rank: Rank = 16
    """At least the largest rank among the adapters."""
    lora_loaded: int | None = Field(default=None, ge=1)
    """Adapters in one batch; default: all of them."""
    speculative: Speculative | None = None
    tool_parser: Word | None = None
    reasoning_parser: Word | None = None
    structured_backend: Literal["auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer"] | None = None
    chat_template: Path | None = None
    """A file."""
    template_args: dict[str, JsonValue] = Field(default_factory=dict)
    sampling: dict[Word, JsonValue] = Field(default_factory=dict)
    """Used where a request says nothing, for example `{temperature: 0.6}`."""
    allowed_media_domains: tuple[Domain, ...] = ()
    """Hosts from which vLLM may fetch what a caller names by URL; default none: callers send data, not addresses."""
    media_on_premises: bool = False
    """You vouch that these hosts are your own: the address that vLLM asks for was written by a caller."""
    media_per_prompt: dict[Word, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    revision: ModelRef | None = None
    tokenizer: Path | None = None
    hf_overrides: dict[str, JsonValue] = Field(default_factory=dict)
    trust_remote_code: bool = False
    """Runs Python that came with the weights, with all that this machine may do."""
    pull: bool = False
    """Let vLLM ask the Hugging Face hub for what is not in the cache; without it nothing is asked of anyone."""
    hf_token_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The variable that holds a token for gated weights, for `localfleet pull` and for vLLM with `pull: true`."""
    sleep: bool = False
    """Allow to put the model to sleep: its GPU memory is then free, its weights wait in main memory."""
    load_timeout_s: float = Field(default=1800, gt=0)
    extra_args: tuple[str, ...] = ()
    env: dict[str, str | int | float] = Field(default_factory=dict)

    @field_validator("extra_args")
    @classmethod
    def _only_harmless_args(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if (problem := args_problem(value)) is not None:
            raise ValueError(problem)
        return value

    @field_validator("env")
    @classmethod
    def _only_harmless_names(cls, value: dict[str, str | int | float]) -> dict[str, str | int | float]:
        if (problem := env_problem(value)) is not None:
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _gpus_for_all(self) -> "Vllm":
        wanted = self.tensor_parallel * self.pipeline_parallel * self.data_parallel
        if self.gpus is not None and len(self.gpus) != len(set(self.gpus)):
            msg = "`gpus:` names one twice"
            raise ValueError(msg)
        if self.gpus is not None and len(self.gpus) != wanted:
            msg = (
                f"`gpus:` names {len(self.gpus)}, but tensor_parallel x pipeline_parallel x data_parallel is {wanted}: "
                "make them equal"
            )
            raise ValueError(msg)
        if self.allowed_media_domains and not self.media_on_premises:
            msg = (
                "a caller writes the address that vLLM asks these hosts for, restricted text included: set "
                "`media_on_premises: true` to vouch that they are yours, or leave `allowed_media_domains:` out and "
                "let callers send data"
            )
            raise ValueError(msg)
        return self
