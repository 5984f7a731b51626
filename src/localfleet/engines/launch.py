"""
How to start one engine process, as a value: what to run, with which environment, and how to see that it answers.

Nothing runs here: the supervisor acts on it, the engines (llama.cpp, vLLM) build it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from localfleet.engines.start_log import Cause

__all__ = ["ONE_RANKING", "ONE_VECTOR", "Controls", "First", "Launch", "clean_environment"]

KEPT_NAMES = frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"})
KEPT_PREFIXES = ("LC_", "OMP_", "GGML_")
DEFAULT_START_S = 600.0
First = tuple[str, Mapping[str, object]]
ONE_VECTOR: First = "/v1/embeddings", {"input": "Hi"}
ONE_RANKING: First = "/v1/rerank", {"query": "Hi", "documents": ["Hi"]}
"""What an engine that says no words is asked first: path and body."""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """
    The few variables an engine process may see: search paths, language, threads and devices.

    An allow-list, so that provider keys, proxies and settings for other tools never reach a process that runs foreign
    native code.
    """
    return {name: text for name, text in environ.items() if name in KEPT_NAMES or name.startswith(KEPT_PREFIXES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """
    Paths that put an engine to sleep and wake it, by POST; they must lead to a private socket or to loopback.

    Asleep an engine keeps its process; what it keeps of the GPU's memory is its own matter.
    """

    sleep_path: str
    wake_path: str
    timeout_s: float = 120.0
    """Moving the weights of a large model over the bus takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """
    One engine process, on loopback or on a unix socket, that speaks OpenAI's HTTP.

    Secrets travel in `stdin` or `env`, never in `argv`: every user of the machine can read arguments.
    """

    name: str
    """The model's name in `models.yaml`, for progress lines."""
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(default=b"", repr=False)
    """Written once; the pipe then stays open, and its end of file tells the child that the parent is gone."""
    port: int | None = None
    """The port it was told to use; `None` and no `socket`: its first line on stdout is `{"port": N}`."""
    socket: str | None = None
    """The unix socket it was told to use; what lies there before a start is removed."""
    health_path: str = "/health"
    canary_path: str = "/v1/chat/completions"
    canary_body: bytes = b"{}"
    """A request for one token: a process that loads but cannot answer is not ready."""
    metrics_path: str | None = None
    """Where the engine tells its counters (`wire/engine_metrics.py` reads them), if it does."""
    controls: Controls | None = None
    """How to put it to sleep; `None`: it can only be unloaded."""
    api_key: str = field(repr=False)
    start_timeout_s: float = DEFAULT_START_S
    """From the start of the process to its first answer."""
    sleeps: bool = False
    """Whether it can be told to sleep; where it listens, its control paths then stand open beside the others."""
    check: Callable[[], None] | None = None
    """Runs in a thread before the process starts (checksums); raises `FleetError` to stop for good."""
    exits: Mapping[int, str] = field(default_factory=dict)
    """Fixed sentences for exit codes this engine is known to use (a negative code is a signal)."""
    causes: tuple[Cause, ...] = ()
    """Known reasons not to start, looked for in what it prints until it is ready; none: nothing is read."""

    @property
    def tells_port(self) -> bool:
        """Whether its place is known only from its first line on stdout."""
        return self.port is None and self.socket is None
