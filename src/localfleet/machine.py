"""
What this machine has: GPUs, cores, memory, and which provider keys the environment holds.

An edge: it reads the driver, `/proc` and the environment, and hands on values. Of a key only the variable's name is
kept, never a part of its value.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["PROVIDER_KEYS", "GpuSeen", "Machine", "look"]

PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
DRIVER_WAIT_S = 5.0
MEMINFO = Path("/proc/meminfo")
Driver = Literal["absent", "silent", "ok"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeen:
    """GPUs of one kind, as the driver names them; `memory_mib` of one."""

    name: str
    memory_mib: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found. `None` where it cannot be told; `silent` is a driver that is there and does not answer."""

    driver: Driver
    gpus: tuple[GpuSeen, ...]
    cores: int
    memory_bytes: int | None
    memory_free_bytes: int | None
    provider_keys: tuple[str, ...]
    """Names of variables."""


def look(env: Mapping[str, str], *, wait_s: float = DRIVER_WAIT_S, meminfo: Path = MEMINFO) -> Machine:
    """Look around, within `wait_s` seconds; `env` gives PATH for the driver's tool, and the names of keys."""
    driver, gpus = _gpus(env.get("PATH", ""), wait_s)
    memory = _memory(meminfo)
    return Machine(
        driver=driver,
        gpus=gpus,
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=memory.get("MemTotal"),
        memory_free_bytes=memory.get("MemAvailable"),
        provider_keys=tuple(name for name in PROVIDER_KEYS if _looks_like_a_key(env.get(name, ""))),
    )


def _gpus(path: str, wait_s: float) -> tuple[Driver, tuple[GpuSeen, ...]]:
    tool = shutil.which("nvidia-smi", path=path)
    if tool is None:
        return "absent", ()
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=wait_s, check=True)  # noqa: S603  # the driver's own tool, from PATH, with fixed arguments
    except (OSError, subprocess.SubprocessError):
        return "silent", ()
    gpus = tuple(_counted(done.stdout.splitlines()))
    return ("ok" if gpus else "silent"), gpus


def _counted(rows: list[str]) -> Iterator[GpuSeen]:
    kinds = [(name.strip(), _mib(memory)) for name, comma, memory in (row.partition(",") for row in rows) if comma]
    for kind in dict.fromkeys(kinds):
        yield GpuSeen(name=_plain(kind[0]), memory_mib=kind[1], count=kinds.count(kind))


def _plain(name: str) -> str:
    """A name that means the same in YAML: letters, digits and a few signs."""
    return "".join(c if c.isascii() and (c.isalnum() or c in " .-_/()") else "-" for c in name).strip() or "unknown"


def _mib(text: str) -> int | None:
    digits = text.strip().removesuffix("MiB").strip()
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _memory(meminfo: Path) -> dict[str, int]:
    """Bytes by the kernel's own names; empty where there is no such file."""
    try:
        lines = meminfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3 and row[1].isdigit()}


def _looks_like_a_key(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable() and " " not in value
