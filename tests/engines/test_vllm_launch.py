"""How vLLM is started: exactly these arguments and variables, whatever was asked; and what may be said in a request."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localfleet.core.ask import Api, Priority
from localfleet.engines.tether import tethered
from localfleet.engines.vllm_fields import VllmFields
from localfleet.engines.vllm_launch import IS_SLEEPING, METRICS, SLEEP, WAKE_UP, VllmJob, launch_vllm
from localfleet.ports import Call
from localfleet.wire.outbound import outbound_body

FACTS = json.loads((Path(__file__).parent / "data" / "vllm_0_32_flags.json").read_text(encoding="utf-8"))
JOB = VllmJob(
    name="big",
    program="/opt/v/bin/vllm",
    weights="/models/qwen3-8b",
    socket="/state/run/big.sock",
    api_key="planted-key",
    flags=("--max-model-len", "4096"),
    env={"NCCL_DEBUG": "WARN"},
)
AFTER_THE_MODEL = (
    *("--served-model-name", "big", "--api-server-count", "1", "--uds", "/state/run/big.sock"),
    *("--disable-uvicorn-access-log", "--disable-fastapi-docs", "--uvicorn-log-level", "warning"),
    *("--no-enable-log-requests", "--no-enable-log-outputs", "--no-log-error-stack"),
    *("--no-trust-request-chat-template", "--no-trust-request-mm-kwargs", "--max-model-len", "4096"),
)
IMPOSED = {
    "VLLM_API_KEY": "planted-key",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",
    "VLLM_LOGGING_COLOR": "0",
    "VLLM_SERVER_DEV_MODE": "0",
}


def test_the_program_and_the_python_are_started_in_their_own_ways() -> None:
    """`vllm serve MODEL`, or the same server as a module of a Python; on a leash, with no secret in it."""
    argv = launch_vllm(JOB, {}).argv
    assert argv == tethered(("/opt/v/bin/vllm", "serve", "/models/qwen3-8b", *AFTER_THE_MODEL))
    python = launch_vllm(replace(JOB, program="/opt/v/bin/python3.12"), {}).argv
    module = ("-m", "vllm.entrypoints.openai.api_server", "--model", "/models/qwen3-8b")
    assert python == tethered(("/opt/v/bin/python3.12", *module, *AFTER_THE_MODEL))
    assert not any("planted-key" in arg for arg in argv + python)
    assert {arg for arg in AFTER_THE_MODEL if arg.startswith("--")} <= set(FACTS["options"])


def test_the_environment_is_an_allow_list_and_ours_wins() -> None:
    """Caches and devices pass, provider keys do not; no word to the makers, and nothing is asked of the hub."""
    environ = {"PATH": "/bin", "HF_HOME": "/hf", "OPENAI_API_KEY": "sk-x", "HTTPS_PROXY": "http://p", "HF_TOKEN": "hf"}
    env = dict(launch_vllm(JOB, environ).env)
    assert env == {"PATH": "/bin", "HF_HOME": "/hf", "HF_HUB_OFFLINE": "1", "NCCL_DEBUG": "WARN", **IMPOSED}
    overruled = launch_vllm(replace(JOB, env={"VLLM_API_KEY": "theirs", "VLLM_NO_USAGE_STATS": "0"}), {}).env
    assert overruled["VLLM_API_KEY"] == "planted-key"
    assert overruled["VLLM_NO_USAGE_STATS"] == "1"
    assert {name for name in IMPOSED if name.startswith("VLLM_")} <= set(FACTS["environment"])


def test_gpus_pull_and_sleep() -> None:
    """Each opens its own thing and nothing else: devices, the hub with its token, the development endpoints."""
    gpus = launch_vllm(replace(JOB, gpus=(2, 3)), {}).env
    assert gpus["CUDA_VISIBLE_DEVICES"] == "2,3"
    pull = launch_vllm(replace(JOB, pull=True, hf_token="hf_x"), {}).env
    assert (pull["HF_HUB_OFFLINE"], pull["HF_TOKEN"]) == ("0", "hf_x")
    assert "HF_TOKEN" not in launch_vllm(replace(JOB, hf_token="hf_x"), {}).env
    asleep = launch_vllm(replace(JOB, sleep=True), {})
    assert (asleep.sleeps, asleep.env["VLLM_SERVER_DEV_MODE"]) == (True, "1")
    assert not launch_vllm(JOB, {}).sleeps
    assert (SLEEP, WAKE_UP, IS_SLEEPING, METRICS) == ("/sleep?level=1", "/wake_up", "/is_sleeping", "/metrics")


def test_the_first_question_fits_the_model() -> None:
    """Weights without a chat template answer completions; an embedding model answers neither."""
    launch = launch_vllm(JOB, {})
    assert (launch.canary_path, json.loads(launch.canary_body)["model"]) == ("/v1/completions", "big")
    embedding = launch_vllm(replace(JOB, apis=frozenset({Api.EMBEDDING})), {})
    assert (embedding.canary_path, json.loads(embedding.canary_body)["input"]) == ("/v1/embeddings", "Hi")
    ranking = launch_vllm(replace(JOB, apis=frozenset({Api.RERANK})), {})
    assert (ranking.canary_path, json.loads(ranking.canary_body)["documents"]) == ("/v1/rerank", ["Hi"])
    assert "planted-key" not in repr(launch) + repr(JOB)


def call(api: Api = Api.CHAT, *, key_id: str = "k1", priority: Priority = Priority.LIVE) -> Call:
    """A call of some key."""
    return Call(
        request_id="r", api=api, body={}, stream=False, wants_usage=False, timeout_s=1, key_id=key_id, priority=priority
    )


def sent(fields: VllmFields, one: Call, body: dict[str, Any]) -> dict[str, Any]:
    """What the engine is sent for a body."""
    raw = outbound_body(
        one.api,
        one.api,
        body,
        model="big",
        stream=False,
        wants_usage=False,
        store_false=False,
        imposed=fields(one, one.api),
    )
    answer: dict[str, Any] = json.loads(raw)
    return answer


@pytest.mark.parametrize("api", [Api.CHAT, Api.COMPLETION])
def test_priority_is_the_router_s_to_say(api: Api) -> None:
    """A caller's own number is dropped; where vLLM schedules by priority, batch work comes after live work."""
    body = {"priority": -9, "kv_transfer_params": {"x": 1}, "request_id": "mine", "seed": None, "top_k": 3}
    assert sent(VllmFields(), call(api), body) == {"model": "big", "seed": None, "top_k": 3}
    ranked = VllmFields(ranked=True)
    assert sent(ranked, call(api), body)["priority"] == 0
    assert sent(ranked, call(api, priority=Priority.BATCH), body)["priority"] == 1
    assert "priority" not in sent(ranked, call(Api.EMBEDDING), body)


def test_one_key_cannot_time_what_another_has_asked() -> None:
    """Each key has a prefix cache of its own, named by nothing that leaves a trace of the key; sharing is a choice."""
    fields = VllmFields(salt=b"s" * 32)
    mine, again = (sent(fields, call(), {})["cache_salt"] for _ in range(2))
    assert mine == again
    assert mine != sent(fields, call(key_id="k2"), {})["cache_salt"]
    assert mine != sent(VllmFields(salt=b"t" * 32), call(), {})["cache_salt"]
    assert sent(fields, call(), {"cache_salt": "theirs"})["cache_salt"] == mine
    assert "cache_salt" not in sent(VllmFields(), call(), {})
    assert "cache_salt" not in sent(fields, call(Api.EMBEDDING), {})
