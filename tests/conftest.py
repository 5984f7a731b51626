"""
Fixtures every room shares. Small on purpose: a room's own fixtures live beside its tests.

Test helpers are plain modules with unique names; the folders that hold them are put on the path here, once.
"""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "taps"))
sys.path.insert(0, str(Path(__file__).parent / "e2e"))
sys.path.insert(0, str(Path(__file__).parent / "fit"))
sys.path.insert(0, str(Path(__file__).parent / "hub"))
sys.path.insert(0, str(Path(__file__).parent / "engines"))
sys.path.insert(0, str(Path(__file__).parent / "gpus"))
sys.path.insert(0, str(Path(__file__).parent / "core"))
sys.path.insert(0, str(Path(__file__).parent / "bench"))
sys.path.insert(0, str(Path(__file__).parent / "actions"))
sys.path.insert(0, str(Path(__file__).parent / "training"))
sys.path.insert(0, str(Path(__file__).parent / "storage"))
sys.path.insert(0, str(Path(__file__).parent / "otlp"))
sys.path.insert(0, str(Path(__file__).parent / "server"))

from process import Tap

# Before numpy is loaded: its second thread spins while it waits for the first, on a core that another process needs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

gc.disable()  # until all is collected: nothing of it goes away again, and to look for it takes a quarter of the time


def pytest_collection_finish(session: pytest.Session) -> None:
    """
    What was imported and collected stays to the end: the collector need not look through it again and again.

    An address in a test's name is another one in each process, and two that run side by side (`-n 2`) refuse to start.
    """
    named = [item.nodeid for item in session.items if " at 0x" in item.nodeid]
    if named:
        raise pytest.UsageError(f"give this test's parameters names that stay, without ids=str: {named[0]}")
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _nobodys_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the ledger of whoever runs it: a command that is told no folder finds an empty one."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCALFLEET_HOME", str(tmp_path_factory.mktemp("nobody") / "state"))
        yield


@pytest.fixture(scope="session")
def _taps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tap, Tap, Tap]]:
    """Three taps that live as long as the test session; take them by the fixtures below, which reset them."""
    names = ("local-model", "gpt-4o-mini", "claude-sonnet-4-5")
    taps = [Tap.start(tmp_path_factory.mktemp(name), models=name) for name in names]
    yield taps[0], taps[1], taps[2]
    for tap in taps:
        tap.stop()


@pytest.fixture(scope="module")
def shared_taps(_taps: tuple[Tap, Tap, Tap]) -> tuple[Tap, Tap, Tap]:
    """The three taps, as new for each file: what one file scripted and left behind is no answer to the next."""
    for tap in _taps:
        tap.reset()
    return _taps


@pytest.fixture
def local_tap(shared_taps: tuple[Tap, Tap, Tap]) -> Tap:
    """A tap that stands for a local engine, as new."""
    shared_taps[0].reset()
    return shared_taps[0]


@pytest.fixture
def openai_tap(shared_taps: tuple[Tap, Tap, Tap]) -> Tap:
    """A tap that stands for OpenAI, as new."""
    shared_taps[1].reset()
    return shared_taps[1]


@pytest.fixture
def anthropic_tap(shared_taps: tuple[Tap, Tap, Tap]) -> Tap:
    """A tap that stands for Anthropic, as new."""
    shared_taps[2].reset()
    return shared_taps[2]
