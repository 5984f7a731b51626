"""
Real starts of the real vLLM that cannot succeed: what people are told, against what vLLM really prints.

`test_start_log.py` has more causes, with lines from its source; those that need a GPU cannot be had here.
"""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from vllm_cpu import CPU_ENV, VllmCpu, vllm_cpu

from localfleet.config import LocalModel
from localfleet.core.fleet import EngineState, Readiness
from localfleet.engines.supervisor import Supervisor
from localfleet.engines.vllm_launch import launch_vllm
from localfleet.local_tier import vllm_job

START_S = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # the first one may have to make vLLM


@pytest.fixture(scope="module")
def place() -> VllmCpu:
    """The real vLLM."""
    return vllm_cpu()


def started(place: VllmCpu, home: Path, weights: Path, context_tokens: int = 2048, **vllm: Any) -> EngineState:
    """How a start ends."""
    section = {"program": str(place.python), "dtype": "float32", "enforce_eager": True, "env": CPU_ENV, **vllm}
    entry = {"engine": "vllm", "weights": str(weights), "context_tokens": context_tokens, "vllm": section}
    job = vllm_job("big", LocalModel.model_validate(entry), env=os.environ, home=home, resolve=True)

    async def story() -> EngineState:
        supervisor = Supervisor(
            launch_vllm(job, os.environ), clock=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0.0
        )
        await supervisor.start()
        await supervisor.wait_ready(START_S)
        state = supervisor.state()
        await supervisor.stop()
        return state

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"extra_args": ["--no-such-argument", "1"]}, "does not know a flag or value"),
        ({"sleep": True}, "cannot put a model to sleep"),
        ({"tensor_parallel": 2}, "cannot be shared among so many GPUs"),
        ({"context_tokens": 1_000_000}, "more than these weights were made for"),
        ({"tool_parser": "no-such-parser"}, "no such parser"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_start_that_cannot_succeed_ends_with_a_sentence(
    place: VllmCpu, tmp_path: Path, section: dict[str, Any], says: str
) -> None:
    """Down at the first try, with the reason and the key to change."""
    state = started(place, tmp_path, place.weights, **section)
    assert state.readiness is Readiness.DOWN
    assert says in state.why


def test_weights_of_an_unknown_kind(place: VllmCpu, tmp_path: Path) -> None:
    """An architecture that this vLLM does not have."""
    weights = tmp_path / "odd"
    shutil.copytree(place.weights, weights)
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    odd = {**config, "architectures": ["OddForCausalLM"], "model_type": "odd-kind"}
    (weights / "config.json").write_text(json.dumps(odd), encoding="utf-8")
    state = started(place, tmp_path, weights)
    assert state.readiness is Readiness.DOWN
    assert "does not know the architecture" in state.why
