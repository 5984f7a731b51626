"""
The order that the router gives its llama.cpp child: one JSON line on stdin, written and read by the same class.

Stdlib only, because the child imports it too. The API key is part of the order: stdin is private to both ends, while
arguments are not and the environment is inherited by whatever the child starts.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from localfleet.engines.launch import ONE_RANKING, ONE_VECTOR, First, Launch, clean_environment

__all__ = ["BAD_JOB", "CANNOT_LOAD", "LlamaJob", "launch_llamacpp"]

BAD_JOB = 2
CANNOT_LOAD = 3
OUT_OF_MEMORY = -9
EXITS = {
    BAD_JOB: "the embedded engine did not understand its settings; reinstall localfleet",
    CANNOT_LOAD: "the embedded engine cannot load these weights; check that the file is a complete GGUF model",
    OUT_OF_MEMORY: "the embedded engine was killed, most often for lack of memory; "
    "lower `context_tokens:` or `parallel:`, or free memory",
}
ONE_TOKEN: First = (
    "/v1/chat/completions",
    {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "temperature": 0},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaJob:
    """What to load and how to serve it. `context_tokens` is what each of `parallel` requests may use."""

    model_path: str
    alias: str
    """The name the replies carry; without it they would show a path of this machine."""
    api_key: str = field(repr=False)
    context_tokens: int = 4096
    parallel: int = 2
    threads: int | None = None
    """`None`: all cores but one."""
    chat_template: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    vectors: bool = False
    """Embeddings as well."""
    words: bool = True
    """Whether it is asked for words at all; an encoder has none, so its canary must be an embedding or a ranking."""
    mean: bool = False
    """The vector of a text is the mean of its tokens' vectors; else as the file itself says."""

    ranks: bool = False
    """A reranker: it reads the query and a document together, and says a score; it does nothing else."""

    def to_line(self) -> bytes:
        """One JSON line, with its newline."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "LlamaJob":
        """Read the line; raises `ValueError` or `TypeError` where it is not one."""
        return cls(**json.loads(line))


def launch_llamacpp(job: LlamaJob, environ: Mapping[str, str], check: Callable[[], None] | None = None) -> Launch:
    """
    How to start the child for a job. `environ` is the router's own; only an allow-list of it is passed on.

    `-I` keeps the working directory and the user's site folder off the child's import path.
    """
    path, body = ONE_RANKING if job.ranks else ONE_TOKEN if job.words else ONE_VECTOR
    return Launch(
        name=job.alias,
        argv=(sys.executable, "-I", "-m", "localfleet.engines.llamacpp_child"),
        env=clean_environment(environ),
        stdin=job.to_line(),
        canary_path=path,
        canary_body=json.dumps({"model": job.alias, **body}).encode(),
        api_key=job.api_key,
        check=check,
        exits=EXITS,
    )
