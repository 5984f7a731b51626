"""
The child program that runs llama.cpp: `python -I -m localfleet.engines.llamacpp_child`.

It reads one job line on stdin, serves on a free port of 127.0.0.1, prints `{"port": N}` and lives until stdin closes.
A process of its own, because native code that crashes must not take the router down. Prompts pass through its memory,
so nothing of it is written: stdout and stderr lead nowhere (llama.cpp's log may hold prompts), and there are no core
dumps.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import xllamacpp

from localfleet.engines.llamacpp_job import BAD_JOB, CANNOT_LOAD, LlamaJob

__all__ = ["main"]

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
QUIET = -1
NOBODY = "http://localhost.invalid"
"""The one origin browsers are told may read replies: it does not exist. llama.cpp's default is `*`."""


def main() -> None:
    """Serve one job; never returns."""
    report = silence()
    harden()
    try:
        job = LlamaJob.from_line(sys.stdin.buffer.readline())
    except (ValueError, TypeError):
        os._exit(BAD_JOB)
    try:
        server = xllamacpp.Server(parameters(job))
    except (RuntimeError, ValueError):
        os._exit(CANNOT_LOAD)
    # Not before: while the model loads, native code holds this thread and Python's handlers would wait for it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(report, json.dumps({"port": urlsplit(server.listening_address).port}).encode() + b"\n")
    os.close(report)
    sys.stdin.buffer.read()
    # The end of stdin is the end of the parent. No tidy shutdown: it would wait for answers that nobody reads.
    os._exit(0)


def silence() -> int:
    """Keep the real stdout for the port line and lead descriptors 1 and 2 nowhere; the engine only knows those."""
    report = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return report


def harden() -> None:
    """
    Die with the parent, leave no core dump, and leave Ctrl-C to the parent, which drains first.

    `PR_SET_DUMPABLE` also keeps crash reporters that read memory through a pipe, and other processes of the same user,
    away from the prompts; the core limit alone does not.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def parameters(job: LlamaJob) -> Any:
    """llama.cpp's settings for a job."""
    params = xllamacpp.CommonParams()
    params.model.path = job.model_path
    params.model_alias = {job.alias}
    # llama.cpp shares one context among its slots; a request must get all that the operator promised.
    params.n_ctx = job.context_tokens * job.parallel
    params.n_parallel = job.parallel
    # It would shrink the context to what it thinks fits, and reads the whole model twice to find out.
    params.fit_params = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = job.threads or spare_cores()
    if job.vectors or job.ranks:
        embed(params, job)
    ask_well(params, job)
    shut_doors(params, job)
    return params


def embed(params: Any, job: LlamaJob) -> None:
    """
    Embeddings, beside words; or scores, alone.

    A text must fit into one batch: most models of this kind read it in both directions, so not piece by piece.
    """
    params.embedding = True
    params.n_batch = params.n_ubatch = job.context_tokens
    if job.ranks:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    elif job.mean:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN


def spare_cores() -> int:
    """
    All cores this process may use but one, which is the router's; at least one.

    llama.cpp's threads wait for each other by spinning. One core short, all of them stand still: on two cores shared
    with other work, two threads made 2 to 10 tokens a second and one thread 100 (22 against 3 under full load).
    """
    return max(1, len(os.sched_getaffinity(0)) - 1)


def ask_well(params: Any, job: LlamaJob) -> None:
    """The template, and the sampling used where a request says nothing."""
    params.use_jinja = True
    if job.chat_template is not None:
        params.chat_template = job.chat_template
    if job.temperature is not None:
        params.sampling.temp = job.temperature
    if job.top_p is not None:
        params.sampling.top_p = job.top_p


def shut_doors(params: Any, job: LlamaJob) -> None:
    """
    Loopback, one key, and only what the router uses.

    The key matters: any user of the machine can reach a loopback port. `/health` alone answers without it. The prompt
    cache in memory is off: it keeps 8 GB of old prompts by default; each slot still reuses its own prefix.
    """
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [job.api_key]
    params.offline = True
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = True
    params.slot_save_path = ""
    params.cors_origins = NOBODY
    params.cors_origins_explicit = True
    params.cors_credentials = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.verbosity = QUIET


if __name__ == "__main__":
    main()
