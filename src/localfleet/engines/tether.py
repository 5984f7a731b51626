"""
A leash for an engine that has children of its own: `python -I -m localfleet.engines.tether PROGRAM ARG ...`.

It starts the program and waits. When the router is gone (its end of stdin closes, however it died) or the program
ends, everything that the program started is killed, so that no orphan keeps GPU memory. Signals travel on, and its exit
is the program's. It reads nothing of what the program prints, and leaves no core dump.

Stdlib only: it must be small, and start at once.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["main", "tethered"]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_START = 127
PRIVATE_UMASK = 0o077
ROUNDS = 50
ROUND_S = 0.1


def tethered(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command that runs `argv` on a leash."""
    return (sys.executable, "-I", "-m", "localfleet.engines.tether", *argv)


def main() -> None:
    """Run the program in `sys.argv`; never returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphans of the program become our children, so that they can be found.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # 1 and not 0: the kernel then also spares crash reporters that read memory through a pipe.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    os.umask(PRIVATE_UMASK)
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)
    caught = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
    for number in caught:
        signal.signal(number, lambda *_: None)
    pid = os.fork()
    if pid == 0:
        _become(libc, sys.argv[1:], (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))
    status = _wait(pid, wake)
    _kill_all()
    _leave_as(status)


def _become(libc: ctypes.CDLL, argv: list[str], caught: tuple[signal.Signals, ...]) -> None:
    """In the child: be the program, without the router's pipe, and die with the leash."""
    for number in caught:
        signal.signal(number, signal.SIG_DFL)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    with contextlib.suppress(OSError):
        os.execvp(argv[0], argv)  # noqa: S606  # the operator's own program, without a shell
    os._exit(CANNOT_START)


def _wait(pid: int, wake: int) -> int:
    """Until the program ends or the router is gone; the program's wait status."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 4096):
            os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        if wake in ready:
            for number in os.read(wake, 4096):
                if number in {signal.SIGTERM, signal.SIGINT}:
                    os.kill(pid, number)
            for done, status in _reaped():
                if done == pid:
                    return status


def _reaped() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while True:
            done, status = os.waitpid(-1, os.WNOHANG)
            if done == 0:
                return
            yield done, status


def _kill_all() -> None:
    """Kill what is left, also in sessions of its own; orphans come to us, so again until none is left."""
    wait = select.poll()
    for _ in range(ROUNDS):
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not any(_reaped()) and not _children():
            return
        wait.poll(ROUND_S * 1000)


def _children() -> list[int]:
    """Direct children, zombies too; the kernel's own list of them is an option that some kernels lack."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == os.getpid()
    ]


def _parent(entry: Path) -> int:
    with contextlib.suppress(OSError):
        # The name of the program stands in brackets and may hold anything; the state and the parent follow it.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _leave_as(status: int) -> None:
    """End as the program did, by the same signal where it was one."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


if __name__ == "__main__":
    main()
