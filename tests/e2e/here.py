"""
Runs a command in this process, as `localfleet WORDS` would in one of its own: folder, environment, streams, exit code.

A fresh interpreter takes most of a second to load what is loaded here already. What a process alone shows (signals, how
much is imported, what is left of it) needs a real one.
"""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from localfleet.cli import main

__all__ = ["run_here"]


def run_here(
    *words: str, folder: Path, env: Mapping[str, str], stdin: str = "", program: Callable[[], None] = main
) -> "subprocess.CompletedProcess[str]":
    """The exit code of a program, and all it printed; its environment is `env` and nothing else."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in os.environ:
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["localfleet", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        code = _code_of(program)
    said = {name: _said(stream) for name, stream in streams.items()}
    return subprocess.CompletedProcess(["localfleet", *words], code, said["stdout"], said["stderr"])


def _code_of(program: Callable[[], None]) -> int:
    try:
        program()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0


def _said(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8")
