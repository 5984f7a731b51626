"""
What a running process shows to others on its machine: arguments, environment, names, and files that no folder lists.

Read from `/proc` for the process and all that live in its session. A process that ends meanwhile, or that forbids to be
looked at, shows nothing.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["what_shows"]

GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
WRITABLE = os.O_WRONLY | os.O_RDWR


def what_shows(pid: int, *, beside: Path) -> dict[str, bytes]:
    """
    Name -> bytes of what the session that `pid` leads shows.

    Files open for writing are read where no walk through `beside` would find them: outside of it, or deleted already.
    """
    found = {"arguments": b"", "environment": b"", "names of threads": b"", "names of open files": b""}
    for process in _session(pid):
        with contextlib.suppress(*GONE):
            found["arguments"] += (process / "cmdline").read_bytes() + b"\n"
            found["environment"] += (process / "environ").read_bytes() + b"\n"
            found["names of threads"] += b"".join(task.read_bytes() for task in process.glob("task/*/comm"))
            for name, opened in _open_files(process):
                found["names of open files"] += os.fsencode(name) + b"\n"
                if _is_hidden(name, opened, beside):
                    found[f"open file {name}"] = opened.read_bytes()
    return found


def _session(leader: int) -> Iterator[Path]:
    """The folders in `/proc` of all processes of a session, its leader first."""
    yield Path(f"/proc/{leader}")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(*GONE):
            # The name of a program, in parentheses, may hold anything; the session is the fourth word after it.
            words = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(words[3]) == leader and int(process.name) != leader:
                yield process


def _open_files(process: Path) -> Iterator[tuple[str, Path]]:
    """What each descriptor's link says, and the link, through which a deleted file can still be read."""
    for link in (process / "fd").iterdir():
        with contextlib.suppress(*GONE):
            yield str(link.readlink()), link


def _is_hidden(name: str, opened: Path, beside: Path) -> bool:
    if not stat.S_ISREG(opened.stat().st_mode):
        return False
    flags = (opened.parent.parent / "fdinfo" / opened.name).read_text(encoding="ascii").split()
    may_write = int(flags[flags.index("flags:") + 1], 8) & WRITABLE
    return bool(may_write) and (name.endswith(" (deleted)") or not Path(name).is_relative_to(beside))
