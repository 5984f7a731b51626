"""Puts this folder's helper module on the path and hands out state folders."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_rig import Clock, Disk, small_disk

from localfleet.storage.ledger import SqliteLedger


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def ledger(home: Path) -> Iterator[SqliteLedger]:
    """An open ledger in a fresh folder."""
    opened = SqliteLedger(home, clock=Clock())
    yield opened
    opened.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A real file system of 2 MB that can be filled and made read-only; skipped where mounting is not allowed."""
    with small_disk(tmp_path / "disk") as mounted:
        if mounted is None:
            pytest.skip("mounting a small disk needs root and CAP_SYS_ADMIN, which this machine does not give")
        yield mounted
