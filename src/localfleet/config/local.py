"""`local:`, the models of the privacy tier."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from localfleet.config.form import FormEntry
from localfleet.config.life import Life
from localfleet.config.routing import Level, Quality
from localfleet.config.shape import Name, Shape, check_url, is_loopback
from localfleet.config.vllm import Vllm
from localfleet.core.ask import Api, Need

__all__ = ["SHIPPED_WEIGHTS", "LocalModel"]

SHIPPED_WEIGHTS = "smollm2-135m-instruct"
"""Comes with localfleet, as a GGUF file."""

QUEUE_LIMIT = 32
PARALLEL = {"llamacpp": 2, "vllm": 256}
"""vLLM's own `max_num_seqs`: less would keep it from batching."""


class LocalModel(Shape):
    """A model of the privacy tier."""

    engine: Literal["auto", "llamacpp", "vllm", "endpoint"] = "auto"
    weights: str | None = None
    """
    `smollm2-135m-instruct` (ships with localfleet) or the path of a `.gguf` file, for llama.cpp; for vLLM a folder, or
    the name that the weights have on the Hugging Face hub.
    """
    url: str | None = None
    """`endpoint` only: the base URL of a running OpenAI-compatible server, with its `/v1`."""
    model: str | None = None
    """`endpoint` only: the model's name there; default: this entry's name."""
    api_key_env: str | None = None
    on_premises: bool = False
    """`endpoint` only: you vouch that a URL which is not loopback is your own machine."""
    context_tokens: int = Field(default=4096, ge=128)
    max_output_tokens: int | None = Field(default=None, ge=1)
    can: frozenset[Need] = frozenset()
    apis: frozenset[Api] = frozenset({Api.CHAT, Api.COMPLETION, Api.MESSAGES, Api.RESPONSES})
    """The APIs this model answers; `messages` and `responses` are translated where the engine only speaks `chat`."""
    form: FormEntry | None = None
    specialised: tuple[Name, ...] = ()
    """What it was made for; `auto` leaves it alone: its name, a task's row and tasks of these names reach it."""
    level: Level | None = None
    quality: Quality | None = None
    queue_limit: int | None = Field(default=None, ge=1)
    queue_tokens: int | None = Field(default=None, ge=1)
    parallel: int | None = Field(default=None, ge=1, le=4096)
    threads: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=600, gt=0)
    vllm: Vllm | None = None
    """`vllm` and `auto` only."""
    life: Life = Life()
    """Not for an `endpoint`: that comes and goes as its own operator says."""

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp reads these weights and vLLM does not."""
        return self.weights is not None and (self.weights == SHIPPED_WEIGHTS or self.weights.lower().endswith(".gguf"))

    @property
    def lora(self) -> Mapping[str, str]:
        """Adapters by the names that clients use."""
        return self.vllm.lora if self.vllm is not None else {}

    @model_validator(mode="after")
    def _vllm_where_it_belongs(self) -> "LocalModel":
        if self.vllm is not None and self.engine not in {"vllm", "auto"}:
            msg = "`vllm:` belongs to `engine: vllm` or `auto`"
            raise ValueError(msg)
        if self.is_gguf and (self.engine == "vllm" or self.vllm is not None):
            msg = (
                "vLLM does not read these weights: name a folder with a config.json and safetensors, or the weights' "
                "name on the Hugging Face hub, such as Qwen/Qwen3-8B; GGUF files go with `engine: llamacpp`"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _life_where_we_run_it(self) -> "LocalModel":
        if self.engine == "endpoint" and "life" in self.model_fields_set:
            msg = "`life:` is for models that localfleet runs; an endpoint comes and goes as its own operator says"
            raise ValueError(msg)
        return self

    @property
    def _runs_on(self) -> str:
        """What `auto` means for these weights."""
        return self.engine if self.engine != "auto" else "llamacpp" if self.is_gguf else "vllm"

    @property
    def limit(self) -> int:
        """Requests inside and in the line together: `queue_limit`, else 32, or twice the slots where that is more."""
        return self.queue_limit or max(QUEUE_LIMIT, 2 * (self.parallel or PARALLEL.get(self._runs_on, 0)))

    @property
    def slots(self) -> int:
        """Requests inside at one time: `parallel`, else what suits the engine; an endpoint takes what it is sent."""
        return self.parallel or PARALLEL.get(self._runs_on) or self.limit

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> "LocalModel":
        if self.engine == "endpoint":
            if self.url is None:
                msg = "an endpoint needs `url:`, for example http://127.0.0.1:11434/v1"
                raise ValueError(msg)
            check_url(self.url)
            if not self.on_premises and not is_loopback(self.url):
                msg = (
                    "this URL is not on this machine, and a local model sees restricted text: "
                    "set `on_premises: true` to vouch that the server is yours, or move the entry to `hosted:`"
                )
                raise ValueError(msg)
        else:
            for key in ("url", "model", "api_key_env"):
                if getattr(self, key) is not None:
                    msg = f"`{key}:` belongs to `engine: endpoint` only"
                    raise ValueError(msg)
            if self.weights is None:
                msg = "say which `weights:` to load, for example smollm2-135m-instruct"
                raise ValueError(msg)
        return self
