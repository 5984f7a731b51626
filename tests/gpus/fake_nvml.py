"""
Builds the stand-in for `libnvidia-ml.so.1` (fake_nvml.c) with the machine's C compiler, and writes what it says.

    driver = FakeDriver.build(folder)          # skips the test where there is no compiler
    driver.says(H100 | {"0.power": "480000"})
    Router.start(..., env=driver.env)
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

__all__ = ["H100", "RTX_4090", "FakeDriver"]

SOURCE = Path(__file__).with_name("fake_nvml.c")
GIB = 2**30
H100 = {
    "count": "1",
    "0.name": "NVIDIA H100 80GB HBM3",
    "0.use": "97",
    "0.used": str(70 * GIB),
    "0.total": str(80 * GIB),
    "0.power": "512000",
    "0.limit": "700000",
    "0.heat": "61",
    "0.energy": "1000000",
    "0.reasons": "0x4",
    "0.processes": f"4711:{60 * GIB} 4712:-1",
}
"""One card that tells everything, in NVML's units."""
RTX_4090 = {
    "count": "2",
    "1.name": "NVIDIA GeForce RTX 4090",
    "1.use": "0",
    "1.used": str(2 * GIB),
    "1.total": str(24 * GIB),
    "1.power": "31000",
    "1.heat": "38",
    "1.reasons": "0x1",
    "1.processes": "",
}
"""A second card, which has no energy counter and does not tell its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDriver:
    """The folder that holds the library and the file that it reads."""

    folder: Path

    @classmethod
    def build(cls, folder: Path) -> Self:
        """Compile it into `folder`."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("no C compiler here: the stand-in for NVIDIA's library cannot be built (apt-get install gcc)")
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "libnvidia-ml.so.1"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(library), str(SOURCE)],
            check=True,
            timeout=60,
        )
        driver = cls(folder=folder)
        driver.says({})
        return driver

    @property
    def env(self) -> dict[str, str]:
        """What a process needs to find it."""
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML": str(self.folder / "says")}

    def says(self, facts: Mapping[str, str]) -> None:
        """From now on; in one step, for it is read while it is written."""
        draft = self.folder / "says.new"
        draft.write_text("".join(f"{key} {value}\n" for key, value in facts.items()), encoding="utf-8")
        draft.replace(self.folder / "says")
