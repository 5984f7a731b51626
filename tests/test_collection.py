"""What is collected: processes that share the tests must agree on them, or `./scripts/test` ends before the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_process_collects_the_same_tests_in_the_same_order() -> None:
    """The order of a set is another one in each process: parameters drawn from one stop the tests two at a time."""
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
    orders = set()
    for seed in "12":
        ran = subprocess.run(
            collect, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        orders.add(tuple(line for line in ran.stdout.splitlines() if "::" in line))
    assert len(orders) == 1
    assert len(*orders) > 1000
