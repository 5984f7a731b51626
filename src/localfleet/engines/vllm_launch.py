"""
How to start `vllm serve` for one model, as a value. Pure: reads nothing, starts nothing.

What the operator asked arrives as flags (`config/vllm_flags.py`); here stands what localfleet adds whatever was asked:
a private socket instead of a port, one key, no request in any log, no word to the makers, nothing fetched unasked.

vLLM's key guards `/v1` alone, and with `sleep` its development endpoints (weights, remote calls, caches) stand open
beside it. So the socket lies in a folder that only its owner can enter, and that is the guard.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from localfleet.core.ask import WORDLESS, Api
from localfleet.engines.launch import ONE_RANKING, ONE_VECTOR, Controls, Launch, clean_environment
from localfleet.engines.tether import tethered
from localfleet.engines.vllm_causes import CAUSES, EXITS

__all__ = ["IS_SLEEPING", "METRICS", "SLEEP", "WAKE_UP", "VllmJob", "launch_vllm"]

SLEEP = "/sleep?level=1"
WAKE_UP = "/wake_up"
IS_SLEEPING = "/is_sleeping"
"""Paths on the private socket, there with `sleep` only. POST, POST, GET."""
METRICS = "/metrics"
"""Prometheus' text format; GET, on the private socket."""
KEPT_NAMES = frozenset({"CUDA_HOME", "CUDA_PATH", "CUDA_DEVICE_ORDER", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"})
MODULE = "vllm.entrypoints.openai.api_server"
CANARY_TOKENS = 4
"""Enough to tell an engine that lost its weights in its sleep from one that did not."""
KEEP_ALIVE_S = 75
"""Longer than the router keeps an idle connection: the engine must not close one that is about to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmJob:
    """What to serve and where. `program` is a path; paths in `flags` are complete."""

    name: str
    program: str
    weights: str
    """A folder, or a name on the Hugging Face hub."""
    socket: str
    """Path of the unix socket to listen on; its folder must be its owner's alone."""
    api_key: str = field(repr=False)
    flags: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[int, ...] | None = None
    sleep: bool = False
    pull: bool = False
    hf_token: str | None = field(default=None, repr=False)
    apis: frozenset[Api] = frozenset({Api.CHAT, Api.COMPLETION})
    start_timeout_s: float = 1800.0


def launch_vllm(job: VllmJob, environ: Mapping[str, str]) -> Launch:
    """How to start vLLM for a job. `environ` is the router's own; only an allow-list of it is passed on."""
    path, body = _canary(job)
    return Launch(
        name=job.name,
        argv=tethered(_argv(job)),
        env=_environment(job, environ),
        socket=job.socket,
        canary_path=path,
        canary_body=json.dumps({"model": job.name, **body}).encode(),
        api_key=job.api_key,
        metrics_path=METRICS,
        controls=Controls(sleep_path=SLEEP, wake_path=WAKE_UP) if job.sleep else None,
        start_timeout_s=job.start_timeout_s,
        sleeps=job.sleep,
        exits=EXITS,
        causes=CAUSES,
    )


def _argv(job: VllmJob) -> tuple[str, ...]:
    python = job.program.rpartition("/")[2].startswith("python")
    begin = ("-m", MODULE, "--model", job.weights) if python else ("serve", job.weights)
    # The program of `vllm serve` would start one API server for each data-parallel copy, and each with metrics apart.
    return (job.program, *begin, "--served-model-name", job.name, "--api-server-count", "1", *_quiet(job), *job.flags)


def _quiet(job: VllmJob) -> tuple[str, ...]:
    return (
        *("--uds", job.socket),
        *("--disable-uvicorn-access-log", "--disable-fastapi-docs", "--uvicorn-log-level", "warning"),
        *("--no-enable-log-requests", "--no-enable-log-outputs", "--no-log-error-stack"),
        *("--no-trust-request-chat-template", "--no-trust-request-mm-kwargs"),
    )


def _environment(job: VllmJob, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: text for name, text in environ.items() if name in KEPT_NAMES}
    env = {**clean_environment(environ), **kept, "HF_HUB_OFFLINE": "1", **job.env, **_imposed(job)}
    if job.gpus is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, job.gpus))
    if job.pull:
        env["HF_HUB_OFFLINE"] = "0"
        env |= {"HF_TOKEN": job.hf_token} if job.hf_token else {}
    return env


def _imposed(job: VllmJob) -> dict[str, str]:
    return {
        "VLLM_API_KEY": job.api_key,
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        # A host that may be asked for media could send vLLM on to one that may not.
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(KEEP_ALIVE_S),
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_SERVER_DEV_MODE": "1" if job.sleep else "0",
    }


def _canary(job: VllmJob) -> tuple[str, Mapping[str, object]]:
    """A few tokens, by the plainest API there is: weights without a chat template answer no chat."""
    if job.apis == {Api.RERANK}:
        return ONE_RANKING
    if job.apis <= WORDLESS:
        return ONE_VECTOR
    return "/v1/completions", {"prompt": "Hi", "max_tokens": CANARY_TOKENS, "temperature": 0}
