"""The embedded engine as it ships: llama.cpp with SmolLM2 in a supervised child, asked over HTTP."""

import asyncio
import json
import operator
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_bert import tiny_bert

from localfleet.core.fleet import Readiness
from localfleet.engines.launch import Launch
from localfleet.engines.llamacpp_job import CANNOT_LOAD, LlamaJob, launch_llamacpp
from localfleet.engines.probe import HEALTH_TIMEOUT_S
from localfleet.engines.stages import Progress, Stage
from localfleet.engines.supervisor import Supervisor
from localfleet.engines.weights import SMOLLM2, find_weights, opened_for_tools, verify
from localfleet.wire.ranking import ranked, to_ranker, to_vectors

FRANCE = "What is the capital of France?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITY_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "big": {"type": "boolean"}},
    "required": ["city", "big"],
    "additionalProperties": False,
}
PARENT_SECRET = "planted-provider-key"


def shipped_job(alias: str = "small") -> LlamaJob:
    """Order the shipped weights as the router would."""
    weights = find_weights(SMOLLM2)
    return LlamaJob(
        model_path=str(weights.path),
        alias=alias,
        api_key=secrets.token_urlsafe(32),
        context_tokens=1024,
        chat_template=weights.chat_template,
        temperature=weights.temperature,
        top_p=weights.top_p,
    )


class Running:
    """A supervisor on an event loop in a thread, so that plain tests can ask it."""

    def __init__(self, launch: Launch | None = None) -> None:
        """Start and wait until it answers."""
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.told: list[Progress] = []
        environ = {**os.environ, "OPENAI_API_KEY": PARENT_SECRET, "HTTPS_PROXY": "http://127.0.0.1:1"}
        self.launch = launch or launch_llamacpp(shipped_job(), environ, check=lambda: verify(find_weights(SMOLLM2)))
        self.supervisor = Supervisor(
            self.launch, clock=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0.0, on_change=self.told.append
        )
        self.do(self.supervisor.start())
        assert self.do(self.supervisor.wait_ready(60))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(90)

    def close(self) -> None:
        """Stop the engine and the loop."""
        self.do(self.supervisor.stop(2))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def ask(self, path: str, body: Any = None, *, key: str | None = "", origin: str | None = None) -> tuple[int, bytes]:
        """Ask the engine; `key=""` is the right one, `None` sends none."""
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key or self.supervisor.api_key}"
        if origin is not None:
            headers["origin"] = origin
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.supervisor.base_url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read()

    def chat(self, text: str, **more: Any) -> dict[str, Any]:
        """One chat answer."""
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 60, "temperature": 0, **more}
        status, reply = self.ask("/v1/chat/completions", opened_for_tools(find_weights(SMOLLM2), body))
        assert status == 200
        answer: dict[str, Any] = json.loads(reply)
        return answer


@pytest.fixture(scope="module")
def engine() -> Iterator[Running]:
    """One engine for all tests of this file."""
    running = Running()
    yield running
    running.close()


@pytest.mark.parametrize("words", [False, True])
def test_vectors_of_the_shipped_weights(*, words: bool) -> None:
    """A unit vector for each text, the same alone as among others; words as well where it is asked for both."""
    running = Running(launch_llamacpp(replace(shipped_job(), vectors=True, words=words, mean=True), os.environ))
    try:
        texts = ["The cat sleeps on the sofa.", "Invoice 17 is due on Friday."]
        status, reply = running.ask("/v1/embeddings", {"input": texts})
        _, alone = running.ask("/v1/embeddings", {"input": texts[0]})
        said = running.chat(FRANCE)["choices"][0]["message"]["content"] if words else "Paris"
    finally:
        running.close()
    assert status == 200
    assert "Paris" in said
    answer = json.loads(reply)
    assert answer["usage"]["prompt_tokens"] > 10
    cat, invoice, again = (one["embedding"] for one in (*answer["data"], *json.loads(alone)["data"]))
    assert [len(one) for one in (cat, invoice)] == [576] * 2
    assert [round(sum(x * x for x in one), 3) for one in (cat, invoice)] == [1.0] * 2
    assert sum(map(operator.mul, cat, again)) > 0.999
    assert sum(map(operator.mul, cat, invoice)) < 0.9


RIVER, BREAD, CATS = "the town lies on the river", "bread is baked at night", "cats sleep in boxes"


@pytest.mark.parametrize("ranks", [True, False])
def test_documents_in_the_order_of_a_reranker_and_of_vectors(tmp_path: Path, *, ranks: bool) -> None:
    """A reranker reads both texts together; a model of vectors is near where the words are the same."""
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(tiny_bert(pooling=4 if ranks else 1))
    job = replace(
        shipped_job(), model_path=str(weights), context_tokens=128, vectors=not ranks, words=False, ranks=ranks
    )
    running = Running(launch_llamacpp(job, os.environ))
    body = {"model": "m", "query": "which river", "documents": [BREAD, {"text": RIVER}, CATS]}
    try:
        path, asked = ("/v1/rerank", to_ranker(body)) if ranks else ("/v1/embeddings", to_vectors(body))
        status, reply = running.ask(path, asked)
        other = running.ask("/v1/rerank", {**to_ranker(body), "query": "cats"})
    finally:
        running.close()
    assert status == 200
    results = ranked(body, json.loads(reply), model="m", request_id="1")["results"]
    assert {row["index"] for row in results} == {0, 1, 2}
    if ranks:
        assert ranked(body, json.loads(other[1]), model="m", request_id="1")["results"] != results
    else:
        assert results[0]["index"] == 1
        assert results[0]["relevance_score"] > 0.1 > results[1]["relevance_score"]
        assert other[0] == 501


@pytest.mark.slow
def test_vectors_of_the_shipped_weights_rank_by_chance_where_words_mislead() -> None:
    """Why a model of words is not offered for ranking: on the set of `bench/rerank.py` its order is no better."""
    rows = json.loads((Path(__file__).parents[2] / "bench/rerank.json").read_bytes())
    running = Running(launch_llamacpp(replace(shipped_job(), vectors=True, words=False, mean=True), os.environ))
    ranks = []
    try:
        for row in rows:
            body = {"query": row["query"], "documents": [row["right"], *row["wrong"]]}
            _, reply = running.ask("/v1/embeddings", to_vectors(body))
            places = [one["index"] for one in ranked(body, json.loads(reply), model="m", request_id="1")["results"]]
            ranks.append(1 / (1 + places.index(0)))
    finally:
        running.close()
    chance = sum(1 / place for place in range(1, 6)) / 5
    assert abs(sum(ranks) / len(ranks) - chance) < 0.1, ranks


def process_value(pid: int, name: str) -> str:
    """One line of `/proc/PID/status`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:"))


def gone(pid: int, within_s: float) -> bool:
    """True once the process is gone, or a zombie that waits for its parent."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if process_value(pid, "State").startswith("Z"):
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_it_tells_its_stages_and_is_ready_soon(engine: Running) -> None:
    """Every stage is told once, in order; times and memory are printed for the record."""
    stages = [one.stage for one in engine.told[:5]]
    assert stages == [Stage.CHECKING, Stage.STARTING, Stage.LOADING, Stage.WARMING, Stage.READY]
    pid = engine.supervisor.pid or 0
    print({one.stage: round(one.seconds, 2) for one in engine.told}, process_value(pid, "VmHWM"))
    assert engine.told[4].seconds < 30


@pytest.mark.parametrize("question", [FRANCE, "What's France's capital?", "Tell me the capital of France."])
def test_the_capital_of_france_is_paris(engine: Running, question: str) -> None:
    """The shipped weights answer, under the alias and never under a path."""
    answer = engine.chat(question)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == "small"
    assert answer["usage"]["prompt_tokens"] > 0


def test_shipped_sampling_is_used_where_a_request_says_nothing(engine: Running) -> None:
    """Temperature and top-p are the makers' values."""
    settings = json.loads(engine.ask("/props")[1])["default_generation_settings"]["params"]
    assert settings["temperature"] == pytest.approx(0.2)
    assert settings["top_p"] == pytest.approx(0.9)


def test_template_keeps_every_message(engine: Running) -> None:
    """System, developer, text parts, tool calls and tool results all reach the model, in ChatML."""
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lyon"}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "part-one"}, {"type": "text", "text": "part-two"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "Thanks"},
    ]
    for first in ("system", "developer"):
        lead = [{"role": first, "content": "Be brief."}]
        prompt = json.loads(engine.ask("/apply-template", {"messages": [*lead, *messages], "tools": [WEATHER]})[1])
        text = prompt["prompt"]
        assert text.startswith("<|im_start|>system\nBe brief.\n\n# Tools")
        for wanted in ("part-one\npart-two", "Weather of a city", '"arguments": {"city": "Lyon"}', "sunny", "Thanks"):
            assert wanted in text
        assert text.endswith("<|im_start|>user\nThanks<|im_end|>\n<|im_start|>assistant\n")
    default = json.loads(engine.ask("/apply-template", {"messages": messages})[1])["prompt"]
    assert default.startswith(f"<|im_start|>system\n{find_weights(SMOLLM2).default_system}<|im_end|>\n")


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_required_tool_is_called_once_with_valid_arguments(engine: Running, choice: Any) -> None:
    """The answer is one call of the tool, and its arguments are JSON of the right shape."""
    answer = engine.chat("What is the weather in Paris?", tools=[WEATHER], tool_choice=choice)
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}


def test_tools_that_need_not_be_called_leave_a_plain_answer(engine: Running) -> None:
    """With `auto` the model may answer in words."""
    answer = engine.chat("Hello", tools=[WEATHER], max_tokens=20)
    assert answer["choices"][0]["message"]["content"]


def test_json_schema_output_parses(engine: Running) -> None:
    """Structured output has exactly the schema's fields."""
    schema = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY_SCHEMA, "strict": True}}
    content = engine.chat(FRANCE, response_format=schema)["choices"][0]["message"]["content"]
    assert set(json.loads(content)) == {"city", "big"}


def test_stream_ends_with_done_and_counts_usage(engine: Running) -> None:
    """Server-sent events, with the usage chunk where asked for, then `[DONE]`."""
    body = {
        "messages": [{"role": "user", "content": FRANCE}],
        "max_tokens": 20,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    status, reply = engine.ask("/v1/chat/completions", body)
    events = [line[6:] for line in reply.decode().splitlines() if line.startswith("data: ")]
    assert status == 200
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert "Paris" in text
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert {chunk["model"] for chunk in chunks} == {"small"}


@pytest.mark.parametrize("key", [None, "wrong"])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/completion", "/tokenize", "/apply-template"]
)
def test_without_the_key_nothing_answers(engine: Running, path: str, key: str | None) -> None:
    """Another user of the machine gets 401 from every endpoint that takes text."""
    assert engine.ask(path, {"messages": [], "prompt": "x", "content": "x"}, key=key)[0] == 401


def test_unneeded_endpoints_are_shut(engine: Running) -> None:
    """No slots, no user interface, no file saving, no cross-origin reading; settings need the key."""
    assert engine.ask("/slots")[0] == 501
    assert engine.ask("/slots/0?action=save", {"filename": "x"})[0] == 501
    assert engine.ask("/props", {"chat_template": "x"})[0] == 501
    assert engine.ask("/")[0] == 404
    for path in ("/props", "/metrics", "/v1/models"):
        assert engine.ask(path, key=None)[0] == 401
    request = urllib.request.Request(engine.supervisor.base_url + "/health", headers={"origin": "http://evil.example"})
    with urllib.request.urlopen(request) as response:
        assert response.headers["access-control-allow-origin"] not in {"*", "http://evil.example"}


def test_it_listens_on_loopback_only(engine: Running) -> None:
    """All sockets of the child that listen are bound to 127.0.0.1."""
    port = int(engine.supervisor.base_url.rsplit(":", 1)[1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}
    assert f":{port:04X} " not in Path("/proc/net/tcp6").read_text()


def test_child_has_no_secret_in_arguments_or_environment(engine: Running) -> None:
    """The parent's provider key is not inherited, and the engine's own key is in no argument."""
    pid = engine.supervisor.pid or 0
    key = engine.supervisor.api_key
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    assert key not in arguments
    assert "llamacpp_child" in arguments
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode()
    except PermissionError:
        # The child made itself undumpable: without root not even its owner may look. What was passed must do.
        environment = "\0".join(f"{name}={text}" for name, text in engine.launch.env.items())
    assert "PATH=" in environment
    for planted in (PARENT_SECRET, "OPENAI_API_KEY", "PROXY", key):
        assert planted not in environment


def test_child_writes_nowhere_and_dumps_no_core(engine: Running) -> None:
    """Its output leads to /dev/null, it may dump no core, and it ignores Ctrl-C."""
    pid = engine.supervisor.pid or 0
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(line.split()[4:6] for line in limits.splitlines() if "core file" in line) == ["0", "0"]
    assert int(process_value(pid, "SigIgn"), 16) & 1 << (signal.SIGINT - 1)
    if os.geteuid() == 0:
        assert {str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in (1, 2)} == {"/dev/null"}


@pytest.mark.slow
def test_health_answers_while_every_slot_is_busy(engine: Running) -> None:
    """Waiting requests do not use up the threads that answer `/health`: that would look like a hang."""
    body = {"prompt": "Once", "max_tokens": 20, "temperature": 0, "ignore_eos": True}
    threads = [threading.Thread(target=engine.ask, args=("/v1/completions", body)) for _ in range(10)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    assert engine.ask("/health", key=None)[0] == 200
    took_s = time.monotonic() - began
    assert any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert took_s < HEALTH_TIMEOUT_S


def test_killed_engine_leaves_ready_and_comes_back(engine: Running) -> None:
    """Kill -9: not ready within a second, ready again by itself, and it answers."""
    old = engine.supervisor.pid or 0
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 1
    while engine.supervisor.state().readiness is Readiness.READY:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert engine.do(engine.supervisor.wait_ready(30))
    assert engine.supervisor.pid not in {None, old}
    assert "Paris" in engine.chat(FRANCE)["choices"][0]["message"]["content"]


def spawn(job: LlamaJob) -> "subprocess.Popen[bytes]":
    """Start the child program without a supervisor and give it its order."""
    launch = launch_llamacpp(job, os.environ)
    process = subprocess.Popen(
        launch.argv, env=dict(launch.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(launch.stdin)
    process.stdin.flush()
    return process


@pytest.mark.parametrize("ending", ["SIGTERM", "end of stdin"])
def test_child_ends_within_a_second_and_says_only_its_port(ending: str) -> None:
    """SIGTERM and the end of stdin both end it with code 0; SIGINT does not."""
    with spawn(shipped_job()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        port = json.loads(line)["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            if ending == "SIGTERM":
                process.terminate()
            else:
                process.stdin.close()
            assert process.wait(1) == 0
        assert time.monotonic() - began < 1
        assert set(json.loads(line)) == {"port"}
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""


def test_weights_that_cannot_be_loaded_have_their_own_exit_code(tmp_path: Path) -> None:
    """A file with the right magic and nonsense behind it ends the child with a code that the router explains."""
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * 8)
    job = LlamaJob(model_path=str(path), alias="bad", api_key="k")
    with spawn(job) as process:
        assert process.wait(20) == CANNOT_LOAD
        assert "cannot load these weights" in launch_llamacpp(job, {}).exits[CANNOT_LOAD]


def test_child_goes_when_the_parent_is_killed_although_stdin_stays_open() -> None:
    """Kill -9 of the parent ends the child within two seconds, even if another process still holds its stdin."""
    job = shipped_job()
    parent = textwrap.dedent("""
        import os, subprocess, sys
        from localfleet.engines.llamacpp_job import LlamaJob, launch_llamacpp
        launch = launch_llamacpp(LlamaJob.from_line(sys.stdin.buffer.readline()), os.environ)
        child = subprocess.Popen(launch.argv, env=dict(launch.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(launch.stdin)
        child.stdin.flush()
        child.stdout.readline()
        os.set_inheritable(child.stdin.fileno(), True)
        holder = subprocess.Popen(["sleep", "20"], close_fds=False, stdout=subprocess.DEVNULL)
        print(child.pid, holder.pid, flush=True)
        child.wait()
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(job.to_line())
        process.stdin.flush()
        child, holder = map(int, process.stdout.readline().split())
        try:
            assert not gone(child, 0.05)
            process.kill()
            assert gone(child, 2)
        finally:
            os.kill(holder, signal.SIGKILL)
