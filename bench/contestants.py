"""
Who is measured and how each is started: on loopback, with its files in one temporary folder, gone at the end.

All get the same requests and the same upstream. Nobody retries, logs requests, or needs a key.
"""

import json
import os
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

__all__ = ["Contestant", "answer_of_upstream", "bodies", "free_port", "line_up", "running", "upstream"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REQUEST_BYTES = 330
BODIES = 500
START_S = 90.0
LITELLM = "1.106.2"
PORTKEY = "1.15.2"
PROXY_CORE, LOAD_CORE = "0", "1"
QUESTION = "what is the capital of France, and which river does it lie on?"
SECRET_QUESTION = "my card is 4111 1111 1111 1111, was it charged for the hotel in Paris?"
FILLER = " Answer in one or two short sentences, and be polite about it, since the guests read it as it is."


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One server, or one way through it: `shares` names the contestant whose process it uses."""

    name: str
    title: str
    port: int
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    core: str = PROXY_CORE
    model: str = "bench"
    question: str = QUESTION
    headers: Mapping[str, str] = field(default_factory=dict)
    expects: Mapping[str, str] = field(default_factory=dict)
    """Response headers that prove the way it took."""
    shares: str = ""
    stream: bool = False


def bodies(contestant: Contestant) -> list[bytes]:
    """Different chat requests of the same 330 bytes each."""
    return [body_of(contestant, number) for number in range(BODIES)]


def body_of(contestant: Contestant, number: int) -> bytes:
    """One chat request, filled up with words."""
    system = "You help the guests of a travel agency. Say so when you do not know."
    fields: dict[str, Any] = {
        "model": contestant.model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Question {number:03d}: {contestant.question}"},
        ],
        "temperature": 0.2,
        "max_tokens": 128,
    }
    if contestant.stream:
        fields["stream"] = True
    room = REQUEST_BYTES - len(json.dumps(fields, separators=(",", ":")))
    fields["messages"][1]["content"] += FILLER[:room]
    return json.dumps(fields, separators=(",", ":")).encode()


def answer_of_upstream() -> str:
    """A chat completion as OpenAI sends it, with usage."""
    usage = {
        "prompt_tokens": 61,
        "completion_tokens": 14,
        "total_tokens": 75,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    message = {"role": "assistant", "content": "The capital of France is Paris. It lies on the Seine.", "refusal": None}
    completion = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1_763_790_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_b376dfbbd5",
    }
    return json.dumps(completion, separators=(",", ":"))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def upstream(work: Path) -> Contestant:
    """Nginx with its fixed answer, on the core of the load."""
    port = free_port()
    argv = nginx(work, "upstream", port=port, answer=answer_of_upstream())
    return Contestant(name="upstream", title="the upstream itself", port=port, argv=argv, core=LOAD_CORE)


def line_up(work: Path, cache: Path, up: Contestant, skip: frozenset[str]) -> list[Contestant]:
    """Everybody behind the same upstream, in the order of the rounds."""
    url = f"http://127.0.0.1:{up.port}/v1"
    port = free_port()
    plain = Contestant(
        name="nginx",
        title="nginx, forwarding only",
        port=port,
        argv=nginx(work, "proxy", port=port, upstream=str(up.port)),
    )
    few = router(work, url, name="tables", privacy=TABLES, beside=", without topics and names")
    everybody = [plain, passthrough("own", url), passthrough("pyreqwest", url), *router(work, url), *few]
    others = {"litellm": litellm, "portkey": portkey}
    return everybody + [make(work, cache, url) for name, make in others.items() if name not in skip]


def nginx(work: Path, name: str, **values: object) -> tuple[str, ...]:
    """The command for a configuration of this folder."""
    template = {"upstream": "upstream.conf", "proxy": "proxy.conf"}[name]
    text = string.Template((HERE / template).read_text()).substitute(work=work, **values)
    path = work / template
    path.write_text(text)
    return ("nginx", "-p", str(work), "-c", str(path))


def passthrough(client: str, url: str) -> Contestant:
    """The bare pass-through with one of two clients."""
    port = free_port()
    title = {"own": "bare pass-through, own client", "pyreqwest": "bare pass-through, pyreqwest"}[client]
    argv = (sys.executable, str(HERE / "passthrough.py"), str(port), url, client)
    return Contestant(name=f"passthrough-{client}", title=title, port=port, argv=argv)


def router(work: Path, url: str, *, name: str = "router", privacy: str = "", beside: str = "") -> list[Contestant]:
    """Localfleet with everything on, three ways through: the local door, the hosted door, and restricted text."""
    port = free_port()
    home = work / f"{name}-home"
    config = work / f"{name}.yaml"
    config.write_text(router_config(url) + privacy)
    local = Contestant(
        name=f"{name}-local",
        title=f"localfleet, local door{beside}",
        port=port,
        argv=(str(Path(sys.executable).with_name("localfleet")), "serve", "--config", str(config), "--port", str(port)),
        env={"LOCALFLEET_HOME": str(home), "BENCH_KEY": "sk-bench"},
        model="local",
        expects={"x-localfleet-tier": "local", "x-localfleet-privacy": "internal"},
    )
    hosted = Contestant(
        name=f"{name}-hosted",
        title=f"localfleet, hosted door{beside}",
        port=port,
        model="auto",
        expects={"x-localfleet-tier": "low_cost", "x-localfleet-privacy": "internal"},
        shares=local.name,
    )
    restricted = Contestant(
        name=f"{name}-restricted",
        title=f"localfleet, restricted text{beside}",
        port=port,
        model="auto",
        question=SECRET_QUESTION,
        expects={"x-localfleet-tier": "local", "x-localfleet-privacy": "restricted"},
        shares=local.name,
    )
    return [local, hosted, restricted]


TABLES = "privacy: {layers: [own, secrets, patterns]}\n"
"""The layers that find what has a shape, and no others."""


def router_config(url: str) -> str:
    """Two doors to the same upstream; all else as it comes: every detector, the ledger, metrics."""
    return f"""
version: 1
local:
  box: {{engine: endpoint, url: "{url}", model: bench, context_tokens: 8192, can: [tools, json], queue_limit: 1024}}
hosted:
  cloud: {{provider: openai, base_url: "{url}", model: gpt-4o-mini, tier: low_cost,
          api_key_env: BENCH_KEY, accepts: internal}}
"""


def litellm(work: Path, cache: Path, url: str) -> Contestant:
    """LiteLLM's proxy: one model, no database, telemetry off."""
    port = free_port()
    venv = litellm_venv(cache)
    config = work / "litellm.yaml"
    config.write_text(f"""
model_list:
  - model_name: bench
    litellm_params: {{model: openai/gpt-4o-mini, api_base: "{url}", api_key: sk-bench}}
litellm_settings: {{telemetry: false, num_retries: 0}}
""")
    command = (str(venv / "bin/python"), str(venv / "bin/litellm"), "--config", str(config), "--telemetry", "False")
    return Contestant(
        name="litellm",
        title=f"LiteLLM proxy {LITELLM}",
        port=port,
        argv=(*command, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        env={
            "HOME": str(work),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
        },
    )


def litellm_venv(cache: Path) -> Path:
    """An environment of its own, made once, outside the project."""
    venv = cache / f"litellm-{LITELLM}"
    if not (venv / "ready").exists():
        print(f"installing litellm {LITELLM} into {venv} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"litellm[proxy]=={LITELLM}"], check=True)
        (venv / "ready").touch()
    return venv


def portkey(work: Path, cache: Path, url: str) -> Contestant:
    """Portkey's gateway, told in each request where to go."""
    port = free_port()
    folder = cache / f"portkey-{PORTKEY}"
    if not (folder / "ready").exists():
        print(f"installing @portkey-ai/gateway {PORTKEY} into {folder} (once)", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run([*npm, f"@portkey-ai/gateway@{PORTKEY}"], check=True)
        (folder / "ready").touch()
    return Contestant(
        name="portkey",
        title=f"Portkey gateway {PORTKEY}",
        port=port,
        argv=("node", str(folder / "node_modules/.bin/gateway"), f"--port={port}", "--headless"),
        env={"HOME": str(work), "NODE_ENV": "production"},
        cwd=folder,
        headers={"x-portkey-provider": "openai", "x-portkey-custom-host": url, "authorization": "Bearer sk-bench"},
    )


@contextmanager
def running(contestant: Contestant, work: Path) -> Iterator[tuple[int, float]]:
    """Start it on its core; gives its process id and the seconds until it answered."""
    # Only what programs need to run: no proxy, key or setting of this shell reaches a contestant.
    env = {"PATH": os.environ["PATH"], "HOME": str(work), **contestant.env}
    with (work / f"{contestant.name}.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", contestant.core, *contestant.argv],
            env=env,
            cwd=contestant.cwd or work,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_it_answers(contestant, process)
            yield process.pid, time.perf_counter() - started
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it: politely, then not."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_it_answers(contestant: Contestant, process: subprocess.Popen[bytes]) -> None:
    """Ask until a chat request is answered; raise `RuntimeError` when it ends or takes too long."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{contestant.title} ended at once with status {process.returncode}")
        if answers(contestant):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{contestant.title} did not answer within {START_S:.0f} s")


def answers(contestant: Contestant) -> bool:
    """Whether one request is answered, and by the way it should take."""
    connection = HTTPConnection("127.0.0.1", contestant.port, timeout=10)
    try:
        headers = {"content-type": "application/json", **contestant.headers}
        connection.request("POST", "/v1/chat/completions", body_of(contestant, 0), headers)
        response = connection.getresponse()
        response.read()
        return response.status == 200 and all(response.getheader(k) == v for k, v in contestant.expects.items())
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
