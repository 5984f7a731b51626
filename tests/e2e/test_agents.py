"""Agent frameworks, with nothing changed but the base URL: the examples, as they ship, against `localfleet up`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import Tap
from router import Router
from tap_fleet import openai_entry

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = (
    *("langchain==1.5.2", "langgraph==1.2.24", "langchain-openai==1.7.4"),
    *("crewai==1.15.30", "openai-agents==0.20.0"),
)
"""Not in the lock file: no part of localfleet, and each brings a hundred packages."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has the frameworks."""
    folder = tmp_path_factory.mktemp("frameworks")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *FRAMEWORKS]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the frameworks cannot be had here: {done.stderr[-300:]}")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """`localfleet up` with the embedded model, and a hosted door that would be heard."""
    settings = {
        "version": 1,
        "local": {"small": {"weights": "smollm2-135m-instruct", "can": ["tools", "json"], "threads": 1}},
        "hosted": {"mini": openai_entry(shared_taps[1])},
        "privacy": {"default": "restricted"},
    }
    router = Router.start(tmp_path_factory.mktemp("agents"), settings, verb="up")
    try:
        yield router
    finally:
        router.stop()


@pytest.mark.parametrize(
    ("example", "lines"),
    [
        ("langgraph_agent", ("answer: ", "stream: ", "agent: ")),
        ("crewai_crew", ("crew: ",)),
        ("openai_agents", ("agent: ",)),
    ],
)
def test_an_agent_asks_through_the_router(
    python: str, router: Router, shared_taps: tuple[Tap, Tap, Tap], example: str, lines: tuple[str, ...]
) -> None:
    """Each says Paris, by a tool or without; where everything is restricted, nothing of a run leaves."""
    command = [python, str(ROOT / "examples" / f"{example}.py"), router.v1]
    env = {"PATH": os.environ["PATH"], "HOME": str(router.folder), "LANG": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(f"\n{line}" in f"\n{done.stdout}" for line in lines), done.stdout
    assert done.stdout.count("Paris") >= len(lines), done.stdout
    assert shared_taps[1].requests() == []
