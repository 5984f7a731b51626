"""The leash: whatever dies, nothing that it started lives on. Real processes, killed for real."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from tiny_engine import alive

from localfleet.engines.tether import tethered

FAMILY = textwrap.dedent("""
    import os, signal, subprocess, sys, time
    # A child in the same session, and one that leaves it, as a careless library would.
    code = "import time; time.sleep(120)"
    near = subprocess.Popen([sys.executable, "-c", code])
    far = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    print(os.getpid(), near.pid, far.pid, flush=True)
    time.sleep(120)
""")
ROUTER = textwrap.dedent("""
    import subprocess, sys, time
    leash = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
    print(leash.pid, flush=True)
    time.sleep(120)
""")


def gone(pids: list[int], within_s: float = 10) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def leashed(script: str) -> "subprocess.Popen[str]":
    """A leash around a Python script, as the supervisor starts it."""
    command = tethered((sys.executable, "-I", "-c", script))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def family(process: "subprocess.Popen[str]") -> list[int]:
    """The process ids that the script printed."""
    assert process.stdout is not None
    return [int(word) for word in process.stdout.readline().split()]


def finish(process: "subprocess.Popen[str]") -> int:
    """Reap the leash and close its pipes."""
    code = process.wait(20)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_is_killed_takes_its_children_along(number: signal.Signals) -> None:
    """An API server that dies leaves no engine core behind, and the leash ends by the same signal."""
    process = leashed(FAMILY)
    pids = family(process)
    os.kill(pids[0], number)
    assert finish(process) == -number
    assert gone(pids)


def test_a_router_that_is_killed_takes_everything_along() -> None:
    """`kill -9` of the router closes the leash's stdin; no orphan may keep a GPU's memory."""
    command = tethered((sys.executable, "-I", "-c", FAMILY))
    router = subprocess.Popen(
        [sys.executable, "-I", "-c", ROUTER, *command], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert router.stdout is not None
    first, second = router.stdout.readline().split(), router.stdout.readline().split()
    pids = [int(word) for word in first + second]
    assert len(pids) == 4
    assert all(map(alive, pids))
    os.kill(router.pid, signal.SIGKILL)
    router.wait(10)
    assert gone(pids)
    router.stdout.close()


def test_a_leash_that_is_killed_takes_the_program_along() -> None:
    """The kernel ends the program with its parent; its children end with the group, which the supervisor kills."""
    process = leashed(FAMILY)
    own, near, far = family(process)
    os.kill(process.pid, signal.SIGKILL)
    assert gone([own])
    os.killpg(process.pid, signal.SIGKILL)
    assert gone([near])
    os.kill(far, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL


def test_signals_and_exit_codes_travel() -> None:
    """SIGTERM reaches the program, which may end in its own way; its exit code is the leash's."""
    script = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1, flush=True); time.sleep(60)"
    process = leashed(f"import signal, sys, time; {script}")
    family(process)
    process.terminate()
    assert finish(process) == 7
    assert finish(leashed("raise SystemExit(3)")) == 3


def test_a_program_that_is_not_there() -> None:
    """The shell's code for it, so that the supervisor can say so."""
    process = subprocess.Popen(tethered(("/nowhere/vllm", "serve")), stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    assert process.wait(20) == 127
    process.stdin.close()


def test_what_it_writes_is_its_owner_s_and_there_are_no_core_dumps() -> None:
    """Sockets and caches are private from the first moment; the memory of a crash, prompts in it, is not kept."""
    script = "import os, resource; print(os.umask(0), *resource.getrlimit(resource.RLIMIT_CORE), flush=True)"
    process = leashed(script)
    umask, soft, hard = family(process)
    assert umask == 0o077
    assert soft <= 1
    assert hard <= 1
    assert finish(process) == 0
