"""`local:`, the models of the privacy tier."""

from typing import Literal

from pydantic import Field, model_validator

from localfleet.config.shape import Shape, check_url, is_loopback
from localfleet.core.ask import Api, Need

__all__ = ["LocalModel"]

QUEUE_LIMIT = 32
PARALLEL = {"auto": 2, "llamacpp": 2, "vllm": 256}
"""vLLM's own `max_num_seqs`: less would keep it from batching."""


class LocalModel(Shape):
    """A model of the privacy tier."""

    engine: Literal["auto", "llamacpp", "vllm", "endpoint"] = "auto"
    weights: str | None = None
    """`smollm2-135m-instruct` (ships with localfleet) or the path of a `.gguf` file."""
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
    queue_limit: int | None = Field(default=None, ge=1)
    queue_tokens: int | None = Field(default=None, ge=1)
    parallel: int | None = Field(default=None, ge=1, le=4096)
    threads: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=600, gt=0)

    @property
    def limit(self) -> int:
        """Requests inside and in the line together: `queue_limit`, else 32, or twice the slots where that is more."""
        return self.queue_limit or max(QUEUE_LIMIT, 2 * (self.parallel or PARALLEL.get(self.engine, 0)))

    @property
    def slots(self) -> int:
        """Requests inside at one time: `parallel`, else what suits the engine; an endpoint takes what it is sent."""
        return self.parallel or PARALLEL.get(self.engine) or self.limit

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
