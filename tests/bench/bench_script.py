"""Loads a script of `bench/`, which is no package and stands on nobody's path."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["bench_script"]

BENCH = Path(__file__).resolve().parents[2] / "bench"


def bench_script(name: str) -> ModuleType:
    """`bench/NAME.py` as a module; what it shares with other scripts is found beside it."""
    if str(BENCH) not in sys.path:
        sys.path.append(str(BENCH))  # last: its router.py is not the one of tests/e2e
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
